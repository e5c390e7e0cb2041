"""Which runs are trusted, and what scope each writes under: from the environment alone."""

from __future__ import annotations

import json

import pytest

from bao_core.trust import UNKNOWN, cache_scope, decide, pull_request

GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true"}
GITLAB = {"CI": "true", "GITLAB_CI": "true"}

PULL_REQUESTS = {
    "github": ({**GITHUB, "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/12/merge"}),
    "gitlab": {
        **GITLAB,
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "12",
        "CI_COMMIT_REF_PROTECTED": "true",
    },
    "gitlab for github": {**GITLAB, "CI_EXTERNAL_PULL_REQUEST_IID": "12"},
    "jenkins": {"CHANGE_ID": "12"},
    "buildkite": {"BUILDKITE_PULL_REQUEST": "12"},
    "circle": {"CIRCLE_PULL_REQUEST": "https://example.org/x/12", "CIRCLE_PR_NUMBER": "12"},
    "azure": {"SYSTEM_PULLREQUEST_PULLREQUESTID": "12"},
    "bitbucket": {"BITBUCKET_PR_ID": "12"},
    "travis": {"TRAVIS_PULL_REQUEST": "12"},
    "appveyor": {"APPVEYOR_PULL_REQUEST_NUMBER": "12"},
    "drone": {"DRONE_PULL_REQUEST": "12"},
    "woodpecker": {"CI_COMMIT_PULL_REQUEST": "12"},
    "cirrus": {"CIRRUS_PR": "12"},
    "netlify": {"PULL_REQUEST": "true", "REVIEW_ID": "12"},
}

NUMBERLESS = {
    "github": {
        **GITHUB,
        "GITHUB_EVENT_NAME": "pull_request_target",
        "GITHUB_REF": "refs/heads/main",
    },
    "circle": {"CIRCLE_PULL_REQUEST": "https://example.org/x/12"},
    "azure": {"BUILD_REASON": "PullRequest"},
    "nonsense": {"CHANGE_ID": "../../main"},
}

NO_PULL_REQUESTS = {
    "nothing": {},
    "buildkite": {"BUILDKITE_PULL_REQUEST": "false"},
    "travis": {"TRAVIS_PULL_REQUEST": "false"},
    "netlify": {"PULL_REQUEST": "false"},
    "empty": {"CI_COMMIT_PULL_REQUEST": ""},
    "github": {**GITHUB, "GITHUB_EVENT_NAME": "push"},
}


@pytest.mark.parametrize("environ", PULL_REQUESTS.values(), ids=PULL_REQUESTS)
def test_a_pull_request_has_its_own_scope_and_is_never_trusted(environ) -> None:
    assert cache_scope(environ) == "pr-12"
    for said in ({}, {"BAO_TRUSTED": "1"}, {"GITHUB_REF_PROTECTED": "true"}):
        assert not decide({**environ, **said}).trusted


@pytest.mark.parametrize("environ", NUMBERLESS.values(), ids=NUMBERLESS)
def test_a_pull_request_without_a_number_does_not_write_to_the_main_scope(environ) -> None:
    assert cache_scope(environ) == UNKNOWN
    assert not decide({**environ, "BAO_TRUSTED": "1"}).trusted


@pytest.mark.parametrize("environ", NO_PULL_REQUESTS.values(), ids=NO_PULL_REQUESTS)
def test_everything_else_has_the_main_scope(environ) -> None:
    assert pull_request(environ) is None
    assert cache_scope(environ) == ""


def test_the_scope_that_is_said_counts() -> None:
    assert cache_scope({"BAO_CACHE_SCOPE": "nightly"}) == "nightly"
    assert cache_scope({**PULL_REQUESTS["github"], "BAO_CACHE_SCOPE": "mine"}) == "mine"
    for main in ("", "main"):
        assert cache_scope({**PULL_REQUESTS["github"], "BAO_CACHE_SCOPE": main}) == ""


@pytest.mark.parametrize(
    "environ", [{}, {"CI": "true"}, {"JENKINS_URL": "x"}, GITHUB, GITLAB], ids=str
)
def test_what_is_not_known_is_not_trusted_unless_it_is_said(environ) -> None:
    assert not decide(environ).trusted
    assert decide({**environ, "BAO_TRUSTED": "1"}).trusted
    assert not decide({**environ, "BAO_TRUSTED": "0"}).trusted
    assert not decide({**environ, "BAO_TRUSTED": "1", "BAO_UNTRUSTED": ""}).trusted


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_github_is_trusted_on_protected_branches(event: str) -> None:
    environ = {**GITHUB, "GITHUB_EVENT_NAME": event, "GITHUB_REF": "refs/heads/x"}
    assert not decide(environ).trusted
    assert decide({**environ, "GITHUB_REF_PROTECTED": "true"}).trusted


@pytest.mark.parametrize(
    "event", ["pull_request_target", "workflow_run", "issue_comment", "merge_group", "release", ""]
)
def test_events_that_may_run_what_others_sent_are_not_trusted(event: str) -> None:
    environ = {**GITHUB, "GITHUB_EVENT_NAME": event, "GITHUB_REF_PROTECTED": "true"}
    assert not decide(environ).trusted


def test_github_is_trusted_on_the_default_branch(tmp_path) -> None:
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"repository": {"default_branch": "trunk"}}))
    environ = {**GITHUB, "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(payload)}
    assert decide({**environ, "GITHUB_REF": "refs/heads/trunk"}).trusted
    assert not decide({**environ, "GITHUB_REF": "refs/heads/other"}).trusted
    assert not decide({**environ, "GITHUB_REF": "refs/tags/trunk"}).trusted
    for broken in ("", "[]", "{", '{"repository": 1}', '{"repository": {"default_branch": null}}'):
        payload.write_text(broken)
        assert not decide({**environ, "GITHUB_REF": "refs/heads/trunk"}).trusted


def test_github_tells_the_number_of_a_pull_request_in_its_payload(tmp_path) -> None:
    payload = tmp_path / "event.json"
    payload.write_text('{"number": 31}')
    environ = {**NUMBERLESS["github"], "GITHUB_EVENT_PATH": str(payload)}
    assert cache_scope(environ) == "pr-31"


def test_gitlab_is_trusted_on_protected_and_default_branches() -> None:
    environ = {**GITLAB, "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}
    assert not decide(environ).trusted
    assert decide({**environ, "CI_DEFAULT_BRANCH": "main"}).trusted
    assert not decide({**environ, "CI_DEFAULT_BRANCH": "trunk"}).trusted
    protected = {**environ, "CI_COMMIT_REF_PROTECTED": "true"}
    assert decide(protected).trusted
    assert not decide({**protected, "CI_PIPELINE_SOURCE": "external_pull_request_event"}).trusted
