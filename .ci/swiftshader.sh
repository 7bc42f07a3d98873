#!/usr/bin/env bash
# The tests of kernels and of the forms of AFT, and the benchmark, on SwiftShader, the software driver inside Chromium. It is the
# second opinion on Mesa's: written by other people, with other vectors, and less forgiving of a read past the end of a buffer.
#
# Exit code 3: the driver is missing and cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."

driver=/usr/lib/chromium/vk_swiftshader_icd.json

if [ ! -e $driver ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "No SwiftShader at $driver. As root on Debian, run: apt-get install --no-install-recommends chromium" >&2
        exit 3
    fi
    echo "No SwiftShader here: installing Chromium."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
fi

# The loader reads either variable, the first before the second. The name makes sure that no other driver is tested.
export VK_DRIVER_FILES=$driver VK_ICD_FILENAMES=$driver WGPU_ADAPTER_NAME=SwiftShader AFT_REQUIRE_ADAPTER=1
started=$SECONDS
cargo test --test kernels "$@"
# Every form once, as this adapter plans it. What costs minutes here and is no matter of the driver is left to Mesa's: the plan for
# GPUs, which the kernels above are tried with, sequences of 131,072, and the program.
cargo test --test forms -- --skip "(GPU tuning)" --skip long:: --skip memory:: --skip program::
.ci/bench.sh
echo "SwiftShader: $((SECONDS - started)) s"
