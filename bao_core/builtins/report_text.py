"""What the reporter says, in words: of a task, of a failure, of the whole run."""

from __future__ import annotations

from msgspec import Struct, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from bao_core.events import RunFinished, TaskFinished
    from bao_core.model import CacheKey, Reason, TaskId

RUN_ANYWAY = frozenset(
    ("forced", "no-cache", "not-cached", "uncacheable", "upstream-failed", "upstream-tainted")
)
"""Codes of reasons for which the cache was not asked, so that nothing was missed."""

SHORT_KEY = 16
"""Digits of a key that are shown unless more are asked for."""

REASONS_SHOWN = 3
"""Reasons for one task that are shown unless more are asked for."""

SIGNAL_BASE = 128
"""What a shell, and bao, adds to the number of the signal that ended a process."""

MINUTE = 60
HOUR = 60 * MINUTE
PRECISE_BELOW = 10
"""Seconds up to which hundredths are worth showing."""


class Tally(Struct):
    """How the tasks of a run ended.

    Attributes:
        failed: Exit codes by task.
        saved: Seconds that hits saved.
    """

    restored: int = 0
    run: int = 0
    skipped: int = 0
    cancelled: int = 0
    saved: float = 0.0
    failed: dict[TaskId, int] = field(default_factory=dict)
    flaky: list[TaskId] = field(default_factory=list)

    def add(self, event: TaskFinished) -> None:
        """Count one task; one that only passes changes on does not count."""
        match event.outcome:
            case "restored" | "stood":
                self.restored += 1
                self.saved += event.saved
            case "skipped":
                self.skipped += 1
            case "executed" if event.cancelled:
                self.cancelled += 1
            case "executed" if event.exit_code:
                self.failed[event.id] = event.exit_code
            case "executed":
                self.run += 1
            case _:
                pass
        if event.flaky:
            self.flaky.append(event.id)


def why_executed(reasons: Sequence[Reason], *, verbose: bool) -> str:
    """Why a command was run, such as `miss: input src/a.py changed`."""
    label = "run" if any(reason.code in RUN_ANYWAY for reason in reasons) else "miss"
    texts = in_short(reasons, verbose=verbose)
    return f"{label}: {texts}" if texts else label


def hit(tier: str | None, *, replayed: bool) -> str:
    """Where a result came from, such as `hit (disk), replaying log`."""
    origin = f"hit ({tier})" if tier else "hit"
    return f"{origin}, replaying log" if replayed else origin


def failure(event: TaskFinished) -> str:
    """How a command failed, such as `failed with exit code 137 (SIGKILL) after 1.20s`."""
    how = "cancelled" if event.cancelled else "failed"
    after = f" after {seconds(event.duration)}" if event.duration else ""
    return f"{how} with {exit_code(event.exit_code or 0)}{after}"


def exit_code(code: int) -> str:
    """An exit code, with the signal that it may stand for."""
    if code > SIGNAL_BASE:
        from signal import Signals

        try:
            return f"exit code {code} ({Signals(code - SIGNAL_BASE).name})"
        except ValueError:
            pass
    return f"exit code {code}"


def in_short(reasons: Sequence[Reason], *, verbose: bool) -> str:
    """Several reasons as one clause."""
    texts = [reason.text for reason in reasons]
    if not verbose and len(texts) > REASONS_SHOWN:
        texts[REASONS_SHOWN:] = [f"and {len(texts) - REASONS_SHOWN} more"]
    return ", ".join(texts)


def short_key(key: CacheKey | None, *, verbose: bool) -> str:
    """A key in brackets, after a space; empty where there is none."""
    if key is None:
        return ""
    return f" [{key}]" if verbose else f" [{key[:SHORT_KEY]}]"


def summary(tally: Tally, event: RunFinished) -> list[str]:
    """The lines that end a run."""
    lines: list[str] = []
    if tally.failed:
        lines.append(" failed:")
        width = max(map(len, tally.failed))
        lines += [f"   {task:{width}}  {exit_code(code)}" for task, code in tally.failed.items()]
    if tally.flaky:
        lines.append(" flaky, failed at first and then succeeded:")
        lines += [f"   {task}" for task in tally.flaky]
    counts = [
        f"{tally.restored} restored",
        f"{tally.run} run",
        f"{len(tally.failed)} failed",
        f"{tally.skipped} skipped" if tally.skipped else "",
        f"{tally.cancelled} cancelled" if tally.cancelled else "",
    ]
    total = tally.restored + tally.run + len(tally.failed) + tally.skipped + tally.cancelled
    saved = f" (saved {seconds(tally.saved)})" if tally.saved else ""
    lines.append(
        f" {total} task{'' if total == 1 else 's'}: {', '.join(filter(None, counts))}"
        f"   in {seconds(event.duration)}{saved}"
    )
    return lines


def seconds(duration: float) -> str:
    """A duration as people say it: `1.24s`, `41s`, `2m 05s`, `1h 02m`."""
    if duration < PRECISE_BELOW:
        return f"{duration:.2f}s"
    whole = round(duration)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m {whole % MINUTE:02}s"
    return f"{whole // HOUR}h {whole % HOUR // MINUTE:02}m"


def one_line(text: str) -> str:
    """Text that can neither break a line nor command the terminal; other bytes stay as they are."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or "\udc80" <= char <= "\udcff" else ascii(char)[1:-1]
        for char in text
    )
