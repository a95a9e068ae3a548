#!/usr/bin/env bash
# V8's packing of vectors into 256 bits is an experiment of V8's (see src/devices/wasm/wide.ts): every kernel's conformance on
# the wasm device with it, again and again, on the long-term Nodes that have it. Writes what was seen to wide-conformance.txt.
#   scripts/wide-conformance.sh [RUNS] [VERSION ...]     20 runs on Node 24 and 26 unless told
# NODES=FOLDER keeps the binaries for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-20}
versions=("${@:2}")
if [ ${#versions[@]} = 0 ]; then versions=(24.21.0 26.10.0); fi
source scripts/node-binaries.sh

failed=0
report() { printf '%s\n' "$*" | tee -a "$work/report"; }
for version in "${versions[@]}"; do
  node=$(node_of "$version")
  about=$("$node" -p '`Node ${process.version}, V8 ${process.versions.v8}`')
  began=$SECONDS
  green=0
  tests=''
  for run in $(seq "$runs"); do
    if WEFT_WIDE=1 "$node" test/run.mjs test/conformance test/kernels/winograd.test.ts test/train/wide.test.ts \
      -t '(on wasm|256 bits|in 256)' >"$work/run.log" 2>&1; then
      green=$((green + 1))
    else
      failed=1
      cp "$work/run.log" "wide-conformance-$version-$run.log"
    fi
    tests=$(sed 's/\x1b\[[0-9;]*m//g' "$work/run.log" | grep -oE '[0-9]+ passed' | tail -n 1) || tests='none'
  done
  report "$about: $green of $runs runs green, $tests in the last, $((SECONDS - began)) s."
done
{
  echo "Written by scripts/wide-conformance.sh on $(date -u +%F), revision $(git rev-parse --short HEAD), $(node -p 'os.cpus()[0].model'), $(nproc) cores."
  cat "$work/report"
} >scripts/wide-conformance.txt
exit "$failed"
