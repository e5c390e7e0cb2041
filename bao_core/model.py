"""The nouns: what the modules hand to each other.

Everything here is a frozen record without behaviour beyond what its fields say. Paths are relative
to the workspace root, use `/`, and hold bytes that are not UTF-8 as surrogate escapes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NewType, Protocol, Self

from msgspec import Struct, field
from msgspec.structs import replace

TaskId = NewType("TaskId", str)
"""`package#task`; the root's is `//#task`."""

CacheKey = NewType("CacheKey", str)
"""64 lower-case hexadecimal digits of BLAKE3."""

ROOT = "//"
"""The name of the root package where no provider gives it one."""

Follow = Literal["key", "outputs", "none"]
"""What of an upstream task counts: its key, the digests of what it produced, or its order only."""

TaskFact = Literal["task", "command", "directory", "manifest"]
"""What a variable can say of a task: its name, its command, where it runs, its manifest."""

Command = str | tuple[str, ...]
"""A shell line, or a program and its arguments."""


class Digest(Struct, frozen=True, order=True, gc=False):
    """Hash and size of some bytes.

    Attributes:
        hash: Lower-case hexadecimal digits.
        size: Bytes.
        function: The name of the hash function.
    """

    hash: str
    size: int
    function: str = "blake3"


# --- what is said of tasks -------------------------------------------------------------------


class TaskReference(Struct, frozen=True, gc=False):
    """One entry of `depends_on`.

    Attributes:
        task: The task's name.
        scope: `self` for `build`, `dependencies` for `^build`, `package` for `pkg#build`.
        package: The package named, for the scope `package`.
        follow: What of it counts.
    """

    task: str
    scope: Literal["self", "dependencies", "package"] = "self"
    package: str = ""
    follow: Follow = "key"

    def __str__(self) -> str:
        match self.scope:
            case "self":
                return self.task
            case "dependencies":
                return f"^{self.task}"
            case "package":
                return f"{self.package}#{self.task}"


class TaskDefinition(Struct, frozen=True):
    """What the configuration says of one task name, resolved for one package.

    Attributes:
        inputs: Patterns from the package directory; None where nothing is said, which means
            `$default`, and `^$default` besides unless a followed `^task` covers the dependencies.
        outputs: Patterns from the package directory, `!` negates, `$root/` starts at the root.
        timeout: Seconds.
        weight: How many slots of the concurrency the task takes.
        mutex: Tasks with the same word never run at the same time.
        configured: False for a script that no configuration speaks of; such a task is not cached.
        source: Where it was said, such as `bao.toml:12` or `package.json scripts`.
        lenient: Rules of `turbo.json` hold: overlapping outputs are a warning.
        beside: Tasks that are run whenever this one is, without an edge to them.
        inferred: Nobody declared the task; its definition is a guess, and gives way to others.
    """

    name: str
    command: Command | None = None
    depends_on: tuple[TaskReference, ...] = ()
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    pass_through_env: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    cache: bool = True
    clean: bool = True
    persistent: bool = False
    interactive: bool = False
    timeout: float | None = None
    retries: int = 0
    weight: int = 1
    mutex: str = ""
    output_logs: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    configured: bool = True
    source: str = ""
    lenient: bool = False
    beside: tuple[TaskReference, ...] = ()
    inferred: bool = False


# --- the workspace ---------------------------------------------------------------------------


class Dependency(Struct, frozen=True, order=True, gc=False):
    """An edge of the package graph, from the package that holds it.

    Attributes:
        name: The internal package depended on.
        kind: Where it is declared: `runtime`, `dev`, `optional`, `group`, `build`, `peer`, `lock`,
            `configured`, or `extra`. An `extra` edge counts for what is affected and never for
            `^task`, since such edges close cycles in real workspaces.
    """

    name: str
    kind: str = "runtime"


class Package(Struct, frozen=True):
    """A directory with a manifest and a name.

    Attributes:
        name: Unique in the workspace.
        path: Its directory; empty for the root.
        provider: The name of the workspace provider that found it.
        manifest: The path of its manifest from the workspace root.
        dependencies: Internal packages it depends on, sorted.
        external: `name@version` of everything outside the workspace that it can reach through the
            lock file, sorted; without a lock file, the requirements as written.
        external_digest: A digest over `external` and whatever else of the lock concerns it, so
            that equal digests mean an equal closure.
        external_places: A digest over where `external` is installed, where moving something may
            change who finds it; `--affected` compares it besides. Empty where it says nothing.
        scripts: Commands by task name that the manifest itself declares.
        script_source: What those scripts are called in messages, such as `package.json scripts`.
        script_sources: The same of single scripts, by task name, where more is known of them.
        inferred: Tasks that nobody declares and that its files speak of, by task name, complete:
            what the configuration says of such a task replaces single fields.
        leftovers: Patterns, from its directory, of what its tools leave for themselves, such as
            `**/__pycache__/**`: files that match and that git does not track are no default inputs.
        bin_directories: Directories, from the root, put first on its tasks' PATH, in order.
        environment: Variables that its tasks get on top of the ones they ask for.
        task_variables: Variables that say something of the task itself: its name (`task`), its
            `command`, the absolute path of its `directory` or of its package's `manifest`.
        config: The raw bao tables of the manifest (`[tool.bao]`, `"bao"`), still to be decoded.
        config_path: The file those tables stand in.
        config_key: The dotted place of the tables inside the file, such as `tool.bao`.
        tags: Words to select it by.
        version: As the manifest says; empty where it does not.
    """

    name: str
    path: str
    provider: str
    manifest: str
    dependencies: tuple[Dependency, ...] = ()
    external: tuple[str, ...] = ()
    external_digest: str = ""
    external_places: str = ""
    scripts: dict[str, Command] = field(default_factory=dict)
    script_source: str = ""
    script_sources: dict[str, str] = field(default_factory=dict)
    inferred: dict[str, TaskDefinition] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    bin_directories: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    task_variables: dict[str, TaskFact] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    config_path: str = ""
    config_key: str = ""
    tags: tuple[str, ...] = ()
    version: str = ""


class WorkspacePart(Struct, frozen=True):
    """What one workspace provider knows.

    Attributes:
        packages: Every package it found, the root included (path empty) where it has a manifest
            of this kind; a root that is no package of its own is called `ROOT`.
        lock_files: Paths of the lock files it read or would read.
        notes: Warnings for the user, one sentence each.
        lock_broken: Why the lock file could not be used; empty when it could. Everything is
            affected then.
        lock_form: What of the lock file shapes all closures at once, such as its version and the
            settings that it was made with. Everything is affected where it differs; empty where
            there is no lock file.
    """

    packages: tuple[Package, ...] = ()
    lock_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lock_broken: str = ""
    lock_form: str = ""


class Workspace(Struct, frozen=True):
    """The root directory, its packages, their internal dependencies, its lock files.

    Attributes:
        packages: By name, in the order of the names. The root package is among them, always.
        root_package: The name of the package at the root.
    """

    packages: dict[str, Package]
    root_package: str
    lock_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lock_broken: str = ""
    lock_form: str = ""


class FileTree(ABC):
    """Files to read a workspace from: the worktree, or a git revision without a checkout."""

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """The content of a file, links followed; None where there is no file."""

    @abstractmethod
    def entries(self, directory: str) -> Mapping[str, bool]:
        """The names in a directory, each with whether it is one; empty where there is none."""

    @abstractmethod
    def named(self, names: Iterable[str]) -> list[str]:
        """Sorted paths of all files with one of these last names.

        A name may hold one `*`, which stands for any characters: `test_*.py`. Found are those
        that are tracked, or untracked and not ignored; without git, those outside of hidden
        directories, `node_modules` and virtual environments.
        """

    def directories(self, start: str, enter: Callable[[str], bool]) -> Iterator[str]:
        """A directory and those below it, ignored ones too, each before what it holds.

        Args:
            start: Where to begin; given back whether it is there or not.
            enter: Whether to look into a directory, given its path.
        """
        waiting = [start]
        while waiting:
            directory = waiting.pop()
            yield directory
            if not enter(directory):
                continue
            above = f"/{directory}/" if directory else "/"
            for name, is_directory in self.entries(directory).items():
                # A name that recurs this often shows a link that leads back up.
                if is_directory and above.count(f"/{name}/") < 5:  # noqa: PLR2004 - deeper, it is a link in a circle
                    waiting.append(f"{above[1:]}{name}")


# --- tasks -----------------------------------------------------------------------------------


class ForeignConfig(Struct, frozen=True):
    """What the configuration of another tool says, such as `turbo.json`, in bao's terms.

    Attributes:
        path: The file, from the root.
        definitions: By package and task name, for every package and complete: a task that is not
            there does not exist. Under `*` stands what the file says of each task name.
        global_inputs: Globs from the root of what every key holds.
        global_env: Variables that every key holds.
        global_pass_through_env: Variables that every task sees and no key holds.
        env_mode: `strict` or `loose`.
        concurrency: How many slots there are; None where nothing is said.
        tags: Words to select packages by, by package.
        notes: Warnings for the user, one sentence each.
    """

    path: str
    definitions: dict[str, dict[str, TaskDefinition]]
    global_inputs: tuple[str, ...] = ()
    global_env: tuple[str, ...] = ()
    global_pass_through_env: tuple[str, ...] = ()
    env_mode: str = "strict"
    concurrency: int | str | None = None
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class TaskEdge(Struct, frozen=True, order=True, gc=False):
    """An upstream task, and what of it counts."""

    id: TaskId
    follow: Follow = "key"


class Task(Struct, frozen=True):
    """One definition applied to one package.

    Attributes:
        upstream: Sorted by id.
        requested: Asked for by name on the command line, not pulled in as a dependency.
        arguments: What followed `--`; only a requested task has any.
    """

    id: TaskId
    package: str
    definition: TaskDefinition
    upstream: tuple[TaskEdge, ...] = ()
    requested: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The task's name without its package."""
        return self.definition.name

    @property
    def command(self) -> Command:
        """What to run, with the arguments behind it; empty for a transit task."""
        command = self.definition.command or ""
        if not self.arguments:
            return command
        if isinstance(command, str):
            import shlex

            return f"{command} {shlex.join(self.arguments)}"
        return (*command, *self.arguments)

    @property
    def transit(self) -> bool:
        """Whether it has no command and only passes changes on."""
        return self.definition.command is None


class TaskGraph(Struct, frozen=True):
    """The tasks of one run: by id, every task after all its upstream ones."""

    tasks: dict[TaskId, Task]


class KeyPart(Struct, frozen=True, order=True, gc=False):
    """One named ingredient of a key, such as `input:src/a.py` or `env:NODE_ENV`.

    Attributes:
        name: Unique within a task's parts; sorted by it before hashing.
        value: Text that differs when the ingredient does; never a secret itself.
    """

    name: str
    value: str


# --- results ---------------------------------------------------------------------------------


class OutputFile(Struct, frozen=True, order=True, gc=False):
    """A regular file that a task left; `path` is from the workspace root."""

    path: str
    digest: Digest
    executable: bool = False


class OutputLink(Struct, frozen=True, order=True, gc=False):
    """A symbolic link that a task left, with its text."""

    path: str
    target: str


class ActionResult(Struct, frozen=True):
    """What a run of a task left.

    Attributes:
        task_id: Whose result it is.
        exit_code: Always 0 in a stored result.
        files: Sorted by path, from the workspace root.
        links: Sorted by path.
        directories: Directories that hold none of the files or links, sorted.
        log: The bytes of its output, as one blob.
        parts: The key's parts, as one blob; read only to explain.
        started: Seconds since the epoch.
        duration: Seconds.
        peak_memory: Bytes; 0 where unknown.
    """

    task_id: TaskId
    exit_code: int
    log: Digest
    parts: Digest
    files: tuple[OutputFile, ...] = ()
    links: tuple[OutputLink, ...] = ()
    directories: tuple[str, ...] = ()
    started: float = 0.0
    duration: float = 0.0
    peak_memory: int = 0

    def with_texts(self, change: Callable[[str], str]) -> Self:
        """The same with every path, link text and the task's id changed, for storing them."""
        return replace(
            self,
            files=tuple(replace(file, path=change(file.path)) for file in self.files),
            links=tuple(
                replace(link, path=change(link.path), target=change(link.target))
                for link in self.links
            ),
            directories=tuple(map(change, self.directories)),
            task_id=TaskId(change(self.task_id)),
        )

    def blobs(self) -> dict[Digest, None]:
        """Every digest that the result names, each once, in a stable order."""
        named = dict.fromkeys(file.digest for file in self.files)
        named[self.log] = None
        named[self.parts] = None
        return named


class Stamp(Struct, frozen=True, gc=False):
    """What `lstat` said of a path at a moment when its content was known.

    Attributes:
        mode: Type and permission bits.
        size: Bytes; 0 for a directory.
        mtime, ctime: Nanoseconds since the epoch.
        inode: The inode's number.
    """

    mode: int
    size: int
    mtime: int
    ctime: int
    inode: int


class Reason(Struct, frozen=True, gc=False):
    """Why something is so, for people and for machines.

    Attributes:
        code: A word that does not change between releases, such as `file-changed`.
        text: One clause, such as `src/a.py changed`.
    """

    code: str
    text: str


class SelectedPackage(Struct, frozen=True):
    """A package that a selection holds, with the reasons why."""

    name: str
    reasons: tuple[Reason, ...] = ()


class SupportsWrite(Protocol):
    """Anything that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
