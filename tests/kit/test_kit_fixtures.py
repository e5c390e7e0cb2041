"""The fixtures and fakes for authors of plugins do what their page says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from bao_core.events import NoteAdded, WarningRaised
from bao_core.testing.commands import ScriptedCommand
from bao_core.testing.fakes import CollectedOutput, ManualClock, MemoryTree, RecordingSink
from bao_core.testing.workspaces import BaoWorkspace

CONFIG = """
    [workspace]
    packages = ["packages/*"]

    [tasks.build]
    command = {command!r}
    outputs = ["out"]
"""


@pytest.fixture
def scripted_command():
    with ScriptedCommand() as command:
        yield command


@pytest.fixture
def workspace(tmp_path, scripted_command):
    workspace = BaoWorkspace(tmp_path)
    workspace.write(
        {
            "bao.toml": CONFIG.format(command=scripted_command.shell),
            "packages/lib/bao.toml": 'name = "lib"\n',
            "packages/lib/input": "x",
        }
    )
    workspace.commit()
    return workspace


def test_a_scripted_command_starts_writes_and_ends_as_the_test_says(
    workspace, scripted_command
) -> None:
    running = workspace.start("run", "build", MY_TOKEN="secret")
    call = scripted_command.next_call()
    assert call.directory == str(workspace.root / "packages/lib")
    assert "MY_TOKEN" not in call.environ
    call.write(b"half way\n")
    call.write(b"a problem\n", to_errors=True)
    call.write_file("out", b"made")
    assert (workspace.root / "packages/lib/out").read_bytes() == b"made"
    assert running.poll() is None
    call.finish(exit_code=3)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 3
    assert b"half way" in out
    assert b"a problem" in out
    assert not scripted_command.was_called()


def test_a_scripted_command_can_be_killed_and_told_to_be_deaf(scripted_command) -> None:
    process = subprocess.Popen([*scripted_command.words, "an argument"])
    call = scripted_command.next_call()
    assert (call.pid, call.arguments) == (process.pid, ["an argument"])
    call.ignore()
    os.kill(call.pid, 15)
    call.write(b"")
    call.die(9)
    assert process.wait(20) == -9


def test_a_scripted_command_that_nobody_holds_any_more_ends() -> None:
    with ScriptedCommand() as command:
        process = subprocess.Popen(command.words)
        command.next_call()
    assert process.wait(20) == 99


def test_a_workspace_tells_codes_outputs_outcomes_and_warnings(tmp_path) -> None:
    workspace = BaoWorkspace(tmp_path)
    command = "echo hello > out"
    workspace.write(
        {"bao.toml": CONFIG.format(command=command), "packages/lib/bao.toml": 'name = "lib"\n'}
    )
    workspace.commit()
    first = workspace.ok("run", "build")
    assert first.outcomes == {"lib#build": "executed"}
    assert workspace.read("packages/lib/out") == "hello\n"
    assert first.events[0]["type"] == "RunStarted"
    assert workspace.ok("ls", "--json").json["version"] == 1
    assert workspace.bao("run", "nothing-of-the-kind").code != 0
    with pytest.raises(AssertionError, match="exit code"):
        workspace.ok("run", "nothing-of-the-kind")


def test_a_workspace_sees_nothing_of_the_machine(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BAO_DISABLE_PLUGINS", "cache-local")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    workspace = BaoWorkspace(tmp_path)
    assert not {"BAO_DISABLE_PLUGINS", "GIT_DIR"} & set(workspace.environ)
    assert workspace.environ["HOME"].startswith(str(tmp_path))
    assert BaoWorkspace(tmp_path / "plain", git=False).root.is_dir()


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(100.0)
    woken = []

    def sleep() -> None:
        clock.sleep(5)
        woken.append(clock())

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    clock.advance(2)
    assert woken == []
    clock.advance(4)
    # It may have begun to sleep at any of the three times.
    clock.advance(5)
    sleeper.join(20)
    assert woken[0] in {106.0, 111.0}
    assert clock() == 111.0


def test_a_recording_sink_keeps_events_and_waits_for_them() -> None:
    sink = RecordingSink()
    teller = threading.Timer(0.01, lambda: sink.handle(WarningRaised("careful")))
    teller.start()
    assert sink.wait_for(WarningRaised).message == "careful"
    sink.handle(NoteAdded("by the way"))
    assert [event.message for event in sink.of(NoteAdded)] == ["by the way"]
    assert len(sink.events) == 2


def test_a_tree_in_memory_knows_names_with_a_star() -> None:
    tree = MemoryTree(
        dict.fromkeys(("a/test_x.py", "a/test_.pyc", "b.py", "c/[ab].py", "c/a.py"), "")
    )
    assert tree.named(["test_*.py"]) == ["a/test_x.py"]
    assert tree.named(["b.py", "[ab].py"]) == ["b.py", "c/[ab].py"]
    assert tree.named(["ab*b.py", "*"]) == sorted(
        ["a/test_x.py", "a/test_.pyc", "b.py", "c/[ab].py", "c/a.py"]
    )
    assert tree.named(["b.p*.py"]) == []


def test_collected_output_notices_who_writes_at_the_same_time() -> None:
    output = CollectedOutput()
    output.write(b"one")
    output.wait_for(b"one")
    assert not output.overlapped
    with output._writing:
        output.write(b"two")
    assert output.overlapped
    assert output.data == b"onetwo"


def test_importing_the_command_does_not_import_the_kit() -> None:
    code = "import sys, bao_core.cli.main, bao_core.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bao_core.session" in done.stdout.split()
    assert not {"bao_core.testing", "pytest", "hypothesis"} & set(done.stdout.split())


def test_fakes_are_imported_without_pytest() -> None:
    modules = "back_door commands entries fakes faulty faults memory_cache stores workspaces"
    names = ", ".join(f"bao_core.testing.{name}" for name in modules.split())
    code = f"import sys, {names}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pytest", "hypothesis"} & set(done.stdout.split())
