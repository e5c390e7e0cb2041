"""`python3 lint.py FOLDER…` names tabs, trailing blanks, missing newlines, and Python that warns."""

import sys
import warnings
from pathlib import Path

TEXT = {".css", ".html", ".js", ".py"}


def complaints(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    found = [
        f"{path}:{number}: {what}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, wrong in (("tab", "\t" in line), ("trailing blank", line != line.rstrip()))
        if wrong
    ]
    if text and not text.endswith("\n"):
        found.append(f"{path}: no newline at the end")
    if path.suffix == ".py":
        try:
            compile(text, str(path), "exec")
        except (SyntaxError, Warning) as error:
            found.append(f"{path}: {error}")
    return found


warnings.simplefilter("error")
files = [
    path
    for folder in map(Path, sys.argv[1:])
    for path in sorted(folder.rglob("*"))
    if path.suffix in TEXT
]
found = [complaint for path in files for complaint in complaints(path)]
print("\n".join([*found, f"{len(files)} files, {len(found)} complaints"]))
sys.exit(bool(found))
