"""Tasks of Python packages: those that a task runner's tables declare, and those that are inferred.

`TaskFinder` puts them together. Each runner has a module: `poe`, `pdm`, `hatch`, `taskipy`. What is
inferred stands in `inference`, and in `building` for the build.
"""

from __future__ import annotations

from bao_workspace_python.tasks.finder import PackageTasks, TaskFinder
from bao_workspace_python.tasks.inference import LEFTOVERS

__all__ = ["LEFTOVERS", "PackageTasks", "TaskFinder"]
