"""`bao why`: everything bao knows of one task's key and result."""

from __future__ import annotations

from bao_core.cli.opening import opened
from bao_core.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bao_core.cli.commands import WhyArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal
    from bao_core.records import Explanation

_MINUTE = 60
_WIDTH = 12
"""Columns of the words before each fact."""


def why(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """Explain a task; returns the exit code."""
    arguments: WhyArguments = invocation.arguments
    (task_id,) = arguments.task_id
    if "#" not in task_id:
        raise UsageError(
            f"'{task_id}' is no task id", hint=f"name its package, such as: bao why web#{task_id}"
        )
    with opened(invocation, environ, terminal) as session:
        explanation = session.explain(task_id)
    if arguments.json:
        from msgspec.structs import asdict

        terminal.json({"version": 1, **asdict(explanation)})
        return 0
    from bao_core.cli.terminal import BOLD, shown

    terminal.line(terminal.style(shown(explanation.task_id), BOLD))
    for name, text in _facts(explanation, all_parts=invocation.verbosity > 0):
        terminal.line(f"  {name.ljust(_WIDTH)}{shown(text)}")
    return 0


def _facts(explanation: Explanation, *, all_parts: bool) -> Iterator[tuple[str, str]]:
    yield "key", explanation.key or "not known before what is upstream has run"
    yield "result", _result(explanation)
    if explanation.created is not None:
        yield "made", _when(explanation.created)
    if explanation.outcome == "hit" and explanation.saved is not None:
        yield "saves", _seconds(explanation.saved)
    if explanation.outcome != "hit" and explanation.compared_with is not None:
        yield "compared", f"with the last result, {explanation.compared_with}"
    heading = "because"
    for reason in explanation.differences:
        yield heading, reason.text
        heading = ""
    if all_parts:
        yield "parts", f"{len(explanation.parts)} of the key:"
        for name in sorted(explanation.parts):
            yield "", f"{name} = {explanation.parts[name]}"


def _result(explanation: Explanation) -> str:
    match explanation.outcome:
        case "hit":
            tier = "" if explanation.tier is None else f", from cache tier '{explanation.tier}'"
            return f"hit{tier}"
        case "miss":
            return "miss: it would be run"
        case "pending":
            return "pending: it depends on what an upstream task will have produced"
        case _:
            return "off: it is not cached"


def _when(epoch: float) -> str:
    """A moment, in local time and as an age."""
    from time import localtime, strftime, time

    age = max(0.0, time() - epoch)
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if age >= seconds:
            count = int(age // seconds)
            ago = f"{count} {unit}{'' if count == 1 else 's'} ago"
            break
    else:
        ago = "just now"
    return f"{strftime('%Y-%m-%d %H:%M:%S', localtime(epoch))} ({ago})"


def _seconds(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s"
