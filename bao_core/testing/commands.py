r"""Commands whose start, output and end the test holds in its hand: no sleeps for ordering.

build = ScriptedCommand()
workspace.write({"bao.toml": f'[tasks.build]\ncommand = {build.shell!r}'})
run = workspace.start("run", "build")
call = build.next_call()
call.write(b"half way\n")
call.finish(exit_code=3)
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from typing import Self

from bao_core.testing.fakes import PATIENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROGRAM = """
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
stream = line.makefile("rwb")
def say(record):
    stream.write(json.dumps(record).encode() + b"\\n")
    stream.flush()
say({"pid": os.getpid(), "directory": os.getcwd(), "arguments": sys.argv[2:],
     "environ": dict(os.environ)})
for order in map(json.loads, stream):
    if "write" in order:
        data = bytes.fromhex(order["write"])
        while data:
            data = data[os.write(order["to"], data):]
    elif "file" in order:
        with open(order["file"], "wb") as file:
            file.write(bytes.fromhex(order["data"]))
    elif "ignore" in order:
        signal.signal(order["ignore"], signal.SIG_IGN)
    elif "die" in order:
        os.kill(os.getpid(), order["die"])
    else:
        os._exit(order["exit"])
    say({})
os._exit(99)
"""
"""What runs in the place of a command: it does as it is told, one order after the other, and ends
with 99 when nobody is there any more to tell it."""


class Call:
    """One run of a scripted command, which waits for orders.

    Attributes:
        pid: Its process.
        directory: Where it was started.
        arguments: What followed the command, such as what stood after `--`.
        environ: The variables that it sees.
    """

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(PATIENCE)
        self._line = line
        self._stream = line.makefile("rwb")
        said = self._hear()
        self.pid: int = said["pid"]
        self.directory: str = said["directory"]
        self.arguments: list[str] = said["arguments"]
        self.environ: dict[str, str] = said["environ"]

    def write(self, data: bytes, *, to_errors: bool = False) -> None:
        """Have it write to standard output or error; returns when it has."""
        self._order({"write": data.hex(), "to": 2 if to_errors else 1})

    def write_file(self, path: str, data: bytes) -> None:
        """Have it write a file, from its directory; returns when it has."""
        self._order({"file": path, "data": data.hex()})

    def ignore(self, number: int = signal.SIGTERM) -> None:
        """Have it ignore a signal from now on."""
        self._order({"ignore": int(number)})

    def finish(self, exit_code: int = 0) -> None:
        """Have it end with an exit code."""
        self._order({"exit": exit_code}, last=True)

    def die(self, number: int = signal.SIGKILL) -> None:
        """Have it end by a signal."""
        self._order({"die": int(number)}, last=True)

    def wait_for_end(self) -> None:
        """Wait until something else has ended it.

        Raises:
            TimeoutError: It lives on.
        """
        if self._stream.read(1):
            raise AssertionError("the command said something that nobody asked for")
        self.close()

    def close(self) -> None:
        """Leave it alone: if it still runs, it ends with 99."""
        try:
            self._stream.close()
        except OSError:
            pass  # it is gone, and what was to be said with it
        self._line.close()

    def _order(self, order: dict[str, Any], *, last: bool = False) -> None:
        self._stream.write(json.dumps(order).encode() + b"\n")
        self._stream.flush()
        if last:
            self.wait_for_end()
        else:
            self._hear()

    def _hear(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise EOFError("the command ended by itself")
        said: dict[str, Any] = json.loads(line)
        return said


class ScriptedCommand:
    """A command of which each run is a `Call`.

    Attributes:
        words: The command as a program and its arguments.
        shell: The same as a shell line.
    """

    def __init__(self) -> None:
        # Not below a test's own directory: the name of a socket must be short.
        self._directory = tempfile.mkdtemp(prefix="bao-")
        place = os.path.join(self._directory, "s")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(place)
        self._listener.listen(64)
        self._listener.settimeout(PATIENCE)
        self._calls: list[Call] = []
        program = os.path.join(self._directory, "p.py")
        with open(program, "w", encoding="utf-8") as file:
            file.write(_PROGRAM)
        self.words = (sys.executable, "-I", "-S", program, place)
        self.shell = shlex.join(self.words)

    def next_call(self) -> Call:
        """The next run, as soon as it has started.

        Raises:
            TimeoutError: Nobody started the command.
        """
        try:
            call = Call(self._listener.accept()[0])
        except TimeoutError:
            raise TimeoutError("the scripted command was not started") from None
        self._calls.append(call)
        return call

    def was_called(self) -> bool:
        """Whether another run has started and waits to be taken by `next_call`."""
        import select

        return bool(select.select([self._listener], [], [], 0)[0])

    def close(self) -> None:
        """End every run that is left."""
        for call in self._calls:
            call.close()
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
