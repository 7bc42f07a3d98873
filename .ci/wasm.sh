#!/usr/bin/env bash
# Builds the library and the web crate for wasm32-unknown-unknown; a warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
# With --target the flags reach our crates and their dependencies but no build script; cargo silences dependencies.
RUSTFLAGS="${RUSTFLAGS:-} -Dwarnings" .ci/toolchain.sh $target build --locked --target $target \
    -p aft-wgpu -p aft-wgpu-web --lib --no-default-features
