"""How Sphinx builds the documentation: `nox -s docs`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

project = "bao"
author = "the bao authors"
copyright = author  # noqa: A001 - Sphinx's word
version = re.findall(r'__version__ = "(.+)"', (ROOT / "bao_core" / "__init__.py").read_text())[0]
release = version

extensions = ["myst_parser"]
exclude_patterns = ["_build", "decisions/template.md"]
source_suffix = {".md": "markdown"}
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"bao {version}"
