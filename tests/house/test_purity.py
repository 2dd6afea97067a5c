"""No float, ambient clock, id source, environment or decimal context in the domain."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "monochat_billing"

# What faces the world may look at it; every other module is the domain, new ones too.
OUTSIDE = {"adapters", "service", "simulation", "testing"}

IMPORTS = {
    "asyncio": "the caller's shell waits, the domain decides",
    "getpass": "ask the adapter",
    "http": "ask the adapter",
    "io": "take and return values",
    "locale": "take the locale as an argument",
    "logging": "return an event",
    "os": "take it as an argument",
    "pathlib": "take the content as an argument",
    "random": "take the number as an argument",
    "secrets": "take the id as an argument",
    "socket": "ask the adapter",
    "sqlite3": "ask the adapter",
    "subprocess": "ask the adapter",
    "sys": "take it as an argument",
    "tempfile": "take and return values",
    "threading": "the caller's shell runs in parallel, the domain does not",
    "time": "take `now` as an argument",
    "urllib": "ask the adapter",
    "uuid": "take the id as an argument",
}
NAMES = {
    "float": "use int, Fraction or Decimal; refuse a float by accepting only those",
    "getcontext": "round with a Rounding, never by the ambient decimal context",
    "localcontext": "round with a Rounding, never by the ambient decimal context",
    "setcontext": "round with a Rounding, never by the ambient decimal context",
}
CALLS = {
    "__import__": "import at the top",
    "eval": "write a table",
    "exec": "write a table",
    "id": "an object's address is no id; take the id as an argument",
    "input": "take it as an argument",
    "open": "take the content as an argument",
    "print": "return a value that prints well",
}
ATTRIBUTES = {
    "environ": "take it as an argument",
    "fromtimestamp": "parse an ISO instant; a POSIX timestamp is a float",
    "read_bytes": "take the content as an argument",
    "read_text": "take the content as an argument",
    "timestamp": "subtract instants; a POSIX timestamp is a float",
    "total_seconds": "divide by timedelta(microseconds=1), which is exact",
    "utcfromtimestamp": "parse an ISO instant; a POSIX timestamp is a float",
    "utcnow": "take `now` as an argument",
}
CLOCKS = {"now", "today"}


def _values(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Constant(value=float() | complex() as value):
            yield f"float literal {value!r}", "write Fraction(1, 2), or an integer of micro-units"
        case ast.Name(id=name) | ast.alias(name=name) if name in NAMES:
            yield f"`{name}`", NAMES[name]
        case ast.Attribute(attr=name) if name in NAMES | ATTRIBUTES:
            yield f"`.{name}`", (NAMES | ATTRIBUTES)[name]
        case (
            ast.Attribute(value=ast.Name(id=owner), attr=name)
            | ast.Attribute(value=ast.Attribute(attr=owner), attr=name)
        ) if name in CLOCKS and owner.strip("_").lower() in {"date", "datetime", "dt"}:
            yield f"`{owner}.{name}`", "take `now` as an argument"


def _calls(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
            yield f"a call of `.{name}()`", "take `now` as an argument"
        case ast.Call(func=ast.Attribute(attr="astimezone"), args=[], keywords=[]):
            yield "`.astimezone()` without a zone", "name the zone; this one asks the machine"
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield f"a call of `{name}()`", CALLS[name]


def _imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Import(names=aliases):
            modules = [alias.name for alias in aliases]
        case ast.ImportFrom(module=str(module)):
            modules = [module]
        case _:
            modules = []
    for module in modules:
        if (root := module.partition(".")[0]) in IMPORTS:
            yield f"import of `{module}`", IMPORTS[root]


def impurities(source: str, name: str) -> list[str]:
    """List every impurity of ``source`` as ``name:line: what; remedy``."""
    return [
        f"{name}:{getattr(node, 'lineno', 0)}: {what}; {remedy}"
        for node in ast.walk(ast.parse(source))
        for what, remedy in (*_values(node), *_calls(node), *_imports(node))
    ]


def domain_modules() -> list[Path]:
    """List the modules of the domain, those in packages too."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in OUTSIDE
    ]


class TestTheDomain:
    """Amounts are exact, and `now` and ids are arguments."""

    def test_there_is_a_domain_to_look_at(self) -> None:
        """The walk finds the modules whose places are fixed."""
        found = {path.relative_to(PACKAGE).as_posix() for path in domain_modules()}
        assert {"balance.py", "errors.py", "money.py", "plans.py", "scheduling.py"} <= found

    @pytest.mark.parametrize(
        "path", [pytest.param(path, id=path.stem) for path in domain_modules()]
    )
    def test_a_domain_module_is_pure(self, path: Path) -> None:
        """A module of the domain computes from its arguments alone."""
        found = impurities(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
        assert not found, "\n".join(found)


class TestTheCheckItself:
    """The check sees what it is there for, and lets the rest pass."""

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            pytest.param("half = 0.5", "1: float literal 0.5;", id="literal"),
            pytest.param("big = 1e6", "1: float literal 1000000.0;", id="exponent"),
            pytest.param("x = 2j", "1: float literal 2j;", id="complex"),
            pytest.param("def f(x: float) -> int: ...", "1: `float`;", id="annotation"),
            pytest.param("ok = isinstance(x, (int, float))", "1: `float`;", id="isinstance"),
            pytest.param("\nat = datetime.now(UTC)", "2: `datetime.now`;", id="now"),
            pytest.param("at = dt.datetime.now(dt.UTC)", "`datetime.now`;", id="qualified-now"),
            pytest.param("f(clock=datetime.now)", "`datetime.now`;", id="now-uncalled"),
            pytest.param("at = datetime.utcnow()", "`.utcnow`;", id="utcnow"),
            pytest.param("on = date.today()", "`date.today`;", id="today"),
            pytest.param("at = Instant.now()", "a call of `.now()`;", id="other-clock"),
            pytest.param("local = at.astimezone()", "without a zone;", id="machine-zone"),
            pytest.param("s = delta.total_seconds()", "`.total_seconds`;", id="seconds"),
            pytest.param("s = at.timestamp()", "`.timestamp`;", id="timestamp"),
            pytest.param("import time", "import of `time`;", id="time"),
            pytest.param("from uuid import uuid4", "import of `uuid`;", id="uuid"),
            pytest.param("import random as r", "import of `random`;", id="random"),
            pytest.param("def f():\n    import secrets", "2: import of `secrets`;", id="secrets"),
            pytest.param("import os.path", "import of `os.path`;", id="os"),
            pytest.param("zone = os.environ['TZ']", "`.environ`;", id="environ"),
            pytest.param("decimal.getcontext().prec = 9", "`.getcontext`;", id="getcontext"),
            pytest.param("from decimal import localcontext", "`localcontext`;", id="localcontext"),
            pytest.param("setcontext(c)", "`setcontext`;", id="setcontext"),
            pytest.param("text = open(name)", "a call of `open()`;", id="open"),
            pytest.param("text = path.read_text()", "`.read_text`;", id="read-text"),
            pytest.param("print(balance)", "a call of `print()`;", id="print"),
            pytest.param("key = id(entry)", "a call of `id()`;", id="id"),
        ],
    )
    def test_it_names_the_line_and_the_remedy(self, source: str, expected: str) -> None:
        """Each impurity is reported where it stands, with what to do instead."""
        found = impurities(source, "bad.py")
        assert any(expected in one for one in found), found
        assert all(one.startswith("bad.py:") and one.split("; ")[1] for one in found)

    def test_it_lets_what_is_pure_pass(self) -> None:
        """Fields named `now`, integer literals and explicit zones are fine."""
        source = (
            "from datetime import datetime\n"
            "from decimal import Decimal\n"
            "def due(state, now: datetime, id: str) -> bool:\n"
            "    '''Never float, never datetime.now().'''\n"
            "    local = now.astimezone(state.zone)\n"
            "    return state.now < now and Decimal('0.5') * 2 == 1 and state.opened\n"
        )
        assert impurities(source, "good.py") == []
