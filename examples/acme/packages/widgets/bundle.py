"""`python3 bundle.py STYLES SOURCES BUNDLE`: every script in a function of its own, styles first."""

import json
import sys
from pathlib import Path

styles, sources, bundle = map(Path, sys.argv[1:])
parts = [f"window.acme = {{ styles: {json.dumps(styles.read_text(encoding='utf-8'))} }};\n"]
for source in sorted(sources.glob("*.js")):
    parts.append(f"(function (acme) {{\n{source.read_text(encoding='utf-8')}}})(window.acme);\n")
bundle.parent.mkdir(exist_ok=True)
bundle.write_text("".join(parts), encoding="utf-8")
print(f"{len(parts) - 1} scripts in {bundle}")
