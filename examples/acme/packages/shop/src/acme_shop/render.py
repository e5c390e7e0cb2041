"""`python3 render.py TEMPLATE CATALOGUE SCRIPT FOLDER` writes the page and its script."""

import html
import json
import shutil
import sys
from pathlib import Path
from string import Template

template, catalogue, script, folder = map(Path, sys.argv[1:])
rows = [
    "<li>{name} <b>{price}</b> <button>Add</button></li>".format(
        name=html.escape(product["name"]), price=html.escape(product["price"])
    )
    for product in json.loads(catalogue.read_text(encoding="utf-8"))
]
page = Template(template.read_text(encoding="utf-8")).substitute(
    products="\n".join(rows), script=script.name
)
folder.mkdir(exist_ok=True)
(folder / "index.html").write_text(page, encoding="utf-8")
shutil.copyfile(script, folder / script.name)
print(f"{len(rows)} products on {folder / 'index.html'}")
