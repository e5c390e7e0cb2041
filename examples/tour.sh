#!/bin/sh
# Shows what bao does, on a copy of examples/acme in a git repository and with a cache of its own.
# Everything happens in a temporary directory. `BAO=/path/to/bao sh examples/tour.sh` picks the command.
set -eu
bao=${BAO:-bao}
here=$(cd "$(dirname "$0")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export BAO_CACHE_DIR="$place/cache"

bold='' plain=''
if [ -t 1 ]; then
  bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }
run() {
  printf '%s$ bao %s%s\n' "$bold" "$*" "$plain"
  "$bao" "$@"
}
commit() { git add --all && git -c user.name=tour -c user.email=tour@example.org commit -q -m "$1"; }

cp -R "$here/acme" "$place/acme"
cd "$place/acme"
rm -rf packages/*/dist
git init -q -b main
commit "A shop"

say "Two workspaces in one repository, uv and npm: these are the packages"
run ls
say "Cold: everything runs, in the order of the dependencies, as many at once as there are cores"
run run build test
say "Once more: nothing runs"
run run build test --output-logs=hash-only
say "Outputs deleted: they come back from the cache"
rm -r packages/*/dist
run run build test --output-logs=none
say "On a branch, a style sheet changes: who is affected, and why?"
git switch -q -c red
sed -i.old 's/#b22222/#cc0000/' packages/styles/src/button.css && rm packages/styles/src/button.css.old
run ls --affected
say "Why does the page have to be built again?"
run why acme-shop#build
say "Run what the change can reach, and what that needs"
run run test --affected
