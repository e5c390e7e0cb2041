"""One task: key → look up → restore, or execute, then store."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

from msgspec import Struct
from msgspec.structs import replace

from bao_core.blobs import BytesSource
from bao_core.digests import digest_bytes
from bao_core.errors import BaoError, CacheError, ExecutionError, OutputError
from bao_core.events import TaskOutput, TaskStarted, TaskWaited
from bao_core.interfaces.executor import Claim, ExecutionRequest, ExecutionResult
from bao_core.keys import encode_parts
from bao_core.model import ActionResult, CacheKey, Reason, Stamp
from bao_core.outputs import Collected, recover, sources
from bao_core.state import INLINE_LOG, TaskMemory
from bao_core.task_keys import outputs_hash
from bao_core.task_log import TaskLog
from bao_core.task_outputs import TaskOutputs
from bao_core.tiers import TierFailedError
from bao_core.workbench import GRACE, Finished

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bao_core.events import EventBus
    from bao_core.interfaces.executor import Execution, Executor, Usage
    from bao_core.model import Package, Task, TaskId
    from bao_core.state import ProcessLock
    from bao_core.task_keys import KeyedTask
    from bao_core.task_outputs import Brought
    from bao_core.tiers import Hit
    from bao_core.workbench import Workbench

SMALL = 256 << 10
"""Bytes of outputs up to which a hit is small."""


class _Left(Struct):
    """What a task left that is not stored yet."""

    finished: Finished
    result: ActionResult
    collected: Collected
    log: TaskLog
    parts: BytesSource


class TaskRun:
    """One task on its way from its key to its result."""

    def __init__(
        self,
        bench: Workbench,
        task: Task,
        keyed: KeyedTask,
        *,
        hit: Hit | None,
        reasons: tuple[Reason, ...],
        taint: tuple[Reason, ...],
    ) -> None:
        self._bench = bench
        self._task = task
        self._keyed = keyed
        self._hit = hit
        self._reasons = reasons
        self._taint = taint
        self._span = os.urandom(8).hex()
        self._execution: Execution | None = None
        self._cancelled = False
        self._grace = GRACE
        self._left: _Left | None = None
        self._held = ExitStack()
        package = bench.workspace.packages[task.package]
        self._package: Package = package
        self._outputs = TaskOutputs(bench, task, package)

    @property
    def task_id(self) -> TaskId:
        """Whose run it is."""
        return self._task.id

    @property
    def key(self) -> CacheKey:
        """The task's key."""
        return self._keyed.key

    @property
    def is_small(self) -> bool:
        """Whether restoring its hit takes next to no time: few bytes, from this machine."""
        if self._hit is None or self._hit.tier.remote is not None:
            return False
        return sum(file.digest.size for file in self._hit.result.files) <= SMALL

    def try_lock(self) -> ProcessLock | None:
        """The task's lock between processes, taken; None while another process holds it."""
        lock = self._bench.state.lock(f"task {self._task.id}")
        return lock if lock.try_acquire() else None

    def restore(self, lock: ProcessLock | None = None) -> Finished | None:
        """Bring the hit's outputs to disk; None where that cannot be done and it must be executed.

        Args:
            lock: The task's, which is released in the end; without it, waits for it.
        """
        if lock is None:
            lock, _ = self._wait_for_lock()
        try:
            return None if self._hit is None else self._restore(self._hit)
        finally:
            lock.release()

    def bring(self) -> Brought | None:
        """Bring the hit's outputs to disk, in a twin, and leave all else to the first process.

        Returns:
            None where anything is the matter, which the first process finds out by itself.
        """
        if self._hit is None or (lock := self.try_lock()) is None:
            return None
        try:
            return self._outputs.bring(self._hit)
        except BaoError:
            return None
        finally:
            lock.release()

    def restored_elsewhere(self, brought: Brought) -> Finished | None:
        """The twin brought the hit's outputs to disk."""
        if self._hit is None:
            return None
        self._bench.intents.adopt(self._task.id)
        return self._note(self._hit, brought)

    def execute(self, executor: Executor, exited: Callable[[Usage], None]) -> Finished:
        """Run the command, unless another process did so meanwhile; then see what it left.

        Called on a thread of its own, once the task was placed and granted. If `has_left` says so
        afterwards, the task's lock is held until `keep` was called.

        Args:
            executor: Runs it.
            exited: Called when the command has ended well, before what it left is looked at.
        """
        with ExitStack() as held:
            lock, waited = self._wait_for_lock()
            held.callback(lock.release)
            recover(self._bench.files.root, self._bench.staging_dir, self._task.id)
            hit = self._look_up_again() if waited else None
            if hit is not None and (restored := self._restore(hit)) is not None:
                return restored
            finished = self._execute(executor, exited)
            if self.has_left:
                self._held = held.pop_all()
            return finished

    @property
    def has_left(self) -> bool:
        """Whether there is something to keep."""
        return self._left is not None

    def keep(self, taint: tuple[Reason, ...]) -> Finished:
        """Store what the command left, unless something speaks against that.

        Called once, on any thread.

        Args:
            taint: What was found to speak against it since the command ended.
        """
        with self._held:
            left, self._left = self._left, None
            if left is None:
                raise ValueError(self._task.id)
            with left.log:
                return self._keep(left, taint)

    def _wait_for_lock(self) -> tuple[ProcessLock, bool]:
        """The task's lock, and whether it had to be waited for."""
        if (lock := self.try_lock()) is not None:
            return lock, False
        reason = "another bao works on the same task"
        self._bench.bus.emit(TaskWaited(self._task.id, reason))
        lock = self._bench.state.lock(f"task {self._task.id}")
        lock.acquire()
        return lock, True

    def cancel(self, grace: float) -> None:
        """End the task's processes. Called from another thread."""
        self._cancelled = True
        self._grace = grace
        if self._execution is not None:
            self._execution.cancel(grace)

    # --- restoring ---------------------------------------------------------------------------

    def _look_up_again(self) -> Hit | None:
        """Whoever held the lock may have stored what is wanted."""
        if self._taint or not self._bench.look_up or not self._task.definition.cache:
            return None
        return self._bench.tiers.look_up([self._keyed.key]).get(self._keyed.key)

    def _restore(self, hit: Hit) -> Finished | None:
        bench = self._bench
        try:
            return self._note(hit, self._outputs.bring(hit))
        except TierFailedError as error:
            self._reasons = (Reason("tier-failed", str(error)),)
        except CacheError as error:
            bench.tiers.discard(self._keyed.key, hit, str(error))
            self._reasons = (Reason("cache-damaged", "its cache entry was damaged"),)
        except OutputError as error:
            bench.bus.warn(f"{self._task.id} was not restored: {error}", self._task.id)
            self._reasons = (Reason("not-restorable", f"its outputs are in the way: {error}"),)
        return None

    def _note(self, hit: Hit, brought: Brought) -> Finished:
        """Remember and tell that a hit's outputs stand."""
        bench, task = self._bench, self._task
        self._outputs.warn_of(brought.left)
        if brought.log and bench.replay(task):
            bench.bus.emit(TaskOutput(task.id, brought.log, replayed=True))
        outputs = outputs_hash(hit.result)
        self._remember(hit.result, outputs, brought.stamps, brought.recorded_at, brought.log)
        self._warm_earlier_tiers(hit)
        bench.intents.settle(task.id)
        return Finished(
            task,
            "restored",
            0,
            self._keyed,
            outputs,
            brought.stamps,
            span=self._span,
            tier=hit.tier.name,
            stored=True,
            started=brought.started,
            duration=brought.duration,
            saved=hit.result.duration,
        )

    def _warm_earlier_tiers(self, hit: Hit) -> None:
        tiers = self._bench.tiers
        if not tiers.writable_before(hit):
            return
        try:
            kept = [tiers.read_from(hit, digest) for digest in (hit.result.log, hit.result.parts)]
        except CacheError:
            return
        small = [BytesSource(data) for data in kept if data is not None]
        if len(small) == len(kept):
            files = sources(self._bench.files.root, hit.result)
            tiers.warm(self._keyed.key, hit, [*files, *small])

    def _remember(
        self,
        result: ActionResult,
        outputs: str,
        stamps: Mapping[str, Stamp],
        recorded_at: int,
        log: bytes | None,
        *,
        stored: bool = True,
    ) -> None:
        self._bench.state.remember(
            self._task.id,
            TaskMemory(
                # What was not stored must not be found standing by a later run.
                key=self._keyed.key if stored else CacheKey(""),
                outputs=outputs,
                stamps=dict(stamps),
                recorded_at=recorded_at,
                boot=self._bench.boot,
                duration=result.duration,
                log=log if log is not None and len(log) <= INLINE_LOG else None,
                log_digest=result.log,
                parts=result.parts,
                created=result.started,
                scope=self._bench.scope,
            ),
        )

    # --- executing ---------------------------------------------------------------------------

    def _execute(self, executor: Executor, exited: Callable[[Usage], None]) -> Finished:
        attempts = self._task.definition.retries + 1
        attempt = 1
        while True:
            log = TaskLog(os.path.join(self._bench.state.directory, "logs"))
            finished = self._attempt(executor, attempt, log)
            if not finished.failed:
                exited(finished.usage)
                return self._collect(finished, log)
            log.close()
            if self._cancelled or attempt == attempts:
                return replace(finished, tainted=True)
            self._bench.bus.warn(
                f"{self._task.id} failed with exit code {finished.exit_code} in attempt "
                f"{attempt} of {attempts} and is tried again",
                self._task.id,
            )
            attempt += 1

    def _attempt(self, executor: Executor, attempt: int, log: TaskLog) -> Finished:
        """Run the command once."""
        bench = self._bench
        self._outputs.clean()
        started = time.time()
        bench.bus.emit(
            TaskStarted(
                self._task.id,
                self._span,
                bench.run_span,
                attempt,
                started,
                self._reasons,
                self._keyed.key,
            )
        )
        result = self._run_command(executor, log)
        return Finished(
            self._task,
            "executed",
            result.exit_code,
            self._keyed,
            span=self._span,
            reasons=self._reasons,
            started=started,
            duration=time.time() - started,
            flaky=attempt > 1 and result.exit_code == 0,
            cancelled=result.outcome == "cancelled",
            usage=result.usage,
            worker=result.worker,
        )

    def _run_command(self, executor: Executor, log: TaskLog) -> ExecutionResult:
        bench, task = self._bench, self._task
        definition = task.definition
        output = _Output(bench.bus, task.id, log)
        try:
            request = ExecutionRequest(
                label=task.id,
                command=task.command,
                directory=os.path.join(bench.files.root, self._package.path),
                env=bench.environment(task, self._span),
                timeout=definition.timeout,
                grace=self._grace,
                outputs=definition.outputs,
                claim=Claim(task.id, definition.weight, definition.mutex),
                interactive=definition.interactive,
            )
            self._execution = executor.start(request, output)
            if self._cancelled:
                self._execution.cancel(self._grace)
            result = self._execution.wait()
        except BaoError as error:
            output.write(f"bao: {error}\n".encode("utf-8", "surrogateescape"))
            return ExecutionResult(127 if isinstance(error, ExecutionError) else error.exit_code)
        if result.outcome == "timed-out":
            bench.bus.warn(
                f"{task.id} ran into its timeout of {definition.timeout:g} s and was ended", task.id
            )
        return result

    # --- storing -----------------------------------------------------------------------------

    def _collect(self, finished: Finished, log: TaskLog) -> Finished:
        """See what the task left, and whether its inputs are what they were before it."""
        bench, task = self._bench, self._task
        try:
            collected = self._outputs.collect()
        except (OutputError, OSError) as error:
            log.close()
            bench.bus.warn(f"the outputs of {task.id} could not be collected: {error}", task.id)
            reason = Reason("outputs-not-collected", f"its outputs could not be collected: {error}")
            return replace(finished, tainted=True, reasons=(*finished.reasons, reason))
        parts = BytesSource(encode_parts(bench.keys.storable(task, self._keyed)))
        log_digest = log.digest if log.fault is None else digest_bytes(b"")
        result = ActionResult(
            task_id=task.id,
            exit_code=0,
            log=log_digest,
            parts=parts.digest,
            files=collected.files,
            links=collected.links,
            directories=collected.directories,
            started=finished.started,
            duration=finished.duration,
            peak_memory=finished.usage.peak_memory,
        )
        taint = (*self._taint, *bench.check.changes(task, self._keyed.inputs))
        finished = replace(
            finished,
            outputs=outputs_hash(result),
            stamps=collected.stamps,
            tainted=bool(taint),
            reasons=(*finished.reasons, *taint),
        )
        self._left = _Left(finished, result, collected, log, parts)
        self._remember_left(self._left, stored=False)
        return finished

    def _keep(self, left: _Left, taint: tuple[Reason, ...]) -> Finished:
        bench, finished = self._bench, left.finished
        if taint:
            finished = replace(finished, tainted=True, reasons=(*finished.reasons, *taint))
        stored = False
        if not finished.tainted and left.log.fault is None and not self._why_not_stored():
            stored = bench.tiers.store(
                self._keyed.key,
                left.result,
                [*left.collected.sources, left.log, left.parts],
                replace=bench.replace or self._hit is not None,
            )
        self._remember_left(left, stored=stored)
        bench.intents.settle(self._task.id)
        return replace(finished, stored=stored)

    def _remember_left(self, left: _Left, *, stored: bool) -> None:
        log, collected = left.log, left.collected
        short = b"".join(log.chunks()) if log.size <= INLINE_LOG else None
        outputs = left.finished.outputs
        self._remember(
            left.result, outputs, collected.stamps, collected.taken, short, stored=stored
        )

    def _why_not_stored(self) -> str:
        if not self._task.definition.cache:
            return "its cache is off"
        if not self._bench.store:
            return "storing is off"
        return self._bench.uncacheable(self._task)


class _Output:
    """Shows a task's output as it comes, and keeps it for the result."""

    def __init__(self, bus: EventBus, task_id: TaskId, log: TaskLog) -> None:
        self._bus = bus
        self._id = task_id
        self._log = log

    def write(self, data: bytes) -> None:
        self._log.write(data)
        self._bus.emit(TaskOutput(self._id, data))
