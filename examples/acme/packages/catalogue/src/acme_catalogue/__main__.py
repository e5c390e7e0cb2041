"""`python -m acme_catalogue DATA FILE` writes the catalogue as JSON."""

import json
import os
import sys
from pathlib import Path

from acme_catalogue import read

data, target = map(Path, sys.argv[1:])
products = read(data, os.environ.get("ACME_CURRENCY", "EUR"))
target.parent.mkdir(exist_ok=True)
target.write_text(json.dumps(products, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
print(f"{len(products)} products in {target}")
