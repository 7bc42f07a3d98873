#!/usr/bin/env bash
# The quick benchmark on the adapter at hand. Ends with 1 if a result is wrong, and if a case was not run; a limit may not be granted.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
cargo build --release
"$target/release/aft" bench --quick --format json --output "$target/bench.json"
if grep '"case": ' "$target/bench.json" | grep -v '"case": "limit: '; then
    echo "These cases were not run." >&2
    exit 1
fi
