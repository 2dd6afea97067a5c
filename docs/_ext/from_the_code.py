"""Write the pages that the code itself knows best: state tables, floors, modules, face.

Owns what lies under ``docs/reference/drawn``, which is written anew for every build, and links that
leave the documentation.
Does not own any sentence about the library: those are docstrings and pages.
"""

import builtins
import enum
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment

import monochat_billing
from monochat_billing import Billing, MissingExtra

DOCS: Final = Path(__file__).parents[1]
ROOT: Final = DOCS.parent
DRAWN: Final = DOCS / "reference" / "drawn"

MOST_COLUMNS: Final = 7
STATE_TABLES: Final = (
    ("A subscription", "subscriptions", "MOVES"),
    ("A scheduled change", "scheduling", "SCHEDULE_MOVES"),
    ("A top-up", "top_ups", "TOP_UP_MOVES"),
    ("A balance", "books", "BALANCE_MOVES"),
    ("A hold", "holds", "HOLD_MOVES"),
    ("A message", "messages", "MESSAGE_MOVES"),
)


# ------------------------------------------------------------------------------------------- text
def heading(text: str, mark: str = "=") -> str:
    """Underline a heading.

    >>> print(heading("Floors"))
    Floors
    ======
    <BLANKLINE>
    """
    return f"{text}\n{mark * len(text)}\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a table; cells are reStructuredText of one line."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (list(head), *map(list, rows)):
        lines += [f"   {'*' if not at else ' '} - {cell}" for at, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def summary(value: object) -> str:
    """Give the first sentence of a docstring."""
    return (inspect.getdoc(value) or "").partition("\n")[0]


# ----------------------------------------------------------------------------------- state tables
def state_table(moves: Mapping[tuple[enum.Enum, enum.Enum], enum.Enum]) -> str:
    """Draw which move leads from which state where; an empty cell is refused.

    More states than fit beside each other stand below each other, each with its moves.
    """
    states = list(type(next(iter(moves))[0]))
    verbs = list(type(next(iter(moves))[1]))
    if len(states) > MOST_COLUMNS:
        leads = {
            state: [
                f"*{verb.value}* → {moves[state, verb].value}"
                for verb in verbs
                if (state, verb) in moves
            ]
            for state in states
        }
        return table(["", "may"], ([one.value, ", ".join(leads[one])] for one in states))
    return table(
        ["", *(state.value for state in states)],
        (
            [
                f"*{verb.value}*",
                *(moves[state, verb].value if (state, verb) in moves else "" for state in states),
            ]
            for verb in verbs
        ),
    )


def states_page() -> str:
    """Write the state tables of everything that has a state."""
    parts = [
        heading("State tables"),
        "Drawn from the tables that decide, when this page was built. A column is a state, a row",
        "is what may happen, and a cell says where that leads. An empty cell is refused with",
        "``IllegalTransition``, and nothing changes. A column of empty cells is final. Where there",
        "are many states, each stands in a row, with all that may happen to it.\n",
    ]
    for title, module, name in STATE_TABLES:
        home = importlib.import_module(f"monochat_billing.{module}")
        parts += [
            heading(title, "-"),
            f":data:`monochat_billing.{module}.{name}`\n",
            state_table(getattr(home, name)),
        ]
    return "\n".join(parts)


# ----------------------------------------------------------------------------------------- floors
def floors() -> list[list[str]]:
    """Read the floors, highest first, and the modules on each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[name.strip(" ()") for name in layer.split("|")] for layer in layers]


def floors_page() -> str:
    """Write the floors with what each module owns."""
    stack = floors()
    parts = [
        heading("Floors"),
        "Drawn from ``pyproject.toml``, where import-linter holds it: a module imports from lower",
        "floors only, and modules on one floor do not know each other. Why each is where it is, is",
        "told in :doc:`ADR 2 </adr/0002-floors>`.\n",
    ]
    rows = []
    for height, modules in zip(range(len(stack) - 1, -1, -1), stack, strict=True):
        rows += [
            [str(height), f":mod:`{name} <monochat_billing.{name}>`", summary(module)]
            for name in modules
            if (module := importlib.import_module(f"monochat_billing.{name}"))
        ]
    parts.append(table(["floor", "module", "what it is"], rows))
    return "\n".join(parts)


# --------------------------------------------------------------------------------------- the face
def verbs(noun: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods of a noun in the order in which they are written."""
    for name, value in vars(noun).items():
        if not name.startswith("_") and inspect.isfunction(value):
            yield name, value


def nouns() -> Iterator[tuple[str, type]]:
    """Yield the nouns of the service by the name that they have on ``Billing``."""
    service = Billing(
        catalog=monochat_billing.sample_catalog(),
        storage=importlib.import_module("monochat_billing.adapters.memory").MemoryStorage(),
    )
    for name in sorted(dir(service)):
        value = getattr(service, name)
        if not name.startswith("_") and type(value).__module__.startswith(
            "monochat_billing.service."
        ):
            yield name, type(value)


def face_page() -> str:
    """Write every noun with its verbs, one line each."""
    parts = [
        heading("The face: nouns and verbs"),
        "``billing.<noun>.<verb>(…)``, drawn from the classes. Every verb that changes something",
        "takes a ``key``, and what it says once it says for ever.\n",
        heading("billing", "-"),
        table(
            ["verb", "what it does"],
            (
                [f":meth:`~{Billing.__module__}.Billing.{name}`", summary(value)]
                for name, value in verbs(Billing)
            ),
        ),
    ]
    for name, noun in nouns():
        place = f"{noun.__module__}.{noun.__qualname__}"
        rows = [[f":meth:`~{place}.{verb}`", summary(value)] for verb, value in verbs(noun)]
        parts += [
            heading(f"billing.{name}", "-"),
            f"{summary(noun)} :class:`{noun.__qualname__} <{place}>`\n",
            table(["verb", "what it does"], rows),
        ]
    return "\n".join(parts)


# ---------------------------------------------------------------------------------------- modules
def public_modules() -> list[str]:
    """List the modules whose dotted path holds no underscore, without the SQL migrations."""
    walked = pkgutil.walk_packages(monochat_billing.__path__, prefix="monochat_billing.")
    return sorted(
        one.name
        for one in walked
        if not any(part.startswith("_") for part in one.name.split("."))
        and ".migrations" not in one.name
    )


def elsewhere(module: ModuleType) -> list[str]:
    """List what a module offers that another one defines."""
    return [
        f":obj:`~{value.__module__}.{name}`"
        for name in getattr(module, "__all__", ())
        if (value := getattr(module, name)) is not None
        and getattr(value, "__module__", module.__name__) != module.__name__
        and str(getattr(value, "__module__", "")).startswith("monochat_billing.")
    ]


def module_page(name: str) -> str:
    """Write the reference of one module; the text is in its docstrings."""
    module = importlib.import_module(name)
    short = name.removeprefix("monochat_billing.")
    # An orphan: two hundred modules in every page's sidebar would bury the rest.
    parts = [":orphan:\n", heading(short), f".. automodule:: {name}\n"]
    if again := elsewhere(module):
        parts.append(f"Offered here too: {', '.join(again)}.\n")
    return "\n".join(parts)


def modules_page(names: Iterable[str]) -> str:
    """Write the list of modules, with the first sentence of each."""
    rows = [[f":mod:`{one}`", summary(importlib.import_module(one))] for one in names]
    return "\n".join(
        [
            heading("Modules"),
            "Each page opens with what its module owns and does not own.\n",
            table(["module", "what it is"], rows),
        ]
    )


def package_page() -> str:
    """Write what ``monochat_billing`` itself offers, with the module where each is told."""
    rows = []
    listed: list[str] = vars(monochat_billing)["__all__"]
    for name in listed:
        value = getattr(monochat_billing, name)
        home = getattr(value, "__module__", "")
        known = isinstance(value, type) or inspect.isroutine(value)
        ours = known and home.startswith("monochat_billing.")
        what = summary(value) if known else f"``{value!r}``"
        rows.append([f":obj:`{name} <{home}.{name}>`" if ours else f"``{name}``", what])
    return "\n".join(
        [
            heading("monochat_billing"),
            "``from monochat_billing import …``: what a host calls by name. Adapters are imported",
            "by their path.\n",
            table(["name", "what it is"], rows),
        ]
    )


def write(path: Path, text: str) -> None:
    """Write a page if it differs, so that an unchanged one is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def draw(_app: Sphinx) -> None:
    """Write every drawn page, and remove those of modules that are gone."""
    pages = {
        "states": states_page(),
        "floors": floors_page(),
        "face": face_page(),
        "package": package_page(),
    }
    names = public_modules()
    for name in names:
        try:
            pages[f"modules/{name.removeprefix('monochat_billing.')}"] = module_page(name)
        except MissingExtra as missing:  # the page would lie if it were left out in silence
            raise RuntimeError(f"install the dev extra to build the reference: {missing}") from None
    pages["modules"] = modules_page(names)
    for name, text in pages.items():
        write(DRAWN / f"{name}.rst", text)
    for stale in set(DRAWN.rglob("*.rst")) - {DRAWN / f"{name}.rst" for name in pages}:
        stale.unlink()


# ---------------------------------------------------------------------------------------- pages
def keep_inside(app: Sphinx, doctree: nodes.document) -> None:
    """Show a link to a folder of the repository as its text: the site has no such page."""
    page = DOCS / app.env.docname
    for link in list(doctree.findall(addnodes.pending_xref)):
        target = str(link.get("reftarget", "")).partition("#")[0]
        place = (page.parent / target).resolve()
        if target and place.is_dir() and place.is_relative_to(ROOT):
            link.replace_self(nodes.emphasis("", "", *link.children))


def name_the_members(
    _app: Sphinx, what: str, _name: str, value: object, _options: object, lines: list[str]
) -> None:
    """Add to the docstring of an enumeration what it enumerates."""
    if what == "class" and isinstance(value, enum.EnumType):
        lines += ["", "Members: " + ", ".join(f"``{one}``" for one in value.__members__) + ".", ""]


class OwnNames(PythonDomain):
    """Resolve names as ever, but never take ``list`` in an annotation for a verb of that name."""

    def find_obj(  # noqa: PLR0917 - Sphinx calls it by position
        self,
        env: BuildEnvironment,
        modname: str | None,
        classname: str | None,
        name: str,
        type: str | None,  # noqa: A002 - as above
        searchmode: int = 0,
    ) -> list[Any]:
        """Find the objects that a reference may mean."""
        if hasattr(builtins, name):
            return []
        return super().find_obj(env, modname, classname, name, type, searchmode)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above to a build."""
    app.connect("builder-inited", draw)
    app.connect("doctree-read", keep_inside)
    app.connect("autodoc-process-docstring", name_the_members)
    app.add_domain(OwnNames, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
