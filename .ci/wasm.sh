#!/usr/bin/env bash
# Builds the library and the web crate for wasm32-unknown-unknown; a warning is an error.
#
#   .ci/wasm.sh toolchain   only makes sure that a toolchain for wasm exists
#   .ci/wasm.sh build       builds with it
#   .ci/wasm.sh cargo ...   runs cargo with it
#
# Where the active toolchain has the target (`rustup target add wasm32-unknown-unknown`), it is used as it is. Elsewhere
# Debian's compiler builds the standard library from its own source, once, and becomes the linked toolchain `web`.
set -euo pipefail

target=wasm32-unknown-unknown

# Whether the active toolchain brings the standard library for wasm.
has_target() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]
}

# Debian's compiler and the source of its standard library: both are of one version, which the build requires.
install_debian_rustc() {
    if [ -x /usr/bin/rustc ] && [ -e "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No toolchain for wasm. Run: rustup target add $target" >&2
        exit 3
    fi
    echo "No toolchain for wasm (rustup target add $target would add one): installing Debian's compiler."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustc-web rust-web-src
}

# build_std DIR: compiles the standard library for wasm into DIR.
build_std() {
    local scratch
    scratch=$(mktemp -d)
    mkdir -p "$1"
    printf '[package]\nname = "empty"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[workspace]\n' >"$scratch/Cargo.toml"
    echo '#![no_std]' >"$scratch/lib.rs"
    (
        cd "$scratch"
        # RUSTC_BOOTSTRAP opens -Zbuild-std in a stable compiler; bitcode lets the result take part in LTO.
        CARGO_TARGET_DIR=$scratch/target RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
            cargo build --release -Zbuild-std=std,panic_abort,proc_macro,test --target $target
    )
    mv "$scratch/target/$target/release/deps/"*.rlib "$1"
    rm -r "$scratch" "$1"/libempty-*
}

# A toolchain is a folder in rustup's layout: Debian's compiler, our standard library, rustup's cargo and linker.
link_toolchain() {
    local key root host rustlib active
    key=$(/usr/bin/rustc -V | tr -cs 'A-Za-z0-9.\n' '-' | sed 's/-$//')
    root=${XDG_CACHE_HOME:-$HOME/.cache}/aft-wgpu/web-$key
    host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
    rustlib=$root/lib/rustlib
    active=$(rustc --print sysroot)

    if [ ! -d "$rustlib/$target/lib" ]; then
        build_std "$rustlib/$target/lib.partial"
        mv "$rustlib/$target/lib.partial" "$rustlib/$target/lib"
    fi
    mkdir -p "$root/bin" "$rustlib/$host/bin"
    local tool
    for tool in rustc rustdoc; do
        printf '#!/bin/sh\nexec /usr/bin/%s --sysroot "%s" "$@"\n' $tool "$root" >"$root/bin/$tool"
        chmod +x "$root/bin/$tool"
    done
    ln -sfn "$active/bin/cargo" "$root/bin/cargo"
    ln -sfn "$active/lib/rustlib/$host/bin/rust-lld" "$rustlib/$host/bin/rust-lld"
    ln -sfn "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host/lib" "$rustlib/$host/lib"
    rustup toolchain link web "$root"
}

prepare() {
    if has_target; then return; fi
    install_debian_rustc
    link_toolchain
}

# Cargo of the toolchain that has the target.
wasm_cargo() {
    local toolchain=()
    if ! has_target; then toolchain=(+web); fi
    cargo "${toolchain[@]}" "$@"
}

build() {
    # With --target the flags reach our crates and their dependencies but no build script; cargo silences dependencies.
    RUSTFLAGS="${RUSTFLAGS:-} -Dwarnings" wasm_cargo build --locked --target $target \
        -p aft-wgpu -p aft-wgpu-web --lib --no-default-features
}

case "${1:-}" in
toolchain) prepare ;;
build)
    prepare
    build
    ;;
cargo)
    prepare
    wasm_cargo "${@:2}"
    ;;
*)
    sed -n '4,6s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
