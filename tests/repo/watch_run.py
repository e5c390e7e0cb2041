"""Runs bao and notes what it does: `python watch_run.py lines|compiled LOG WORD…`.

`lines` counts lines of Python, imports included. `compiled` names the texts that `compile` was
given; what Python compiles by itself is none of them.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


def watch_lines() -> Callable[[], str]:
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    def result() -> str:
        sys.settrace(None)
        return str(lines)

    threading.settrace(trace)
    sys.settrace(trace)
    return result


def watch_compiled() -> Callable[[], str]:
    texts: list[str] = []

    def note(source: Any, *arguments: Any, **named: Any) -> Any:
        texts.append(str(source))
        return compiling(source, *arguments, **named)

    compiling, builtins.compile = builtins.compile, note
    return lambda: "\n".join(texts)


def main() -> None:
    watch, log = sys.argv[1:3]
    sys.argv[:3] = ["bao"]
    # What is remembered of plugins holds for the import path, so that has to be the usual one.
    sys.path[0] = os.path.dirname(sys.executable)

    def leave(code: int) -> None:
        noted = result()
        with open(log, "w") as file:
            file.write(noted)
        end(code)

    end, os._exit = os._exit, leave
    result = {"lines": watch_lines, "compiled": watch_compiled}[watch]()
    from bao_core.cli.start import program

    program()


main()
