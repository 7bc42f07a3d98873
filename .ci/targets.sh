#!/usr/bin/env bash
# Checks the library and the program for Windows (DX12) and macOS (Metal), whose code no other step compiles; a warning is an
# error. Nothing is linked: no SDK is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(x86_64-pc-windows-msvc aarch64-apple-darwin)
.ci/toolchain.sh "${targets[*]}"
SECONDS=0
# What runs is build scripts and macros: optimising them takes longer than they do.
RUSTFLAGS="${RUSTFLAGS:-} -Dwarnings" .ci/toolchain.sh "${targets[*]}" check --locked "${targets[@]/#/--target=}" \
    --config 'profile.dev.opt-level=0' --config 'profile.dev.package."*".opt-level=0' -p aft-wgpu --lib --bins
echo "${targets[*]}: checked in $SECONDS s"
