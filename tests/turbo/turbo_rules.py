"""The differences that bao makes on purpose, each with its exact condition.

The manual's words and the reasons stand in `docs/reference/turbo.md`.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from turbo_agreement import Difference
from turbo_asking import Refusal
from turbo_world import KINDS

from bao_core.globs import compile_globs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from turbo_agreement import Agreement, Answers
    from turbo_asking import Listed, Planned

    from bao_core.globs import Globs

ALWAYS = {"package.json", "turbo.json"}


def explained(agreement: Agreement, difference: Difference) -> tuple[str, ...]:
    """The names of the rules that a difference follows; none where bao has to agree."""
    if difference.about == "inputs":
        return _inputs(agreement, difference)
    for name, about, holds in RULES:
        if difference.about == about and holds(agreement, difference):
            return (name,)
    return ()


# --- affected packages ---------------------------------------------------------------------------


def _more_is_affected(agreement: Agreement, difference: Difference) -> bool:
    """bao selects, beyond what turbo does, exactly what the named bugs of turbo leave out."""
    theirs, ours = difference.turbo, difference.bao
    if isinstance(theirs, Refusal) or isinstance(ours, Refusal):
        return False
    return set(ours) == set(theirs) | _left_out(agreement)


def _more_is_run(agreement: Agreement, difference: Difference) -> bool:
    """The tasks are those of the packages that should be affected."""
    run = difference.run
    theirs = agreement.turbo.selected(agreement.place, (), affected=True)
    if run is None or not run.affected or isinstance(theirs, Refusal):
        return False
    names = tuple(sorted(set(theirs) | _left_out(agreement)))
    plan = agreement.turbo.plan(agreement.place, replace(run, filters=names, affected=False))
    return not isinstance(plan, Refusal) and set(plan) == set(difference.bao)


def _left_out(agreement: Agreement) -> set[str]:
    """The affected packages that turbo does not see."""
    packages = _packages(_after(agreement))
    before, after = _needs(agreement, edited=False), _needs(agreement, edited=True)
    gone = _packages(agreement.before).keys() - packages.keys()
    if before[""] != after[""] or gone & {name for name, _ in before[""]}:
        # The root's closure changes also where the lock file stays as it is.
        return set(packages)
    if _global_files(agreement):
        return set(packages)
    roots = _outer_packages(agreement) | _with_other_edges(agreement, gone)
    # A name that no package has any more means something outside.
    roots |= {n for n, p in packages.items() if gone & {name for name, _ in after[p.path]}}
    return _up(agreement, roots)


def _global_files(agreement: Agreement) -> bool:
    """Whether `globalDependencies` match what changed, however they are written."""
    said = _read(_files(agreement, edited=True)["turbo.json"]).get("globalDependencies", [])
    found = [posixpath.normpath(text.removeprefix("!")) for text in said]
    signs = ["!" if text.startswith("!") else "" for text in said]
    pairs = list(zip(signs, found, strict=True))
    globs = [f"{sign}{text}" for sign, text in pairs] + [f"{s}{text}/**" for s, text in pairs]
    return any(map(compile_globs(globs).matches, _changed_files(agreement)))


def _needs(agreement: Agreement, *, edited: bool) -> dict[str, set[tuple[str, str]]]:
    """What each manifest asks for, as names and ranges, by directory."""
    found = {}
    for path, text in _files(agreement, edited=edited).items():
        if path.endswith("package.json") and text.startswith("{"):
            said = json.loads(text)
            needs = [pair for kind in KINDS[:3] for pair in said.get(kind, {}).items()]
            found[posixpath.dirname(path)] = set(needs)
    return found


def _outer_packages(agreement: Agreement) -> set[str]:
    """Packages that a changed file lies in, but for the innermost of each file."""
    packages = _packages(_after(agreement))
    found: set[str] = set()
    for path in _changed_files(agreement):
        inside = [n for n, p in packages.items() if path.startswith(f"{p.path}/")]
        inside.sort(key=lambda name: len(packages[name].path))
        found.update(inside[:-1])
    return found


def _with_other_edges(agreement: Agreement, gone: Collection[str]) -> set[str]:
    """What depended on a package that is gone or renamed, or has other edges for another reason.

    Such as a version that the range of a dependent does not take, or a setting of `.npmrc`.
    """
    before, after = _packages(agreement.before), _packages(_after(agreement))
    found = {name for name, p in before.items() if set(gone) & set(p.dependencies or ())}
    stayed = before.keys() & after.keys()
    moved = {n for n in stayed if before[n].dependencies != after[n].dependencies}
    return (_closure(before, found) & after.keys()) | moved


def _changed_files(agreement: Agreement) -> list[str]:
    return [*agreement.scenario.edited, *agreement.scenario.lying]


def _up(agreement: Agreement, names: set[str]) -> set[str]:
    """Packages and all that depends on them; everything, if the root does."""
    packages = _packages(_after(agreement))
    reached = _closure(packages, names)
    return set(packages) if reached & agreement.root_needs() else reached


def _closure(packages: Mapping[str, Listed], names: Collection[str]) -> set[str]:
    found = set(names)
    while True:
        more = {n for n, p in packages.items() if found & set(p.dependencies or ())} - found
        if not more:
            return found
        found |= more


def _packages(answers: Answers) -> dict[str, Listed]:
    """The packages of turbo, with the edges of bao where turbo says nothing of them."""
    theirs, ours = answers.packages
    if isinstance(theirs, Refusal) or isinstance(ours, Refusal):
        return {}
    return {n: p if p.dependencies is not None else ours.get(n, p) for n, p in theirs.items()}


def _after(agreement: Agreement) -> Answers:
    assert agreement.after is not None
    return agreement.after


# --- edges ---------------------------------------------------------------------------------------


def _catalog_of_bun(agreement: Agreement, difference: Difference) -> bool:
    """turbo takes whatever stands in a catalog of Bun for something outside."""
    files = _files(agreement, edited=difference.edited)
    more = {name.rsplit("#", 1)[0] for name in {*difference.bao} - {*difference.turbo}}
    if not {*difference.turbo} < {*difference.bao} or '"bun@' not in files["package.json"]:
        return False
    places = {name: package.path for name, package in _packages(agreement.before).items()}
    needs = _needs(agreement, edited=difference.edited)[
        places[difference.subject.rsplit("#", 1)[0]]
    ]
    return more <= {name for name, wanted in needs if wanted.startswith("catalog:")}


# --- filters -------------------------------------------------------------------------------------


def _both_sides_without_itself(agreement: Agreement, difference: Difference) -> bool:
    """Asked for dependents, dependencies and not itself, turbo leaves out nothing."""
    theirs, ours = difference.turbo, difference.bao
    found = re.fullmatch(r"!?\.\.\.\^?(.+?)\^?\.\.\.", difference.subject)
    if found is None or "^" not in difference.subject or isinstance(theirs, Refusal):
        return False
    named = agreement.turbo.selected(agreement.place, (found[1].replace("BASE", agreement.base),))
    if isinstance(named, Refusal) or isinstance(ours, Refusal):
        return False
    apart = set(theirs) ^ set(ours)
    fewer = set(ours) < set(theirs) if difference.subject[0] != "!" else set(theirs) < set(ours)
    return fewer and apart <= set(named)


# --- inputs --------------------------------------------------------------------------------------


def _inputs(agreement: Agreement, difference: Difference) -> tuple[str, ...]:
    """Every file that only one of the two takes must have its reason."""
    plan = agreement.plan_of_turbo(difference)
    task = plan[difference.subject]
    said = _files(agreement, edited=difference.edited)
    default = _says_default(said, difference.subject, task.directory)
    patterns = _Patterns(task.definition["inputs"], task.directory, default=default)
    tracked = agreement.tracked(edited=difference.edited)
    ended = _outputs_of(plan, difference.subject)
    reasons = set()
    for path in {*difference.turbo} - {*difference.bao}:
        if path not in tracked and ended.matches(path):
            reasons.add("untracked outputs of a task and its upstream are no inputs")
        elif patterns.default and patterns.below_negated_name.matches(path):
            reasons.add("bug 3: '!dir' beside $TURBO_DEFAULT$ excludes nothing")
        elif path in patterns.named and patterns.negated.matches(path):
            reasons.add("bug 4: a file that is named cannot be excluded")
        elif not patterns.default and path in tracked and _own_outputs(task).matches(path):
            reasons.add("bug 5: tracked outputs are added to explicit inputs")
        else:
            return ()
    for path in {*difference.bao} - {*difference.turbo}:
        if not patterns.default:
            return ()
        if path in patterns.always:
            reasons.add("bug 6: package.json and turbo.json can be excluded")
        elif path not in tracked and patterns.below_negated_name.matches(path):
            reasons.add("beside $TURBO_DEFAULT$ '!src/*' takes more from what git ignores")
        else:
            return ()
    return tuple(sorted(reasons))


class _Patterns:
    """The inputs of a task taken apart; paths are from the root.

    Attributes:
        default: Whether `$TURBO_DEFAULT$` is among them.
        named: What is named without a wildcard.
        negated: What is excluded, with all below it.
        below_negated_name: What lies below something that is excluded by its name.
        always: What is always an input.
    """

    def __init__(self, inputs: list[str], directory: str, *, default: bool) -> None:
        here = directory.removeprefix(".")
        negations = [_resolved(text[1:], here) for text in inputs if text.startswith("!")]
        self.default = default
        self.named = {_resolved(text, here) for text in inputs if not text.startswith("!")}
        stems = [path.removesuffix("/**") for path in negations]  # `!src/*/**` means `!src/*` too
        self.negated = compile_globs([*stems, *(f"{path}/**" for path in stems)])
        self.below_negated_name = compile_globs([f"{path}/**" for path in negations])
        self.always = {_resolved(name, here) for name in ALWAYS}


def _says_default(files: Mapping[str, str], task_id: str, directory: str) -> bool:
    """Whether `$TURBO_DEFAULT$` is among the inputs; turbo leaves it out of what it resolved."""
    package, task = task_id.rsplit("#", 1)
    known = _read(files["turbo.json"])["tasks"]
    layers = [known.get(task_id, known.get(task, {}))]
    if own := files.get(f"{directory}/turbo.json"):
        layers.append(_read(own)["tasks"].get(task, {}))
    found: list[str] = []
    for layer in layers:
        here = layer.get("inputs")
        if here is not None:
            found = [*found, *here] if "$TURBO_EXTENDS$" in here else here
    del package
    return "$TURBO_DEFAULT$" in found


def _read(text: str) -> Any:
    """JSON with comments on lines of their own and trailing commas."""
    bare = re.sub(r"^(//.*|/\*.*\*/)$", "", text, flags=re.MULTILINE)
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", bare))


def _files(agreement: Agreement, *, edited: bool) -> dict[str, str]:
    """What is committed or written by the edit."""
    found: dict[str, str | None] = {**agreement.scenario.files}
    if edited:
        found |= agreement.scenario.edited
    return {path: content for path, content in found.items() if content is not None}


def _resolved(pattern: str, directory: str) -> str:
    return posixpath.normpath(posixpath.join(directory, pattern))


def _own_outputs(task: Planned) -> Globs:
    return compile_globs(task.outputs)


def _with_upstream(plan: Mapping[str, Planned], task: str) -> set[str]:
    met, waiting = {task}, [task]
    while waiting:
        more = set(plan[waiting.pop()].dependencies) - met
        waiting += more
        met |= more
    return met


def _outputs_of(plan: Mapping[str, Planned], task: str) -> Globs:
    """What a task and everything upstream of it leave behind."""
    every = [glob for name in _with_upstream(plan, task) for glob in plan[name].outputs]
    found = [glob for glob in every if not glob.startswith("!")]
    return compile_globs([*found, *(f"{glob}/**" for glob in found)])


# --- tasks ---------------------------------------------------------------------------------------


def _definition(agreement: Agreement, difference: Difference) -> dict[str, Any]:
    """What turbo says of the task."""
    return agreement.plan_of_turbo(difference)[difference.subject].definition


def _upstream_is_left_out(agreement: Agreement, difference: Difference) -> bool:
    """With `--only`, what was left out may have left anything behind: bao does not cache."""
    needs = _definition(agreement, difference)["dependsOn"]
    run = difference.run
    return run is not None and run.only and bool(needs) and difference.turbo is True


def _persistent(agreement: Agreement, difference: Difference) -> bool:
    """A task that never ends leaves no result; turbo says that it would be cached."""
    return bool(_definition(agreement, difference)["persistent"]) and difference.turbo is True


def _undefined_but_left_out(agreement: Agreement, difference: Difference) -> bool:
    """What turbo refuses without `--only`, bao refuses with it too."""
    run, theirs, ours = difference.run, difference.turbo, difference.bao
    if run is None or not run.only or isinstance(theirs, Refusal) or difference.edited:
        return False
    whole = agreement.turbo.plan(agreement.place, replace(run, only=False))
    undefined = re.search("nobody defines|there is no package", ours.message)
    return undefined is not None and isinstance(whole, Refusal)


def _unreadable_glob(agreement: Agreement, difference: Difference) -> bool:
    """turbo cannot read `(group)/**`, a name that routes of web frameworks have."""
    theirs, said = difference.turbo, _files(agreement, edited=difference.edited)
    if not isinstance(theirs, Refusal) or not re.search("bad pattern|Invalid glob", theirs.message):
        return False
    return any("(group)" in text for path, text in said.items() if path.endswith("turbo.json"))


# --- stale results -------------------------------------------------------------------------------


def _through_left_out_inputs(agreement: Agreement, difference: Difference) -> bool:
    """What was edited is an input of the task, or upstream, that bao leaves out on purpose."""
    assert difference.run is not None
    left_out: set[str] = set()
    for edited in (False, True):
        theirs, ours = agreement.plans_of(difference.run, edited=edited)
        for name in _with_upstream(theirs, difference.subject):
            pair = theirs[name].inputs, ours[name].inputs
            found = Difference("inputs", name, *pair, edited=edited, run=difference.run)
            if pair[0] != pair[1] and not _inputs(agreement, found):
                return False
            left_out |= set(pair[0]) - set(pair[1])
    return not left_out.isdisjoint(agreement.scenario.edited)


def _named_and_excluded(agreement: Agreement, difference: Difference) -> bool:
    """A file that `globalDependencies` name and exclude counts for turbo."""
    for edited in (False, True):
        said = _read(_files(agreement, edited=edited)["turbo.json"])
        patterns = _Patterns(said.get("globalDependencies", []), "", default=False)
        changed = patterns.named.intersection(agreement.scenario.edited)
        if any(patterns.negated.matches(path) for path in changed):
            return True
    return False


def _root_manifest_without_lock(agreement: Agreement, difference: Difference) -> bool:
    """Without a lock file turbo's keys hold the root's package.json, bao's what it asks for."""
    del difference
    files = _files(agreement, edited=False) | _files(agreement, edited=True)
    if any("lock" in path for path in files) or "package.json" not in agreement.scenario.edited:
        return False
    return _needs(agreement, edited=False)[""] == _needs(agreement, edited=True)[""]


def _lock_is_gone(agreement: Agreement, difference: Difference) -> bool:
    """turbo's sign for no lock file; that keys change is compared apart."""
    del agreement
    return "" in {plan.external for plan in difference.turbo}


RULES: list[tuple[str, str, Callable[[Agreement, Difference], bool]]] = [
    ("catalogs of Bun are looked up", "edges", _catalog_of_bun),
    ("catalogs of Bun are looked up", "dependencies", _catalog_of_bun),
    ("bugs 1, 2 and 11: more is affected", "affected", _more_is_affected),
    ("bugs 1, 2 and 11: more is run", "tasks", _more_is_run),
    ("an input that is left out changed", "stale", _through_left_out_inputs),
    ("bug 4: a global dependency that is named cannot be excluded", "stale", _named_and_excluded),
    ("no lock file: the root's other words do not count", "stale", _root_manifest_without_lock),
    ("no lock file, no closure", "lock", _lock_is_gone),
    ("bug 9: '...^X...' selects X", "filter", _both_sides_without_itself),
    ("what --only tears from its upstream is not cached", "cache", _upstream_is_left_out),
    ("a glob with '(' can be read", "refusal", _unreadable_glob),
    ("a persistent task is not cached", "cache", _persistent),
    ("--only excuses no undefined task", "refusal", _undefined_but_left_out),
]
