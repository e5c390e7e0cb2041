# The bundle holds every script and the styles; where node is at hand it must parse as well.
set -eu
for part in 'acme.add = function' 'acme.styles' 'font-family'; do
  grep -qF "$part" dist/widgets.js || { echo "dist/widgets.js lacks: $part"; exit 1; }
done
if command -v node > /dev/null; then
  node --check dist/widgets.js
fi
echo "dist/widgets.js is whole"
