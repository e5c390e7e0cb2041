"""`bao config`: the configuration as bao understands it, and the schema of the file."""

from __future__ import annotations

from bao_core.cli.opening import opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from bao_core.cli.commands import ConfigArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal


def config(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Print the configuration of the root; returns the exit code."""
    arguments: ConfigArguments = invocation.arguments
    if arguments.schema:
        from bao_core.config.schema import schema_text

        terminal.line(schema_text().rstrip("\n"))
        return 0
    from msgspec import to_builtins

    with opened(invocation, environ, terminal) as session:
        understood = to_builtins(session.config)
        root = session.root
    if arguments.json:
        terminal.json({"version": 1, "root": root, "config": understood})
        return 0
    from bao_core.cli.terminal import shown

    terminal.line(f"root = {shown(root)}")
    for name, value in _flattened("", understood):
        terminal.line(f"{shown(name)} = {value}")
    return 0


def _flattened(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Every value with its dotted place, in the order of the records; empty tables are left out."""
    from bao_core.cli.terminal import encode_json

    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(f"{place}.{name}" if place else name, inner)
    else:
        yield place, encode_json(value).decode()
