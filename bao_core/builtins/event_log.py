"""The event sink `event-log`: every event as a line of JSON, for whoever watches a run."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from msgspec import Struct

from bao_core.errors import UsageError
from bao_core.interfaces.events import EventSink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from bao_core.events import Event
    from bao_core.interfaces.component import Context

VARIABLE = "BAO_EVENT_LOG"


class EventLogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the event log.

    Attributes:
        path: The file to append to, from the workspace root; without it, the file that
            `BAO_EVENT_LOG` names, and without that there is no log.
    """

    path: str = ""


class EventLog(EventSink):
    """Appends `{"type": …}` for each event to a file; bytes of output stand as base64."""

    name: ClassVar[str] = "event-log"
    Settings: ClassVar[type[Struct]] = EventLogSettings

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        if file is not None:
            from msgspec.json import Encoder

            self._encoder = Encoder()

    @classmethod
    def open(cls, settings: Any, context: Context) -> Self:
        """Open the file, if one is named.

        Raises:
            UsageError: It cannot be written to.
        """
        path = settings.path or context.environ.get(VARIABLE, "")
        if not path:
            return cls(None)
        try:
            place = os.path.join(context.root, path)
            return cls(open(place, "ab", buffering=0))
        except OSError as error:
            raise UsageError(
                f"the event log cannot be written: {error.strerror}",
                where=path,
                hint=f"name another file in {VARIABLE}",
            ) from error

    def handle(self, event: Event) -> None:
        """Write one line."""
        if self._file is None:
            return
        try:
            line = self._encoder.encode(event)
        except UnicodeEncodeError:
            line = _escaped(event)
        self._file.write(line + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _escaped(event: Event) -> bytes:
    """The line of an event that tells of a name which is no UTF-8: such bytes stand as escapes."""
    import json

    from msgspec import to_builtins

    return json.dumps(to_builtins(event), separators=(",", ":")).encode("ascii")
