"""Hooks and interfaces have pages, and the pages say what the code says."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from bao_core.interfaces.component import Component

ROOT = Path(__file__).parents[2]
INTERFACES = sorted(
    path for path in ROOT.glob("bao_core/interfaces/*.py") if path.stem != "__init__"
)
PAGES = ROOT / "docs" / "reference" / "interfaces"


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def classes(source: str) -> dict[str, dict[str, str]]:
    """Public fields and methods of each class, as normalised text."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        members = {}
        for item in node.body:
            match item:
                case ast.FunctionDef(name=name) if not name.startswith("_"):
                    decorators = [ast.unparse(decorator) for decorator in item.decorator_list]
                    returns = ast.unparse(item.returns) if item.returns else "?"
                    signature = f"({ast.unparse(item.args)}) -> {returns}"
                    members[name] = " ".join([*decorators, signature])
                case ast.AnnAssign(target=ast.Name(id=name)):
                    members[name] = ast.unparse(item)
                case ast.Assign(targets=[ast.Name(id=name)]) if not name.startswith("_"):
                    members[name] = ast.unparse(item)
        found[node.name] = members
    return found


@pytest.mark.parametrize("module", INTERFACES, ids=lambda path: path.stem)
def test_every_interface_has_a_page_with_its_exact_signatures(module: Path) -> None:
    page = PAGES / f"{module.stem}.md"
    shown: dict[str, dict[str, str]] = {}
    for block in python_blocks(page):
        for name, members in classes(block).items():
            shown.setdefault(name, members)
    for name, members in classes(module.read_text()).items():
        if name in {"Context", "NoSettings"}:  # told in words
            assert name in page.read_text()
            continue
        assert shown.get(name) == members, name


@pytest.mark.parametrize("module", INTERFACES, ids=lambda path: path.stem)
def test_every_method_of_an_interface_is_described(module: Path) -> None:
    text = (PAGES / f"{module.stem}.md").read_text()
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for name, members in classes(module.read_text()).items():
        for member in members:
            if "(" in members[member] and name != "Context":
                assert f"`{member}`" in prose, f"{name}.{member}"


@pytest.mark.parametrize(
    "page", sorted(set(PAGES.glob("*.md")) - {PAGES / "index.md"}), ids=lambda path: path.stem
)
def test_the_example_of_an_interface_page_works(page: Path) -> None:
    """The last block of each page is a whole plugin: it runs, and leaves no method out."""
    space: dict[str, object] = {"__name__": "example"}
    exec(compile(python_blocks(page)[-1], str(page), "exec"), space)
    hooks = [value for name, value in space.items() if name.startswith("bao_")]
    offers = [offer for hook in hooks for offer in hook()]
    if page.stem == "component":
        offers = [space["Greeter"]]
    assert offers
    for offer in offers:
        assert issubclass(offer, Component)
        assert not inspect.isabstract(offer), offer.__abstractmethods__
        context = SimpleNamespace(root="/somewhere")
        offer.open(offer.Settings(), context).close()


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    page = (ROOT / "docs/reference/hooks.md").read_text()
    source = ast.parse((ROOT / "bao_core/hookspecs.py").read_text())
    hooks = [node for node in source.body if isinstance(node, ast.FunctionDef)]
    assert hooks
    for hook in hooks:
        signature = f"def {hook.name}({ast.unparse(hook.args)}) -> {ast.unparse(hook.returns)}: ..."
        assert f"## {hook.name}\n\n```python\n{signature}\n```" in page


def hook_names() -> list[str]:
    source = ast.parse((ROOT / "bao_core/hookspecs.py").read_text())
    return [node.name for node in source.body if isinstance(node, ast.FunctionDef)]


def sources(*patterns: str) -> str:
    return "\n".join(
        path.read_text() for pattern in patterns for path in sorted(ROOT.glob(pattern))
    )


@pytest.mark.parametrize("hook", hook_names())
def test_every_hook_is_used_by_bao_itself(hook: str) -> None:
    used = sources("bao_core/builtins/*.py", "bao_plugins/*/src/*/plugin.py")
    assert re.search(rf"^\s*def {hook}\(", used, re.MULTILINE)


@pytest.mark.parametrize("hook", hook_names())
def test_every_hook_is_tested(hook: str) -> None:
    here = Path(__file__)
    tests = [
        path.read_text()
        for pattern in ("tests/**/*.py", "bao_plugins/*/tests/**/*.py")
        for path in sorted(ROOT.glob(pattern))
        if path != here
    ]
    assert any(hook in text for text in tests)
