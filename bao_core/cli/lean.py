"""Imported before anything else of bao, so that importing msgspec costs half as much.

msgspec looks into typing_extensions first for names that typing has as well since Python 3.11.
Where it is installed, as it is for Typer, reading it takes a tenth of a run of hits.
"""

from __future__ import annotations

import sys

NAME = "typing_extensions"

if NAME not in sys.modules and "msgspec" not in sys.modules:
    # What stands for None here cannot be imported, and msgspec goes on to typing.
    sys.modules[NAME] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401 - for those who import it after this
    finally:
        del sys.modules[NAME]
