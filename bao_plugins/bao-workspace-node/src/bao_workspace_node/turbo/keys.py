"""The keys that `turbo.json` may have: what each holds, and what bao makes of it.

The reference page shows these tables. A key without an effect is one that bao knows and does not
act on.
"""

from __future__ import annotations

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUT_LOGS = ("full", "hash-only", "new-only", "errors-only", "none")


class Known(Struct, frozen=True):
    """A key.

    Attributes:
        kind: What it holds: `flag`, `text`, `texts`, `number`, `inputs` for a list of texts and
            objects, `table` for an object with `keys`, `tasks` for one of tasks, `any`.
        effect: What bao makes of it, as a sentence; empty where it does not act on it.
        words: The texts that are possible; empty for any.
        keys: Of a `table`; empty for any.
        silent: Not acted on, and rightly so.
    """

    kind: str
    effect: str = ""
    words: tuple[str, ...] = ()
    keys: Mapping[str, Known] = {}
    silent: bool = False


Keys = dict[str, Known]


def _flags(names: str) -> Keys:
    return dict.fromkeys(names.split(), Known("flag"))


FUTURE_FLAGS: Keys = {
    "globalConfiguration": Known("flag", "Allows `global`, and refuses what it replaces."),
    **_flags(
        "affectedUsingTaskInputs errorsOnlyShowHash experimentalCargoWorkspaces"
        " experimentalGoWorkspaces experimentalObservability experimentalPythonWorkspaces"
        " experimentalSetup filterUsingTasks githubActionsRemoteBaseRefFallback hashFilePermissions"
        " longerSignatureKey pruneIncludesGlobalFiles strictTaskEntrypointSelection"
        " watchUsingTaskInputs"
    ),
}

REMOTE_CACHE: Keys = {
    **_flags("enabled preflight signature"),
    **dict.fromkeys(("apiUrl", "loginUrl", "teamId", "teamSlug"), Known("text")),
    **dict.fromkeys(("timeout", "uploadTimeout"), Known("number")),
}

_PERMISSIONS = Known("table", keys={"allow": Known("texts"), "deny": Known("texts")})

BOUNDARIES: Keys = {
    "dependencies": _PERMISSIONS,
    "dependents": _PERMISSIONS,
    "implicitDependencies": Known("texts"),
    "tags": Known("any"),
}

_ENV_MODE = Known(
    "text",
    "`strict`: tasks see the variables that are declared or passed through; `loose`: all.",
    words=("strict", "loose"),
)
_CONCURRENCY = Known(
    "text",
    "How many tasks run at once. Without it bao's own default holds, and not turbo's 10.",
)

_MACHINE: Keys = {
    "cacheDir": Known("text"),
    "cacheMaxAge": Known("text"),
    "cacheMaxSize": Known("text"),
    "daemon": Known("flag"),
    "dangerouslyDisablePackageManagerCheck": Known("flag"),
    "experimentalObservability": Known("any"),
    "noUpdateNotifier": Known("flag"),
    "remoteCache": Known("table", keys=REMOTE_CACHE),
    "ui": Known("text", words=("tui", "stream", "stream-with-experimental-timestamps")),
}

GLOBAL: Keys = {
    "concurrency": _CONCURRENCY,
    "env": Known("texts", "As `globalEnv`."),
    "envMode": _ENV_MODE,
    "inputs": Known("texts", "As `globalDependencies`."),
    "passThroughEnv": Known("texts", "As `globalPassThroughEnv`."),
    **_MACHINE,
}

RENAMED = {
    "globalDependencies": "inputs",
    "globalEnv": "env",
    "globalPassThroughEnv": "passThroughEnv",
}
"""What a key of the root is called under `global`, where it is called otherwise there."""

TAGS = Known("texts", "Words to select the package by, with `--filter tag:word`.")
SCHEMA = Known("text", silent=True)

ROOT: Keys = {
    "$schema": SCHEMA,
    "agentGuidance": Known("flag"),
    "boundaries": Known("table", keys=BOUNDARIES),
    "concurrency": _CONCURRENCY,
    "envMode": _ENV_MODE,
    "futureFlags": Known("table", "Of these, only `globalConfiguration`.", keys=FUTURE_FLAGS),
    "global": Known("table", "The keys for the whole workspace, under other names.", keys=GLOBAL),
    "globalDependencies": Known(
        "texts", "Globs of files that are part of every key, besides `turbo.json` itself."
    ),
    "globalEnv": Known("texts", "Variables that every task sees and that are part of every key."),
    "globalPassThroughEnv": Known(
        "texts", "Variables that every task sees and that are part of no key."
    ),
    "setup": Known("any"),
    "tags": TAGS,
    "tasks": Known("tasks", "The tasks: `build`, `package#build`, or `//#build` for the root's."),
    **_MACHINE,
}

PACKAGE: Keys = {
    "$schema": SCHEMA,
    "boundaries": Known("table", keys=BOUNDARIES),
    "extends": Known(
        "texts", "`//` first, then packages whose files are inherited from as well, in order."
    ),
    "tags": TAGS,
    "tasks": Known("tasks", "The tasks, inherited key by key."),
}

STRUCTURED_INPUT: Keys = {
    "from": Known("texts", "Nothing more: whatever an upstream task is made of counts."),
    "globs": Known("texts", "With `jit`, globs of inputs like any other."),
    "mode": Known("text", "`jit` or `dependencyOutputs`.", words=("jit", "dependencyOutputs")),
    "withDefaults": Known("flag", "As `$TURBO_DEFAULT$`."),
}

TASK: Keys = {
    "cache": Known(
        "flag",
        "Whether results are kept. Never those of a `persistent` or `interactive` task.",
    ),
    "dependsOn": Known(
        "texts", "Tasks that come first: `build`, `^build`, `package#build`, `//#build`."
    ),
    "description": Known("text", "What the task is for."),
    "env": Known("texts", "Variables that the task sees and that are part of its key."),
    "extends": Known(
        "flag", "In a package's file: `false` starts from nothing, and alone removes the task."
    ),
    "inputs": Known(
        "inputs",
        "Globs of the files that count. `$TURBO_DEFAULT$` stands for all that git does not ignore,"
        " `$TURBO_ROOT$/` for the root; `package.json` and `turbo.json` always count.",
    ),
    "interactive": Known("flag", "The task reads the terminal."),
    "interruptible": Known("flag"),
    "outputLogs": Known("text", "Which of its output is shown.", words=OUTPUT_LOGS),
    "outputs": Known("texts", "Globs of the files that the task leaves."),
    "passThroughEnv": Known("texts", "Variables that it sees and that are not part of its key."),
    "persistent": Known("flag", "The task does not end by itself; nothing can depend on it."),
    "tags": Known("texts", "Words for people and plugins."),
    "with": Known("texts", "Tasks that are started whenever this one is, without an edge."),
}

OLD_ROOT: Keys = {
    "baseBranch": Known("text"),
    "experimentalSpaces": Known("any"),
    "experimentalUI": Known("flag"),
    "extends": Known("texts", silent=True),
    "globalDotEnv": Known("texts", "Files at the root that are part of every key."),
    "pipeline": Known("tasks", "As `tasks`, with a note."),
}
"""What only turbo 1 knew, in a file that has `pipeline`."""

OLD_PACKAGE: Keys = {"pipeline": OLD_ROOT["pipeline"]}

OLD_TASK: Keys = {
    "dotEnv": Known("texts", "Files of the package that are inputs as well."),
    "outputMode": Known("text", "As `outputLogs`.", words=OUTPUT_LOGS),
}
