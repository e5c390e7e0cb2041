"""Environment variables: what turbo lets through by itself, and how patterns are written."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED_THROUGH = tuple(
    """
    HOME USER SHELL TZ LANG PATH CI TERM TERM_PROGRAM COLORTERM FORCE_COLOR NO_COLOR DISPLAY
    XAUTHORITY XDG_DATA_* XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS TMP TEMP TMPDIR
    LD_LIBRARY_PATH LD_PRELOAD LIBPATH DYLD_FALLBACK_LIBRARY_PATH DYLD_INSERT_LIBRARIES
    NODE_OPTIONS COREPACK_* NPM_CONFIG_STORE_DIR PNPM_HOME pnpm_config_verify_deps_before_run
    VSCODE_* ELECTRON_RUN_AS_NODE JB_IDE_* JB_INTERPRETER _JETBRAINS_TEST_RUNNER_RUN_SCOPE_TYPE
    DOCKER_* BUILDKIT_* COMPOSE_* GITHUB_* RUNNER_* __NIXOS_* NIX_*
    VERCEL VERCEL_* NEXT_* NOW_BUILDER USE_OUTPUT_FOR_EDGE_FUNCTIONS TURBO_*
    APPDATA LOCALAPPDATA PROGRAMDATA ProgramFiles ProgramFiles(x86) SYSTEMROOT SYSTEMDRIVE WINDIR
    USERPROFILE HOMEDRIVE HOMEPATH COMSPEC PATHEXT
    """.split()
)
"""What a task sees in strict mode although nobody declared it, found by running turbo 2.11.

`PWD` is missing here: it is where the task runs, and the shell sets it.
"""

ALWAYS_COUNTED = ("VERCEL_ANALYTICS_ID", "VERCEL_TARGET_ENV")
"""What is part of every key although nobody declared it."""


def variable_patterns(written: Iterable[str]) -> tuple[str, ...]:
    r"""Patterns as turbo.json writes them in bao's form, each once.

    An escaped `\*` is a plain star to turbo and any text to bao, which matches more; a variable
    whose name begins with `!` is left out.
    """
    found = dict.fromkeys(
        text.replace("\\*", "*") for text in written if not text.startswith("\\!")
    )
    return tuple(pattern for pattern in found if pattern not in {"", "!"})
