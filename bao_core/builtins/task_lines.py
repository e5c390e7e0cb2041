"""Lines about a task: what bao says of it, and what the task itself has written."""

from __future__ import annotations

from bao_core.builtins.report_text import one_line
from bao_core.task_log import TaskLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_core.builtins.output_stream import OutputStream
    from bao_core.model import TaskId

PREFIX_COLORS = ("36", "35", "34", "32", "33", "96", "95", "94")


class TaskLines:
    """Writes whole lines of tasks to a stream, the task's id before each.

    Attributes:
        said: Whether anything was said of a task yet.
    """

    def __init__(
        self, out: OutputStream, *, color: bool, prefix_output: bool, log_directory: str
    ) -> None:
        """Begin.

        Args:
            out: Where lines go.
            color: Whether to colour ids and what bao says.
            prefix_output: Whether the id stands before lines of output too.
            log_directory: Where a line is kept that is long and not yet complete.
        """
        self.said = False
        self._out = out
        self._color = color
        self._prefix_output = prefix_output
        self._log_directory = log_directory
        self._prefix_of: tuple[TaskId | None, bytes] = (None, b"")

    def say(self, task_id: TaskId, message: str, color: str) -> None:
        """Say something of a task, in one line."""
        message = one_line(message)
        if self._color:
            message = f"\x1b[{color}m{message}\x1b[0m"
        self._out.add(b"%b%b\n" % (self._prefix(task_id), encoded(message)))
        self.said = True

    def show_whole(self, task_id: TaskId, log: TaskLog) -> None:
        """Show all of a log, and end its last line."""
        if not self._show(task_id, log):
            self._out.add(b"\n")

    def show_complete(self, task_id: TaskId, begun: TaskLog | None, data: bytes) -> TaskLog | None:
        """Show the lines that have become complete.

        Args:
            task_id: Whose they are.
            begun: The beginning of the first line; closed once it was shown.
            data: What has come since.

        Returns:
            The beginning of a line whose end is still to come.
        """
        end = data.rfind(b"\n") + 1
        if end:
            fresh = True
            if begun is not None:
                fresh = self._show(task_id, begun)
                begun.close()
                begun = None
            self._out.add(self._prefixed(task_id, data[:end], fresh=fresh))
        if end < len(data):
            begun = begun or TaskLog(self._log_directory)
            begun.write(data[end:])
        return begun

    def _show(self, task_id: TaskId, log: TaskLog) -> bool:
        """Show all of a log; whether its last line is complete."""
        fresh = True
        for data in log.chunks():
            self._out.add(self._prefixed(task_id, data, fresh=fresh))
            fresh = data.endswith(b"\n")
        return fresh

    def _prefixed(self, task_id: TaskId, data: bytes, *, fresh: bool) -> bytes:
        """Output with the task's id before each line; `fresh` if a line begins with it."""
        if not self._prefix_output:
            return data
        prefix = self._prefix(task_id)
        body = data.removesuffix(b"\n")
        lines = body.replace(b"\n", b"\n" + prefix)
        return b"".join((prefix if fresh else b"", lines, b"\n" if len(body) < len(data) else b""))

    def _prefix(self, task_id: TaskId) -> bytes:
        # Lines of one task mostly follow each other.
        if self._prefix_of[0] != task_id:
            self._prefix_of = (task_id, self._make_prefix(task_id))
        return self._prefix_of[1]

    def _make_prefix(self, task_id: TaskId) -> bytes:
        label = encoded(one_line(task_id))
        if not self._color:
            return label + b": "
        color = PREFIX_COLORS[sum(label) % len(PREFIX_COLORS)].encode()
        return b"\x1b[%bm%b:\x1b[0m " % (color, label)


def encoded(message: str) -> bytes:
    """Text as it is written; names that are no text become the bytes they were."""
    return message.encode("utf-8", "surrogateescape")
