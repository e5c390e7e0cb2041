"""Runs bao and counts its lines of Python: `python count_lines.py LOG WORD…`."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Any


def main() -> None:
    log = sys.argv[1]
    sys.argv[:2] = ["bao"]
    # What is remembered of plugins holds for the import path, so that has to be the usual one.
    sys.path[0] = os.path.dirname(sys.executable)
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    def leave(code: int) -> None:
        sys.settrace(None)
        with open(log, "w") as file:
            file.write(str(lines))
        end(code)

    end, os._exit = os._exit, leave
    threading.settrace(trace)
    sys.settrace(trace)
    from bao_core.cli.start import program

    program()


main()
