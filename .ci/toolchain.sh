#!/usr/bin/env bash
# Runs cargo of a toolchain that has the standard library of other targets than this machine:
#
#   .ci/toolchain.sh "TARGET..." [ARGUMENTS OF CARGO...]
#
# Without arguments it only makes sure that there is one. The active toolchain is used if it has the targets, or rustup can
# add them. Elsewhere Debian's compiler makes the standard library from its own source, once, and becomes the linked
# toolchain `cross`. For wasm it can build; for any other target it can only check.
set -euo pipefail

read -ra targets <<<"$1"
shift

# in_sysroot DIR: whether a sysroot has the standard library of every target.
in_sysroot() {
    local target
    for target in "${targets[@]}"; do
        [ -d "$1/lib/rustlib/$target/lib" ] || return 1
    done
}

# The folder of the linked toolchain; Debian's compiler is there.
cross_root() {
    local key
    key=$(/usr/bin/rustc -V | tr -cs 'A-Za-z0-9.\n' '-' | sed 's/-$//')
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/aft-wgpu/cross-$key"
}

add_targets() {
    timeout 60 rustup target add "${targets[@]}" >&2
}

# Debian's compiler and the source of its standard library: both are of one version, which the build requires.
install_debian_rustc() {
    if [ -x /usr/bin/rustc ] && [ -e "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No standard library for ${targets[*]}. Run: rustup target add ${targets[*]}" >&2
        exit 3
    fi
    echo "rustup cannot add ${targets[*]}: installing Debian's compiler." >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustc-web rust-web-src >&2
}

# make_std TARGET DIR: compiles the standard library for a target into DIR. Libraries need no linker. What is only checked
# against is not optimised.
make_std() {
    local target=$1 scratch profile=dev folder=debug
    if [[ $target == wasm32-* ]]; then profile=release folder=release; fi
    scratch=$(mktemp -d)
    mkdir -p "$2"
    printf '[package]\nname = "empty"\nedition = "2021"\n[lib]\npath = "lib.rs"\n[workspace]\n' >"$scratch/Cargo.toml"
    echo '#![no_std]' >"$scratch/lib.rs"
    (
        cd "$scratch"
        # RUSTC_BOOTSTRAP opens -Zbuild-std in a stable compiler; bitcode lets the result take part in LTO.
        CARGO_TARGET_DIR=$scratch/target RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
            cargo build --profile $profile -Zbuild-std=std,panic_abort,proc_macro,test --target "$target" >&2
    )
    mv "$scratch/target/$target/$folder/deps/"*.rlib "$2"
    rm -r "$scratch" "$2"/libempty-*
}

# A toolchain is a folder in rustup's layout: Debian's compiler, our standard libraries, rustup's cargo and linker.
link_toolchain() {
    local root host rustlib active target
    root=$(cross_root)
    host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
    rustlib=$root/lib/rustlib
    active=$(rustc --print sysroot)

    for target in "${targets[@]}"; do
        if [ -d "$rustlib/$target/lib" ]; then continue; fi
        rm -rf "$rustlib/$target/lib.partial"
        make_std "$target" "$rustlib/$target/lib.partial"
        mv "$rustlib/$target/lib.partial" "$rustlib/$target/lib"
    done
    mkdir -p "$root/bin" "$rustlib/$host/bin"
    local tool
    for tool in rustc rustdoc; do
        printf '#!/bin/sh\nexec /usr/bin/%s --sysroot "%s" "$@"\n' $tool "$root" >"$root/bin/$tool"
        chmod +x "$root/bin/$tool"
    done
    ln -sfn "$active/bin/cargo" "$root/bin/cargo"
    ln -sfn "$active/lib/rustlib/$host/bin/rust-lld" "$rustlib/$host/bin/rust-lld"
    ln -sfn "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host/lib" "$rustlib/$host/lib"
    rustup toolchain link cross "$root" >&2
}

toolchain=()
if ! in_sysroot "$(rustc --print sysroot)"; then
    if [ -x /usr/bin/rustc ] && in_sysroot "$(cross_root)"; then
        # Linked anew: rustup may have forgotten it.
        link_toolchain
        toolchain=(+cross)
    elif ! add_targets; then
        install_debian_rustc
        link_toolchain
        toolchain=(+cross)
    fi
fi
if [ $# -gt 0 ]; then exec cargo "${toolchain[@]}" "$@"; fi
