# All style sheets in one, without comments and empty lines.
set -eu
mkdir -p dist
cat src/*.css | sed -e 's|/\*.*\*/||' -e 's/[[:space:]]*$//' -e '/^$/d' > dist/styles.css
echo "$(wc -l < dist/styles.css) lines in dist/styles.css"
