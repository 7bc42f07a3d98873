#!/usr/bin/env bash
# Makes sure that the page can be tested: node, npm and a Chromium. Prints Chromium's path, and nothing else, on stdout.
#
# AFT_CHROMIUM names another Chromium. Exit code 3: something is missing and cannot be installed.
set -euo pipefail

if [ -n "${AFT_CHROMIUM:-}" ] && ! command -v "$AFT_CHROMIUM" >/dev/null; then
    echo "AFT_CHROMIUM names no program: $AFT_CHROMIUM" >&2
    exit 3
fi

find_chromium() {
    command -v "${AFT_CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome
}

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
find_chromium >/dev/null || missing+=(chromium)

if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: ${missing[*]}. As root on Debian, run: apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 3
    fi
    echo "Installing: ${missing[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi
find_chromium
