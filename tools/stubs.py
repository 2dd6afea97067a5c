"""Write service/async_nouns.pyi: the verbs that tasks await, with every signature in full.

Each is the synchronous verb's own signature and documentation, read from its source, so that a type
checker and an editor's hover say of ``await billing.balances.debit(...)`` what they say without
``await``. Examples are left out: they show the synchronous call.
"""

import ast
import builtins
import importlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from monochat_billing.service import async_nouns
from monochat_billing.service.lifting import Noun

TARGET = Path(async_nouns.__file__).with_suffix(".pyi")
HEAD = '''"""What type checkers and editors read of ``async_nouns``.

Written by make stubs from the synchronous verbs; change those.
"""
'''


@cache
def parsed(module: ModuleType) -> ast.Module:
    """Read a module's source."""
    return ast.parse(inspect.getsource(module))


def definitions(verb: Callable[..., object]) -> tuple[ModuleType, list[ast.FunctionDef]]:
    """Find where a verb is defined: once, or as often as it has overloads, and its own body."""
    module = importlib.import_module(verb.__module__)
    owner = verb.__qualname__.partition(".")[0]
    (found,) = (one for one in parsed(module).body if getattr(one, "name", "") == owner)
    named = [one for one in ast.walk(found) if getattr(one, "name", "") == verb.__name__]
    return module, [one for one in named if isinstance(one, ast.FunctionDef)]


def told(verb: ast.FunctionDef) -> str:
    """Return a verb's documentation without its examples."""
    paragraphs = (ast.get_docstring(verb) or "").split("\n\n")
    return "\n\n".join(one for one in paragraphs if not one.lstrip().startswith(">>>"))


def homes(module: ModuleType) -> dict[str, str]:
    """Return which import makes each name of a module known, or would from outside."""
    found: dict[str, str] = {}
    for node in parsed(module).body:
        match node:
            case ast.ImportFrom(module=home, names=names):
                found |= {one.asname or one.name: f"from {home} import {one.name}" for one in names}
            case ast.ClassDef(name=name):
                found[name] = f"from {module.__name__} import {name}"
            case _:
                pass
    return found


def without_private_defaults(verb: ast.FunctionDef) -> None:
    """Let ``...`` stand for a default that is a private name of its module."""
    arguments = verb.args
    for values in (arguments.defaults, arguments.kw_defaults):
        for number, value in enumerate(values):
            if isinstance(value, ast.Name) and value.id.startswith("_"):
                values[number] = ast.Constant(...)


def names_in(verb: ast.FunctionDef) -> Iterator[str]:
    """Yield the names that a signature uses; a name in quotes is one too."""
    for part in (verb.args, verb.returns):
        for node in ast.walk(part) if part else ():
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Constant) and str(node.value).isidentifier():
                yield str(node.value)


def written(verb: Callable[..., object], imports: dict[str, str]) -> str:
    """Write one verb, and note what its signature needs to be imported, each name once."""
    module, found = definitions(verb)
    known = homes(module)
    *overloads, body = found
    text = ""
    for one in overloads or [body]:
        without_private_defaults(one)
        imports |= {name: known[name] for name in names_in(one) if name in known} | imports
        missing = {
            node.id
            for node in ast.walk(one.args)
            if isinstance(node, ast.Name)
            and node.id not in known
            and not hasattr(builtins, node.id)
        }
        if missing:
            raise SystemExit(f"{module.__name__}.{one.name}: {missing} would be unknown elsewhere")
        result = ast.unparse(one.returns) if one.returns else "None"
        text += "    @overload\n" if overloads else ""
        text += f"    async def {one.name}({ast.unparse(one.args)}) -> {result}:\n"
        text += textwrap.indent(f'"""{told(body)}', " " * 8)
        text += '\n        """\n' if "\n" in told(body) else '"""\n'
    if overloads:
        imports["overload"] = "from typing import overload"
    return text


def stub() -> str:
    """Write the whole stub, not formatted yet."""
    imports = {"final": "from typing import final", "Noun": f"from {Noun.__module__} import Noun"}
    classes = []
    for name in async_nouns.__all__:
        kind = getattr(async_nouns, name)
        final = "@final\n" if getattr(kind, "__final__", False) else ""
        verbs = [inspect.unwrap(one) for one in vars(kind).values() if inspect.isfunction(one)]
        body = "\n".join(written(verb, imports) for verb in verbs)
        noun = "    noun: str\n\n" if "noun" in vars(kind) else ""
        classes.append(f'{final}class {name}(Noun):\n    """{kind.__doc__}"""\n\n{noun}{body}')
    listed = f"__all__ = {async_nouns.__all__!r}\n"
    return "\n\n".join([HEAD, "\n".join(sorted(imports.values())), listed, *classes])


def main() -> None:
    """Write the stub as ruff would have it."""
    TARGET.write_text(stub(), encoding="utf-8")
    ruff = Path(sys.executable).with_name("ruff")
    subprocess.run([ruff, "check", "-q", "--fix", "--select=I", TARGET], check=True)  # noqa: S603
    subprocess.run([ruff, "format", "-q", TARGET], check=True)  # noqa: S603
    print(f"wrote {TARGET.name}")


if __name__ == "__main__":
    main()
