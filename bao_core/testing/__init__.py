"""The kit for plugin authors (extra `bao-core[testing]`).

One suite for each interface, in a module of the interface's name; fakes and fixtures beside them.
`docs/how-to/test-a-plugin.md` shows how it is used.
"""

from __future__ import annotations

import sys

SUITES = (
    "cache",
    "cache_damage",
    "cache_machine",
    "cache_upkeep",
    "component",
    "events",
    "executor",
    "gate",
    "keys",
    "object_cache",
    "objects",
    "read_only",
    "scheduler",
    "workspace",
)
"""The modules whose functions assert."""

if "pytest" in sys.modules:
    # An assertion of a suite is explained like one of the test module that uses it.
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{name}" for name in SUITES))
