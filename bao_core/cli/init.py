"""`bao init`: a `bao.toml` to begin with, or one that says what `turbo.json` says."""

from __future__ import annotations

import os

from bao_core.cli.opening import opened
from bao_core.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.cli.commands import InitArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal
    from bao_core.session import Session

FILE = "bao.toml"


def init(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Write a configuration to the workspace root; returns the exit code.

    Raises:
        ConfigError: There is one already, or none to translate.
    """
    arguments: InitArguments = invocation.arguments
    with opened(invocation, environ, terminal) as session:
        text = _translated(session) if arguments.from_turbo else _first(session)
        path = os.path.join(session.root, FILE)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", where=FILE) from None
    terminal.note(f"wrote {path}")
    return 0


def _first(session: Session) -> str:
    from bao_core.config.writing import starter

    _refuse_configured(session)
    if foreign := session.config.foreign:
        raise ConfigError(
            "works as it stands, and a bao.toml beside it would take its place",
            where=foreign,
            hint="to write a bao.toml that says the same: bao init --from-turbo",
        )
    return starter(session.definitions)


def _translated(session: Session) -> str:
    from bao_core.config.writing import translation

    _refuse_configured(session)
    if not session.config.foreign:
        raise ConfigError(
            "there is no turbo.json at the workspace root, or no plugin that reads it",
            where=session.root,
            hint="try: pip install bao-workspace-node; see what is installed with: bao plugins",
        )
    return translation(session.config, session.workspace, session.definitions)


def _refuse_configured(session: Session) -> None:
    if path := session.config.path:
        raise ConfigError("bao is configured here already", where=path, hint="edit that file")
