"""Whose results may be used by everybody: trusted runs, and scopes for those of pull requests.

Decided from the environment alone, which the CI system sets, and never from a file in the
repository, which a pull request can change. What that protects against, and what it does not, is
said in `docs/explanation/cache-poisoning.md`.
"""

from __future__ import annotations

from msgspec import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAIN = "main"
"""How `BAO_CACHE_SCOPE` names the scope without a name."""

UNKNOWN = "pr-unknown"
"""The scope of a pull request whose number nobody tells."""

_FALSE = frozenset(("", "0", "false", "no", "off"))


PULL_REQUEST_NUMBERS = (
    ("CI_MERGE_REQUEST_IID", ""),  # GitLab
    ("CI_EXTERNAL_PULL_REQUEST_IID", ""),
    ("CHANGE_ID", ""),  # Jenkins
    ("BUILDKITE_PULL_REQUEST", ""),
    ("CIRCLE_PULL_REQUEST", "CIRCLE_PR_NUMBER"),
    ("CIRCLE_PR_NUMBER", ""),
    ("SYSTEM_PULLREQUEST_PULLREQUESTID", ""),  # Azure Pipelines
    ("BITBUCKET_PR_ID", ""),
    ("TRAVIS_PULL_REQUEST", ""),
    ("APPVEYOR_PULL_REQUEST_NUMBER", ""),
    ("DRONE_PULL_REQUEST", ""),
    ("CI_COMMIT_PULL_REQUEST", ""),  # Woodpecker
    ("CIRRUS_PR", ""),
    ("BITRISE_PULL_REQUEST", ""),
    ("SEMAPHORE_GIT_PR_NUMBER", ""),
    ("CF_PULL_REQUEST_NUMBER", ""),  # Codefresh
    ("VERCEL_GIT_PULL_REQUEST_ID", ""),
    ("PULL_REQUEST", "REVIEW_ID"),  # Netlify
)
"""Variables by which CI systems tell that they build a pull request, each with the one that holds
its number, where that is another."""

GITHUB_OWN_EVENTS = frozenset(("push", "schedule", "workflow_dispatch"))
"""Events of GitHub Actions that run what is in the repository. Others, such as
`pull_request_target`, `workflow_run` and `issue_comment`, run on the default branch and yet may
check out, or be led by, what anybody sent."""

GITLAB_OWN_SOURCES = frozenset(("push", "schedule", "web"))
"""The same for the pipelines of GitLab."""


class Trust(Struct, frozen=True):
    """Whether tiers with `write = "trusted"` are written to.

    Attributes:
        why: What that was decided by, as one clause.
    """

    trusted: bool
    why: str


def cache_scope(environ: Mapping[str, str]) -> str:
    """What entries are written under; empty for the main scope.

    `BAO_CACHE_SCOPE`, where it is set; else the number of the pull request that is built.
    """
    chosen = environ.get("BAO_CACHE_SCOPE")
    if chosen is not None:
        return "" if chosen == MAIN else chosen
    number = pull_request(environ)
    return "" if number is None else f"pr-{number}" if number else UNKNOWN


def decide(environ: Mapping[str, str]) -> Trust:
    """Whether a run is trusted.

    That of a pull request never is, whatever else is said: what it runs, nobody has read. Otherwise
    `BAO_UNTRUSTED` and `BAO_TRUSTED` say it, and then what is known of the CI system; a run of
    which nothing is known is not trusted.
    """
    if pull_request(environ) is not None:
        return Trust(trusted=False, why="it is the run of a pull request")
    if "BAO_UNTRUSTED" in environ:
        return Trust(trusted=False, why="BAO_UNTRUSTED is set")
    if (said := environ.get("BAO_TRUSTED")) is not None:
        return Trust(trusted=said.lower() not in _FALSE, why=f"BAO_TRUSTED is {said!r}")
    if environ.get("GITHUB_ACTIONS") == "true":
        return _on_github(environ)
    if environ.get("GITLAB_CI") == "true":
        return _on_gitlab(environ)
    return Trust(trusted=False, why="nothing says that it can be trusted")


def pull_request(environ: Mapping[str, str]) -> str | None:
    """The number of the pull request that is built.

    Returns:
        None where it is none; an empty text where its number is not known.
    """
    if environ.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return _github_number(environ)
    for variable, holder in PULL_REQUEST_NUMBERS:
        value = environ.get(variable, "")
        if value.lower() not in _FALSE:
            number = environ.get(holder, "") if holder else value
            return number if number.isalnum() and number.isascii() else ""
    if environ.get("BUILD_REASON") == "PullRequest":  # Azure Pipelines
        return ""
    return None


def _github_number(environ: Mapping[str, str]) -> str:
    fields = environ.get("GITHUB_REF", "").split("/")
    if fields[:2] == ["refs", "pull"] and len(fields) > 2 and fields[2].isdecimal():  # noqa: PLR2004 - refs/pull/N/merge
        return fields[2]
    number = _github_payload(environ).get("number")
    return str(number) if isinstance(number, int) else ""


def _on_github(environ: Mapping[str, str]) -> Trust:
    event = environ.get("GITHUB_EVENT_NAME", "")
    if event not in GITHUB_OWN_EVENTS:
        return Trust(trusted=False, why=f"the event '{event}' may run what others sent")
    if environ.get("GITHUB_REF_PROTECTED") == "true":
        return Trust(trusted=True, why="it runs on a protected branch")
    repository = _github_payload(environ).get("repository")
    default = repository.get("default_branch") if isinstance(repository, dict) else None
    if default and environ.get("GITHUB_REF") == f"refs/heads/{default}":
        return Trust(trusted=True, why="it runs on the default branch")
    return Trust(trusted=False, why="the branch is neither protected nor the default one")


def _on_gitlab(environ: Mapping[str, str]) -> Trust:
    source = environ.get("CI_PIPELINE_SOURCE", "")
    if source not in GITLAB_OWN_SOURCES:
        return Trust(trusted=False, why=f"pipelines of '{source}' may run what others sent")
    if environ.get("CI_COMMIT_REF_PROTECTED") == "true":
        return Trust(trusted=True, why="it runs on a protected branch")
    default = environ.get("CI_DEFAULT_BRANCH")
    if default and environ.get("CI_COMMIT_BRANCH") == default:
        return Trust(trusted=True, why="it runs on the default branch")
    return Trust(trusted=False, why="the branch is neither protected nor the default one")


def _github_payload(environ: Mapping[str, str]) -> dict[str, Any]:
    """What GitHub wrote down of the event, outside of the repository; empty if unreadable."""
    from msgspec import MsgspecError, json

    try:
        with open(environ.get("GITHUB_EVENT_PATH", ""), "rb") as file:
            payload = json.decode(file.read())
    except (OSError, MsgspecError, ValueError):
        return {}
    return payload if isinstance(payload, dict) else {}
