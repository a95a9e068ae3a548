# Binaries of other Node versions, for scripts that source this: node_of VERSION prints the path of one, installed if it is not yet.
# They come from the npm registry: the package `node` installs one of these packages, by a script that npm no longer runs by
# itself. They lie in a temporary folder, which is removed at the end (or in NODES, which keeps them for the next time).
platform=$(node -p '`${process.platform === "win32" ? "win" : process.platform}-${process.arch}`')
if [ -n "${NODES:-}" ]; then mkdir -p "$NODES"; nodes=$(cd "$NODES" && pwd); else nodes=$(mktemp -d); fi
work=$(mktemp -d)
cleanup() { rm -rf "$work"; if [ -z "${NODES:-}" ]; then rm -rf "$nodes"; fi; }
trap cleanup EXIT

node_of() {
  local folder="$nodes/$1"
  local binary="$folder/node_modules/node-$platform/bin/node"
  if [ ! -x "$binary" ]; then
    mkdir -p "$folder"
    echo '{"private":true}' >"$folder/package.json"
    (cd "$folder" && npm install --no-fund --no-audit --silent "node-$platform@$1") >&2
  fi
  echo "$binary"
}
