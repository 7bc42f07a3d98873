#!/usr/bin/env bash
# Makes sure that a C linker exists, which rustc calls to make a program: installs one where there is none, or says how to.
#
# Exit code 3: there is none, and the last line tells what to run.
set -euo pipefail

# Elsewhere the linker comes with the Rust toolchain's own requirements.
[ "$(uname -s)" = Linux ] || exit 0

# A compiler alone is not enough: the C library's own files, which every program starts with, may be missing.
can_link() {
    local folder status=0
    folder=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$folder/main.c"
    cc "$folder/main.c" -o "$folder/main" 2>/dev/null || status=1
    rm -r "$folder"
    return $status
}

# The command of this distribution, or nothing if it is not one that we know.
install_command() {
    if command -v apt-get >/dev/null; then
        echo "apt-get install --no-install-recommends gcc libc6-dev"
    elif command -v dnf >/dev/null; then
        echo "dnf install gcc"
    elif command -v pacman >/dev/null; then
        echo "pacman -S gcc"
    fi
}

if can_link; then exit 0; fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No C linker here: installing gcc."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev
    if can_link; then exit 0; fi
    echo "gcc is installed, yet cc does not link a program: look at PATH." >&2
    exit 3
fi

command=$(install_command)
echo "No C linker (cc) here. ${command:+As root, run: }${command:-Install gcc and the headers of the C library.}" >&2
exit 3
