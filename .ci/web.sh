#!/usr/bin/env bash
# Makes the page: compiles the web crate, packs it, and lays it with the page's own files into web/dist.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${CARGO_TARGET_DIR:-target}
dist=web/dist

# version LOCK CRATE: the version that a lock file has of a crate.
version() {
    sed -n "/^name = \"$2\"\$/{n;s/^version = \"\(.*\)\"/\1/p}" "$1"
}

packed=$(version Cargo.lock wasm-bindgen)
packer=$(version web/pack/Cargo.lock wasm-bindgen-cli-support)
if [ "$packed" != "$packer" ]; then
    echo "Cargo.lock has wasm-bindgen $packed, web/pack packs $packer: set web/pack/Cargo.toml to =$packed" >&2
    exit 1
fi

# Panics name source files; they shall not name this machine's folders.
here=$PWD registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$here=. --remap-path-prefix=$registry=crates" \
    .ci/toolchain.sh wasm32-unknown-unknown build --locked --profile web --target wasm32-unknown-unknown -p aft-wgpu-web --lib
cargo build --locked --manifest-path web/pack/Cargo.toml --target-dir "$build/pack"

rm -rf $dist
"$build/pack/debug/aft-wgpu-pack" "$build/wasm32-unknown-unknown/web/aft_wgpu_web.wasm" $dist
cp web/page/* $dist
wc -c $dist/*.wasm | while read -r bytes file; do
    echo "$file: $bytes bytes, $(gzip -9 -c "$file" | wc -c) compressed by gzip"
done
