"""Every public name is listed, exists, and says in one sentence what it does."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TypeVar

import pytest

import monochat_billing

PACKAGE = Path(monochat_billing.__file__).parent
A_SECOND_SENTENCE = re.compile(r"[.!?]\s+[A-Z]")


def public_modules() -> list[str]:
    """List the modules whose dotted path holds no underscore, without the SQL migrations."""
    names = [monochat_billing.__name__]
    names += [
        module.name
        for module in pkgutil.walk_packages([str(PACKAGE)], prefix="monochat_billing.")
        if not any(part.startswith("_") for part in module.name.split("."))
        and ".migrations" not in module.name
    ]
    return names


def defined_in(module: ModuleType) -> set[str]:
    """Return the public classes, functions and constants that a module's own text defines.

    A type variable is notation.
    """
    assert module.__file__
    names: set[str] = set()
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
    return {
        name
        for name in names
        if not name.startswith("_") and not isinstance(getattr(module, name, None), TypeVar)
    }


def members(owner: type) -> Iterator[tuple[str, object]]:
    """Yield the public methods and properties that a class itself defines."""
    for name, value in vars(owner).items():
        if name.startswith("_"):
            continue
        if isinstance(
            value, (FunctionType, property, classmethod, staticmethod, functools.cached_property)
        ):
            yield name, getattr(owner, name) if isinstance(value, classmethod) else value


def complaint(what: object) -> str | None:
    """Say what is wrong with the summary line of an object's docstring, if anything is."""
    # A class inherits no docstring here: Exception's would do for every error. A method may.
    text = inspect.cleandoc(vars(what).get("__doc__") or "") if isinstance(what, type) else None
    text = inspect.getdoc(what) if text is None else text
    if not text or not text.strip():
        return "has no docstring"
    summary = text.splitlines()[0].strip()
    if not summary.endswith("."):
        return f"its first line is not a sentence that ends with a period: {summary!r}"
    if A_SECOND_SENTENCE.search(summary):
        return f"its first line is more than one sentence: {summary!r}"
    return None


def undocumented(module: ModuleType) -> list[str]:
    """List the public names of one module whose docstring is missing or malformed."""
    found = [(module.__name__, complaint(module))]
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if isinstance(value, type) and value.__module__.startswith("monochat_billing"):
            found.append((f"{module.__name__}.{name}", complaint(value)))
            found += [
                (f"{module.__name__}.{name}.{member}", complaint(getattr(value, member, what)))
                for member, what in members(value)
            ]
        elif isinstance(value, FunctionType):
            found.append((f"{module.__name__}.{name}", complaint(value)))
    return [f"{name}: {wrong}" for name, wrong in found if wrong]


@pytest.mark.parametrize("name", public_modules())
class TestAPublicModule:
    """What a module offers is written in its `__all__`, and documented."""

    def test_lists_what_it_defines(self, name: str) -> None:
        """Each listed name exists once, and each public definition is listed.

        That the list is sorted is ruff's RUF022.
        """
        module = importlib.import_module(name)
        listed = list(getattr(module, "__all__", ()))
        assert len(listed) == len(set(listed)), f"{name}.__all__ names something twice"
        assert [one for one in listed if not hasattr(module, one)] == []
        missing = defined_in(module) - set(listed)
        assert not missing, f"{name}: {sorted(missing)}: list in __all__, or begin with _"

    def test_documents_what_it_lists(self, name: str) -> None:
        """Each public name's docstring begins with one sentence."""
        found = undocumented(importlib.import_module(name))
        assert not found, "\n".join(found)


class TestThePackage:
    """`import monochat_billing` offers the domain by name."""

    def test_reexports_only_public_names(self) -> None:
        """What the package lists, one of its public modules lists too."""
        home: dict[str, object] = {}
        for module in map(importlib.import_module, public_modules()[1:]):
            for name in getattr(module, "__all__", ()):
                home[name] = getattr(module, name)
        listed: list[str] = vars(monochat_billing)["__all__"]
        assert listed
        strangers = [one for one in listed if getattr(monochat_billing, one) is not home.get(one)]
        assert strangers == []

    def test_fetches_what_it_shows_to_type_checkers(self) -> None:
        """The imports for type checkers and the table for the interpreter name the same."""
        text = Path(monochat_billing.__file__).read_text(encoding="utf-8")
        shown = {
            alias.name: node.module
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("monochat_billing.")
            for alias in node.names
        }
        homes: dict[str, str] = vars(monochat_billing)["_HOMES"]
        fetched = {name: f"monochat_billing.{module}" for name, module in homes.items()}
        assert shown == fetched
        assert set(shown) == set(vars(monochat_billing)["__all__"])


def shown(name: str) -> bool:
    """Say whether a name of the package has an example: its own, a member's, or its module's.

    Those of the docstrings are run, so what is shown works.
    """
    value = getattr(monochat_billing, name)
    home = sys.modules[getattr(value, "__module__", type(value).__module__)]
    texts = [inspect.getdoc(value) or ""]
    if isinstance(value, type):
        texts += [inspect.getdoc(member) or "" for _, member in members(value)]
    by_name = re.compile(rf"^(?:>>>|[.]{{3}}) .*\b{name}\b", re.MULTILINE)
    return any(">>>" in text for text in texts) or bool(by_name.search(home.__doc__ or ""))


class TestTheExamples:
    """Whoever asks an editor about a name sees how it is used."""

    def test_every_class_and_function_of_the_package_has_one(self) -> None:
        callables = [
            name
            for name in vars(monochat_billing)["__all__"]
            if callable(getattr(monochat_billing, name))
            and str(getattr(getattr(monochat_billing, name), "__module__", "")).startswith(
                "monochat_billing."
            )
        ]
        assert len(callables) > 100
        assert [name for name in callables if not shown(name)] == []


class TestTheCheckItself:
    """The check sees what it is there for."""

    def test_it_wants_one_sentence(self) -> None:
        """A missing, unended or doubled summary is a complaint; one sentence is none."""

        class Without:
            pass

        class Unended:
            """Debit an account"""

        class Doubled:
            """Debit it. Then credit it."""

        class Fine:
            """Debit 12.50 TRY, e.g. for an export.

            More. And more.
            """

        wrong = [complaint(one) or "" for one in (Without, Unended, Doubled)]
        assert [one.split(":")[0] for one in wrong] == [
            "has no docstring",
            "its first line is not a sentence that ends with a period",
            "its first line is more than one sentence",
        ]
        assert complaint(Fine) is None
