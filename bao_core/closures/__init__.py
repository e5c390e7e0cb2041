"""What can be reached in a lock file, and remembering it by the lock file's content.

For workspace providers. A reader turns a lock file into nodes with successors, `reach_table` into a
`ReachTable`. `ClosureMemory` keeps such tables, so that one content is parsed once, and
`ClosureAnswers` what single packages reach, so that most of the time no table is needed either.
"""

from __future__ import annotations

from bao_core.closures.answers import Closure, ClosureAnswers, question_of
from bao_core.closures.memory import ClosureMemory
from bao_core.closures.reach import Node, ReachTable, reach_table

__all__ = [
    "Closure",
    "ClosureAnswers",
    "ClosureMemory",
    "LockBrokenError",
    "Node",
    "ReachTable",
    "question_of",
    "reach_table",
]


class LockBrokenError(Exception):
    """A lock file cannot be used; the text says where and why, as one clause."""
