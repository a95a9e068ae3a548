#!/usr/bin/env bash
# The suite on every Node that weft promises to run on: the four long-term releases from 20 to 26, one after the other.
#   scripts/every-node.sh             the whole suite, noted in scripts/every-node.txt (half an hour on two quiet cores)
#   scripts/every-node.sh --smoke     device tests, conformance health and a training; compares the bits of the four
#   scripts/every-node.sh [--smoke] 26.10.0 ...   these versions; their lines in the file are replaced
# NODES=FOLDER keeps the binaries for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
versions=(20.20.2 22.23.3 24.21.0 26.10.0)
smoke=false
if [ "${1:-}" = --smoke ]; then smoke=true; shift; fi
if [ $# -gt 0 ]; then versions=("$@"); fi

source scripts/node-binaries.sh

failed=0
report() { printf '%s\n' "$*" | tee -a "$work/report"; }
for version in "${versions[@]}"; do
  node=$(node_of "$version")
  about=$("$node" -p '`Node ${process.version}, V8 ${process.versions.v8}`')
  tests=()
  if $smoke; then tests=(test/devices test/conformance/health.test.ts test/cli/kernel-probe.test.ts); fi
  printf '\n--- %s\n' "$about"
  began=$SECONDS
  status=0
  "$node" test/run.mjs "${tests[@]}" >"$work/$version.log" 2>&1 || status=$?
  plain=$(sed 's/\x1b\[[0-9;]*m//g' "$work/$version.log")
  summary=$(grep -E '^ *Tests ' <<<"$plain" | tail -n 1 | sed 's/^ *Tests *//') || summary='no test ran'
  if [ "$status" != 0 ]; then
    failed=1
    grep -E '^ *(FAIL|×)|Error: ' <<<"$plain" | head -n 40 || tail -n 40 <<<"$plain"
  fi
  bits=$("$node" --import tsx test/train/training-process.ts) || { failed=1; bits='the training failed'; }
  report "$about: exit $status, $summary, $((SECONDS - began)) s; training $bits"
done

if [ "$(sed -n 's/.*; training //p' "$work/report" | sort -u | wc -l)" != 1 ]; then
  report 'The same training did not give the same bits on all of them.'
  failed=1
fi
# A line for each Node, in order, with the revision that was tested.
if ! $smoke; then
  file=scripts/every-node.txt
  touch "$file"
  while IFS= read -r line; do
    grep -vF "${line%%,*}," "$file" >"$work/others" || true
    {
      cat "$work/others"
      echo "$line; $(date -u +%F), revision $(git rev-parse --short HEAD), $(node -p 'os.cpus()[0].model'), $(nproc) cores"
    } | sort -V >"$file"
  done < <(grep '^Node ' "$work/report")
fi
exit "$failed"
