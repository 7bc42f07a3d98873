#!/usr/bin/env bash
# Makes sure that a Vulkan adapter exists: installs Mesa's software driver where there is none, or says how to.
#
# Exit code 3: there is no adapter, and the last line tells what to run. Only what can be found without a build is
# looked at, the loader and the drivers' descriptions; whether a driver works is for `aft adapters` to say.
set -euo pipefail

# Metal and DX12 are parts of their systems.
[ "$(uname -s)" = Linux ] || exit 0

# any_exists PATTERN...: whether a file matches one of them.
any_exists() {
    local pattern
    for pattern; do
        if compgen -G "$pattern" >/dev/null; then return 0; fi
    done
    return 1
}

has_loader() {
    any_exists {,/usr,/usr/local}/lib{,64,/*}/libvulkan.so.1
}

# The loader's own rule: either variable, a list divided by colons, replaces the folders that it searches.
has_driver() {
    local named=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}} patterns
    if [ -n "$named" ]; then
        IFS=: read -ra patterns <<<"$named"
        any_exists "${patterns[@]}"
    else
        any_exists {/etc,/usr/share,/usr/local/share,"${XDG_DATA_HOME:-$HOME/.local/share}"}/vulkan/icd.d/*.json
    fi
}

has_adapter() {
    has_loader && has_driver
}

# The command of this distribution, or nothing if it is not one that we know.
install_command() {
    if command -v apt-get >/dev/null; then
        echo "apt-get install --no-install-recommends mesa-vulkan-drivers libvulkan1"
    elif command -v dnf >/dev/null; then
        echo "dnf install mesa-vulkan-drivers vulkan-loader"
    elif command -v pacman >/dev/null; then
        echo "pacman -S vulkan-swrast vulkan-icd-loader"
    fi
}

if has_adapter; then exit 0; fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No Vulkan driver here: installing Mesa's software driver."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1
    if has_adapter; then exit 0; fi
    echo "The driver is installed, yet none is found: look at VK_DRIVER_FILES and VK_ICD_FILENAMES." >&2
    exit 3
fi

command=$(install_command)
if [ -z "$command" ]; then
    echo "No Vulkan driver was found in the usual places; going on, as this system may keep it elsewhere." >&2
    exit 0
fi
echo "No Vulkan driver here. As root, run: $command" >&2
exit 3
