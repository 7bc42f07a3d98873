#!/usr/bin/env bash
# Holds every SPIR-V module of a folder against Vulkan's rules with spirv-val, which knows more of them than naga checks.
#
#   .ci/spirv.sh DIR   checks DIR/*.spv, as tests/shaders.rs writes them
#
# Exit code 3: spirv-val is missing and cannot be installed.
set -euo pipefail
folder=$1

if ! command -v spirv-val >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No spirv-val here. It is part of SPIRV-Tools; as root on Debian, run: apt-get install spirv-tools" >&2
        exit 3
    fi
    echo "No spirv-val here: installing it."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spirv-tools
fi

# SPIR-V 1.3 came with Vulkan 1.1.
valid() {
    spirv-val --target-env vulkan1.1 "$1"
}

shopt -s nullglob
modules=("$folder"/*.spv)
if [ ${#modules[@]} -eq 0 ]; then
    echo "$folder holds no SPIR-V" >&2
    exit 1
fi

# A check that cannot fail checks nothing: of a word of zeros, an instruction without a length, it has to complain.
broken=$(mktemp)
trap 'rm -f "$broken"' EXIT
{ cat "${modules[0]}" && printf '\0\0\0\0'; } >"$broken"
if valid "$broken" 2>/dev/null; then
    echo "spirv-val accepts a broken module" >&2
    exit 1
fi

failures=0
for module in "${modules[@]}"; do
    if ! complaint=$(valid "$module" 2>&1); then
        printf '%s: %s\n' "$(basename "$module")" "$complaint" >&2
        failures=$((failures + 1))
    fi
done
echo "spirv-val: ${#modules[@]} modules, $failures failures"
[ "$failures" -eq 0 ]
