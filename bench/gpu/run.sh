#!/bin/sh
# Runs what was packed, on this host: correctness of every kernel variant first, then the benches. Results go to results/.
#
#   ./run.sh                      everything
#   ./run.sh correctness [family] only the conformance suite (or a family of it)
#   ./run.sh bench [options]      only the benches, with options of npm run bench
#   ./run.sh kernels [options]    weft bench, e.g. ./run.sh kernels --tune --batch-size 512
here=$(cd "$(dirname "$0")" && pwd)
results=$here/results
mkdir -p "$results"

# The host's own C++ runtime, unless it is too old for this Node.
if ! "$here/node" --version >/dev/null 2>&1; then
  LD_LIBRARY_PATH="$here/lib/c++${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export LD_LIBRARY_PATH
  if ! "$here/node" --version; then
    echo 'Node does not start on this host (see the message above).' >&2
    exit 1
  fi
fi
# Dawn finds the loader by its name only; the host's own comes first.
LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:/usr/lib64:$here/lib/vulkan"
export LD_LIBRARY_PATH
# A container may hold NVIDIA's driver without the file that names it to the loader.
if [ -z "$VK_DRIVER_FILES" ] && ! ls /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json >/dev/null 2>&1; then
  for driver in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
    found=$(find /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/nvidia /usr/lib -name "$driver" 2>/dev/null | head -n 1)
    if [ -n "$found" ]; then
      printf '{"file_format_version":"1.0.1","ICD":{"library_path":"%s","api_version":"1.3.0"}}\n' "$found" >"$results/icd.json"
      VK_DRIVER_FILES=$results/icd.json
      export VK_DRIVER_FILES
      break
    fi
  done
fi
[ -f "$here/app/tfjs-webgpu.mjs" ] && WEFT_TFJS_BUNDLE=$here/app/tfjs-webgpu.mjs && export WEFT_TFJS_BUNDLE

app() {
  program=$1
  shift
  "$here/node" --expose-gc "$here/app/$program.mjs" "$@"
}
# Runs a program, shows what it says and keeps it; the exit code is the program's.
kept() {
  log=$results/$1.txt
  { app "$@" 2>&1; echo $? >"$results/.code"; } | tee "$log"
  return "$(cat "$results/.code")"
}

case $1 in
correctness)
  shift
  kept conformance "$@"
  ;;
bench)
  shift
  kept bench --device webgpu --json "$results/bench.json" "$@"
  ;;
kernels)
  shift
  app kernels "$@"
  ;;
'')
  kept conformance || { echo 'Kernels are wrong on this adapter: no benches.' >&2; exit 1; }
  kept overhead
  kept bench --device webgpu --batch 128,512,1024 --json "$results/bench.json"
  code=$?
  kept endurance --steps 10000 || code=1
  exit $code
  ;;
*)
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit 2
  ;;
esac
