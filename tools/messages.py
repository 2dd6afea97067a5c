"""Collect the marked sentences of src/, merge them into the catalogs, and compile those.

A new sentence stands in the catalog with an empty translation: fill it in and run this again. What
nobody says any more leaves the catalog. Nothing is guessed from sentences that look alike.
"""

import ast
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "monochat_billing"
DOMAIN = "monochat_billing"
SAYS = ("monochat_billing.translations", "monochat_billing.wording")
PLAIN, CONTEXT, PLURAL = "plain", "context", "plural"
KEYWORDS = {
    "mark": PLAIN,
    "mark_in": CONTEXT,
    "mark_plural": PLURAL,
    "say": PLAIN,
    "say_in": CONTEXT,
    "say_plural": PLURAL,
    "translate": PLAIN,
    "translate_in": CONTEXT,
    "translate_plural": PLURAL,
}
# A compiled catalog says when it was made; the same sentences have to make the same file.
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = """\
# Sentences of monochat-billing, from English. Written by make messages; only msgstr is yours.
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural}\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""


def speakers() -> list[Path]:
    """List the modules that say something: those that import what says it."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if modules.intersection(SAYS):
            found.append(path)
    return found


def collected() -> Catalog:
    """Collect every marked sentence, with the modules that say it."""
    template = Catalog(charset="utf-8")
    for path in speakers():
        content = BytesIO(path.read_bytes())
        wanted: Any = list(KEYWORDS)
        found: Any = extract_python(content, wanted, (), {})
        for line, name, said, _ in found:
            texts = said if isinstance(said, tuple) else (said,)
            form = KEYWORDS[str(name)]
            first, second = (*texts, None)[:2]
            where = path.relative_to(SOURCE).as_posix()
            # A name in place of a sentence is one that was marked elsewhere.
            if not isinstance(first, str) or not first:
                continue
            if form is PLAIN:
                template.add(first, locations=[(where, 1)])
                check(first, f"{where}:{line}")
            elif isinstance(second, str) and second:
                check(second, f"{where}:{line}")
                if form is PLURAL:
                    template.add((first, second), locations=[(where, 1)])
                else:
                    template.add(second, context=first, locations=[(where, 1)])
    return template


def check(text: str, place: str) -> None:
    """Stop at a sentence that is written in another way than the others."""
    if "%(" in text or text != text.strip():
        sys.exit(f"{place}: {text!r}: write places as {{name}}, without outer blanks")


def merged(old: Catalog, template: Catalog, language: str) -> Catalog:
    """Give the template with the translations that the old catalog has for it."""
    new = Catalog(locale=language, charset="utf-8", creation_date=SOME_DAY, revision_date=SOME_DAY)
    for message in template:
        if not message.id:
            continue
        known = old.get(message.id, context=message.context)
        new.add(
            message.id,
            known.string if known is not None else None,
            locations=sorted(set(message.locations)),
            user_comments=known.user_comments if known is not None else (),
            context=message.context,
        )
    return new


def catalogs() -> dict[str, Path]:
    """Give the catalog's file for each language."""
    return {
        path.parts[-3]: path for path in sorted(SOURCE.glob(f"locales/*/LC_MESSAGES/{DOMAIN}.po"))
    }


def read(path: Path, language: str) -> Catalog:
    """Read a catalog."""
    with path.open("rb") as file:
        return read_po(file, locale=language, charset="utf-8")


def po_of(catalog: Catalog, language: str) -> bytes:
    """Give the text of a catalog: the same for the same sentences, whenever it is written."""
    body = BytesIO()
    write_po(body, catalog, omit_header=True, sort_output=True, include_lineno=False, width=98)
    head = HEADER.format(language=language, plural=catalog.plural_forms)
    return head.encode() + body.getvalue().strip() + b"\n"


def main() -> None:
    """Update and compile every catalog; fail while a sentence has no translation."""
    template = collected()
    missing = 0
    for language, path in catalogs().items():
        catalog = merged(read(path, language), template, language)
        path.write_bytes(po_of(catalog, language))
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalog)
        empty = [one.id for one in catalog if one.id and not all(_strings(one.string))]
        missing += len(empty)
        print(f"{language}: {len(catalog)} sentences, {len(empty)} without a translation")
        for text in empty:
            print(f"  {text!r}")
    sys.exit(1 if missing else 0)


def _strings(string: object) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (str(string or ""),)


if __name__ == "__main__":
    main()
