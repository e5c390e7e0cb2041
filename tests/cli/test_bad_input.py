"""Bad input: a clear error that says where, never a traceback, and nothing lost."""

from __future__ import annotations

import os
from typing import Any

import pytest

ROOT = """
global_pass_through_env = ["LEDGER"]
[workspace]
packages = ["p/*"]
"""
BUILD = '[tasks.build]\ncommand = "echo $BAO_TASK >> $LEDGER"\ndepends_on = ["^build"]\n'


def refused(repo: Any, *arguments: str, **options: Any) -> str:
    """What a command says that must fail before anything runs."""
    result = repo.bao(*(arguments or ("run", "build")), **options)
    assert result.code not in {0, 1, 70}, result
    assert "Traceback" not in result.err
    assert result.err.startswith("error: "), result
    assert result.err.count("\n") <= 3
    assert repo.ran() == []
    return result.err


def packages(repo: Any, config: str = BUILD, **manifests: str) -> None:
    repo.write({"bao.toml": ROOT + config})
    for name, manifest in manifests.items():
        repo.write({f"p/{name}/bao.toml": manifest, f"p/{name}/src.txt": name})
    repo.commit()


def test_a_cycle_of_packages_is_named_along_its_path(repo: Any) -> None:
    packages(
        repo,
        a='name = "a"\ndependencies = ["b"]\n',
        b='name = "b"\ndependencies = ["c"]\n',
        c='name = "c"\ndependencies = ["a"]\n',
    )
    said = refused(repo)
    assert "a#build -> b#build -> c#build -> a#build" in said


def test_a_cycle_of_tasks_is_named_along_its_path(repo: Any) -> None:
    packages(
        repo,
        '[tasks.a]\ncommand = "x"\ndepends_on = ["b"]\n'
        '[tasks.b]\ncommand = "x"\ndepends_on = ["a"]\n',
        p='name = "p"\n',
    )
    assert "p#a -> p#b -> p#a" in refused(repo, "run", "a")


def test_a_manifest_that_does_not_parse_is_named_with_its_line(repo: Any) -> None:
    packages(repo, a='name = "a"\n\nversion = = 1\n')
    assert "p/a/bao.toml:3: " in refused(repo)


def test_a_broken_package_json_is_named_with_its_line(repo: Any) -> None:
    repo.write(
        {
            "package.json": '{"workspaces": ["p/*"]}',
            "p/a/package.json": '{\n  "name": "a",\n  "version": }\n',
        }
    )
    repo.commit()
    assert "p/a/package.json:3" in refused(repo)


def test_a_broken_pyproject_is_named_with_its_line(repo: Any) -> None:
    repo.write(
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["p/*"]\n',
            "p/a/pyproject.toml": '[project]\nname = "a"\nversion = \n',
        }
    )
    repo.commit()
    assert "p/a/pyproject.toml:3" in refused(repo)


def test_two_packages_of_one_name_are_both_named(repo: Any) -> None:
    packages(repo, a='name = "same"\n', b='name = "same"\n')
    said = refused(repo)
    assert "p/a/bao.toml" in said
    assert "p/b/bao.toml" in said


def test_a_dependency_that_is_not_there_is_named_with_what_is_near(repo: Any) -> None:
    packages(repo, app='name = "app"\ndependencies = ["libary"]\n', library='name = "library"\n')
    said = refused(repo)
    assert "libary" in said
    assert "library" in said.replace("libary", "")


def test_an_unknown_key_is_named_with_file_line_and_the_nearest_valid_one(repo: Any) -> None:
    packages(repo, BUILD + '\n[tasks.test]\ncomand = "x"\n', a='name = "a"\n')
    said = refused(repo)
    lines = (ROOT + BUILD + '\n[tasks.test]\ncomand = "x"\n').splitlines()
    assert f"bao.toml:{lines.index('comand = ' + chr(34) + 'x' + chr(34)) + 1}: " in said
    assert "command" in said


def test_an_output_outside_the_package_is_refused(repo: Any) -> None:
    packages(repo, BUILD + 'outputs = ["../elsewhere/**"]\n', a='name = "a"\n')
    assert "../elsewhere/**" in refused(repo)


def test_an_absolute_output_is_refused(repo: Any) -> None:
    packages(repo, BUILD + 'outputs = ["/etc/x"]\n', a='name = "a"\n')
    assert "/etc/x" in refused(repo)


def test_overlapping_outputs_name_both_tasks(repo: Any) -> None:
    packages(
        repo,
        BUILD + 'outputs = ["dist/**"]\n[tasks.pack]\ncommand = "x"\noutputs = ["dist/*.tgz"]\n',
        a='name = "a"\n',
    )
    said = refused(repo)
    assert "a#build" in said
    assert "a#pack" in said


def test_a_filter_that_matches_nothing_names_near_misses(repo: Any) -> None:
    packages(repo, library='name = "library"\n')
    assert "library" in refused(repo, "run", "build", "--filter", "libary")


def test_an_unknown_task_names_near_misses(repo: Any) -> None:
    packages(repo, a='name = "a"\n')
    assert "build" in refused(repo, "run", "biuld")


def test_an_unknown_option_is_a_usage_error(repo: Any) -> None:
    packages(repo, a='name = "a"\n')
    result = repo.bao("run", "build", "--conurrency=3")
    assert result.code == 2
    assert "--concurrency" in result.err
    assert "Traceback" not in result.err


def test_an_unknown_revision_is_named(repo: Any) -> None:
    packages(repo, a='name = "a"\n')
    assert "no-such-ref" in refused(repo, "run", "build", "--affected", "--since", "no-such-ref")


def test_a_directory_without_a_workspace_says_what_is_looked_for(plain_directory: Any) -> None:
    said = refused(plain_directory)
    assert "bao.toml" in said


def test_a_command_that_does_not_exist_fails_its_task_and_is_named(repo: Any) -> None:
    packages(repo, '[tasks.build]\ncommand = ["no-such-program", "x"]\n', a='name = "a"\n')
    result = repo.bao("run", "build")
    assert result.code == 127
    assert "no-such-program" in result.out + result.err
    assert "Traceback" not in result.err


def test_a_task_without_its_own_command_in_the_shell_gives_the_shells_answer(repo: Any) -> None:
    packages(repo, '[tasks.build]\ncommand = "no-such-program x"\n', a='name = "a"\n')
    result = repo.bao("run", "build")
    assert result.code == 127
    assert "no-such-program" in result.out


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_input_is_named(repo: Any) -> None:
    packages(repo, a='name = "a"\n')
    (repo.root / "p/a/new.txt").write_text("x")
    (repo.root / "p/a/new.txt").chmod(0)
    assert "p/a/new.txt" in refused(repo)


NAMES = ["a space", "new\nline", "quote'\"", "dollar$HOME", "-dash", "ünïcode", "tab\t", "\udcff"]


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name) for name in NAMES])
def test_strange_file_names_are_inputs_and_outputs_like_any_other(repo: Any, name: str) -> None:
    command = 'echo x >> "$LEDGER"; mkdir -p dist; cp src/* dist/'
    packages(
        repo, f"[tasks.build]\ncommand = '{command}'\noutputs = [\"dist/**\"]\n", a='name = "a"\n'
    )
    source, made = repo.root / "p/a/src", repo.root / "p/a/dist"
    source.mkdir()
    (source / name).write_text("1")
    repo.write({".gitignore": "dist/\n"})
    repo.ok("run", "build")
    assert (made / name).read_text() == "1"
    assert repo.ran() == ["x"]
    (made / name).unlink()
    repo.ok("run", "build")
    assert (made / name).read_text() == "1"
    repo.ok("run", "build")
    assert repo.ran() == []
    (source / name).write_text("2")
    result = repo.ok("run", "build")
    assert repo.ran() == ["x"]
    assert (made / name).read_text() == "2"
    assert "Traceback" not in result.err
    repo.ok("run", "build", "--dry-run=json")


def test_strange_package_names_work_everywhere(repo: Any) -> None:
    depender = 'name = "@scope/ünï"\ndependencies = ["with space"]\n'
    packages(repo, one='name = "with space"\n', two=depender)
    repo.ok("run", "build")
    assert repo.ran() == ["with space#build", "@scope/ünï#build"]
    repo.ok("run", "build", "--filter", "with space")
    for form in ("json", "dot", "mermaid"):
        repo.ok("graph", "build", "--format", form)
    repo.ok("why", "with space#build")
