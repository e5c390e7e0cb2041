"""The program: starts git where that is surely wanted, then everything else."""

from __future__ import annotations

import gc
import os
import sys

from bao_core.cli.bundle import CodeBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bao_core.git.begun import BegunListing

_NEED_FILES = frozenset({"ls", "run"})
_MOVES = ("-C", "--directory")
_COMPARES = ("--affected", "--since")

_COLLECT_EVERY = 1_000_000
"""Allocations between two searches for cyclic garbage. A run that is all hits makes hundreds of
thousands of records, all of them in use, and with Python's default the collector would walk them
again and again; a long run still has its cycles collected."""


def program() -> None:
    """Run bao as the whole of its process.

    Python's own way out frees every object one by one, which takes a tenth of a run of hits. All
    that has to be closed and written is closed and written by now.
    """
    gc.set_threshold(_COLLECT_EVERY)
    bundle = CodeBundle.install()
    begun = begin(sys.argv[1:], os.environ)
    from bao_core.cli.main import main

    code = main(begun=begun)
    sys.stderr.flush()
    if bundle is not None and begun is not None:
        bundle.save()
    os._exit(code)


def begin(argv: Sequence[str], environ: Mapping[str, str]) -> BegunListing | None:
    """Ask git about the workspace that the current directory was in the last time.

    Whoever finds another root later asks again; what was begun is dropped then.
    """
    if not argv or argv[0] not in _NEED_FILES or any(word.startswith(_MOVES) for word in argv):
        return None
    from bao_core.recent import recall_root

    try:
        found = recall_root(os.getcwd(), environ)
        if found is None:
            return None
        from bao_core.errors import BaoError
        from bao_core.git.begun import BegunListing

        compare = any(word.startswith(_COMPARES) for word in argv)
        try:
            return BegunListing(*found, environ, compare=compare)
        except BaoError:
            return None  # it is told when it is asked again
    except OSError:
        return None
