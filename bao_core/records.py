"""What bao tells machines about tasks: the records behind `--dry-run=json`, `--summary`, `why`."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field

from bao_core.model import Reason


class TaskRecord(Struct, kw_only=True):
    """One task, as it is planned or as it ended.

    Attributes:
        command: None for a transit task; a list where the definition has one.
        directory: From the workspace root, `.` for the root.
        key: None while it is pending.
        cache: `hit`, `miss`, `off` for a task that is not cached, `pending` where the key needs
            what an upstream task will have produced.
        tier: The tier of a hit.
        inputs: Content identities by path from the package.
        env: Short tags of the values of declared variables.
        external_dependencies: `name@version` of the package's closure in the lock file.
        why: The reasons of a miss, one clause each.
        outcome, exit_code, start, duration, peak_memory, executor: Of a run only.
    """

    id: str
    package: str
    task: str
    command: str | tuple[str, ...] | None
    directory: str
    key: str | None
    cache: str
    tier: str | None
    dependencies: list[str]
    inputs: dict[str, str]
    outputs: list[str]
    env: dict[str, str]
    external_dependencies: list[str]
    why: list[str]
    outcome: str | UnsetType = UNSET
    exit_code: int | UnsetType | None = UNSET
    start: float | UnsetType | None = UNSET
    duration: float | UnsetType = UNSET
    peak_memory: int | UnsetType = UNSET
    executor: str | UnsetType = UNSET


class Summary(Struct, kw_only=True):
    """A whole run, as `--summary` writes it."""

    version: int = 1
    exit_code: int = 0
    start: float = 0.0
    duration: float = 0.0
    tasks: list[TaskRecord] = field(default_factory=list)


class Explanation(Struct, kw_only=True):
    """Why one task is a hit or a miss.

    Attributes:
        outcome: `hit`, `miss`, `off` or `pending`.
        created: When the result of a hit was made, in seconds since the epoch.
        saved: Seconds that the hit saves.
        compared_with: The key of the result that a miss is compared with.
        parts: The parts of the key; of environment variables only a tag.
    """

    task_id: str
    key: str | None
    outcome: str
    tier: str | None = None
    created: float | None = None
    saved: float | None = None
    compared_with: str | None = None
    differences: list[Reason] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
