"""Entry words: how an entry reads on a page, in a language.

*Owns* the word for each kind of entry, and the sentences for reasons that the library itself wrote.
*Does not own* what people wrote as a reason, which stays as it is.

An entry keeps its reason as it was posted, in English, for ever. On a page a reason such as
``growth per MONTH`` reads as the product's name with its interval.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from monochat_billing.catalog_versions import AnyCatalog, known_product
from monochat_billing.entries import Entry, EntryKind
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.intervals import BillingInterval
from monochat_billing.message_words import message_words
from monochat_billing.translations import mark, mark_in
from monochat_billing.wording import Words

__all__ = ["kind_words", "product_words", "reason_words", "text_words"]

_CONTEXT: Final = "entry"
_KINDS: Final = {
    EntryKind.TOP_UP: mark_in("entry", "top-up"),
    EntryKind.GRANT: mark_in("entry", "credit"),
    EntryKind.PLAN_FEE: mark_in("entry", "plan"),
    EntryKind.SUPPORT_FEE: mark_in("entry", "support package"),
    EntryKind.ADD_ON_FEE: mark_in("entry", "add-on"),
    EntryKind.MESSAGE_FEE: mark_in("entry", "message"),
    EntryKind.USAGE_FEE: mark_in("entry", "usage"),
    EntryKind.PACK_FEE: mark_in("entry", "extra package"),
    EntryKind.CHARGE: mark_in("entry", "charge"),
    EntryKind.PRORATION_CREDIT: mark_in("entry", "unused time"),
    EntryKind.BREAKAGE: mark_in("entry", "expired credit"),
    EntryKind.ADJUSTMENT: mark_in("entry", "adjustment"),
    EntryKind.TRANSFER: mark_in("entry", "exchange"),
    EntryKind.REVERSAL: mark_in("entry", "reversal"),
    EntryKind.VOID: mark_in("entry", "voided credit"),
    EntryKind.REFUND: mark_in("entry", "refund"),
    EntryKind.CHARGEBACK: mark_in("entry", "chargeback"),
    EntryKind.COVERAGE: mark_in("entry", "debt covered"),
}
_FEE: Final = re.compile(
    r"(?:(?P<many>\d+) x )?(?P<product>.+) per (?P<interval>[A-Z0-9_ ]+)"
    r"(?:, (?P<units>\d+) of (?P<total>\d+) days)?"
)
_INCLUDED: Final = re.compile(r"(?P<product>.+) includes")
_PAID_IN: Final = re.compile(r"top-up by (?P<gateway>.+)")
_BOUGHT: Final = re.compile(r"(?:(?P<many>\d+) x )?(?P<product>.+)")
_UNUSED: Final = re.compile(r"(?P<why>unused time|withdrawal|end) of (?P<product>.+)")
_PACK_LEFT: Final = re.compile(r"(?P<left>\d+) of (?P<whole>\d+) unused: (?P<pack>.+)")
_CHANGED: Final = re.compile(r"(?P<product>.+) has changed")
_CORRECTED: Final = re.compile(r"(?P<meter>.+) corrected")
_FIXED: Final = {
    (EntryKind.BREAKAGE, "lot expired"): mark("was not used in time"),
    (EntryKind.GRANT, "bonus on a top-up"): mark("bonus on a top-up"),
    (EntryKind.COVERAGE, "covers what was owed"): mark("covers what was owed"),
    (EntryKind.REVERSAL, "dispute won"): mark("dispute won"),
}


def kind_words(kind: EntryKind, words: Words) -> str:
    """Name a kind of entry.

    >>> kind_words(EntryKind.TOP_UP, Words("tr"))
    'bakiye yükleme'
    """
    return words.say_in(_CONTEXT, _KINDS[kind])


def reason_words(entry: Entry, words: Words, product: Callable[[str], str]) -> str:
    """Write an entry's reason; ``product`` gives a product's name for its id.

    What the library wrote is said in the language, what a person wrote is left alone.

    >>> from datetime import UTC, datetime
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> fee = Entry(
    ...     "acme", 3, "TRY", 6, -1499000000, 0, EntryKind.PLAN_FEE, "growth per MONTH", "s-1", "",
    ...     t, t, (),
    ... )
    >>> reason_words(fee, Words("tr"), str.title)
    'Growth, aylık'
    """
    return text_words(entry.kind, entry.reason, words, product)


def text_words(kind: EntryKind, text: str, words: Words, product: Callable[[str], str]) -> str:
    """Write the reason of entries of a kind, as :func:`reason_words` does for one of them.

    >>> text_words(EntryKind.MESSAGE_FEE, "service, Italy", Words("tr"), str.title)
    'hizmet, İtalya'
    """
    fixed = _FIXED.get((kind, text))
    if fixed is not None:
        return words.say(fixed)
    read = _READERS.get(kind)
    return text if read is None else read(text, words, product)


def _message(text: str, words: Words, _: Callable[[str], str]) -> str:
    return message_words(text, words)


def _unused(text: str, words: Words, product: Callable[[str], str]) -> str:
    found = _UNUSED.fullmatch(text)
    if found is None:
        return text
    name = product(found["product"])
    withdrawn = found["why"] == "withdrawal"
    return words.say("withdrawal from {product}", product=name) if withdrawn else name


def _used(text: str, words: Words, _: Callable[[str], str]) -> str:
    found = _CORRECTED.fullmatch(text)
    return text if found is None else words.say("{meter} corrected", meter=found["meter"])


def _granted(text: str, words: Words, product: Callable[[str], str]) -> str:
    found = _INCLUDED.fullmatch(text)
    if found is None:
        return _bought(text, words, product)
    return words.say("included in {product}", product=product(found["product"]))


def _paid_in(text: str, _words: Words, _: Callable[[str], str]) -> str:
    found = _PAID_IN.fullmatch(text)
    return text if found is None else found["gateway"]


def _bought(text: str, words: Words, product: Callable[[str], str]) -> str:
    """Name a pack; what is no product's id is what a person wrote, and stays as it is."""
    found = _BOUGHT.fullmatch(text)
    name = text if found is None else product(found["product"])
    if found is None or name == found["product"]:
        return text
    return name if found["many"] is None else f"{words.number(int(found['many']))} × {name}"


def _voided(text: str, words: Words, product: Callable[[str], str]) -> str:
    changed = _CHANGED.fullmatch(text)
    if changed is not None:
        return words.say("{product} has changed", product=product(changed["product"]))
    found = _PACK_LEFT.fullmatch(text)
    if found is None:
        return text
    return words.say(
        "{left} of {whole} unused: {pack}",
        left=words.number(int(found["left"])),
        whole=words.number(int(found["whole"])),
        pack=product(found["pack"]),
    )


def _fee(reason: str, words: Words, product: Callable[[str], str]) -> str:
    found = _FEE.fullmatch(reason)
    if found is None:
        return reason
    try:
        interval = words.interval(BillingInterval.parse(found["interval"]))
    except InvalidInput:
        return reason
    name = product(found["product"])
    if found["many"] is not None:
        name = f"{words.number(int(found['many']))} × {name}"
    text = f"{name}, {interval}"
    if found["units"] is None:
        return text
    return words.say(
        "{text}, {units} of {total} days", text=text, units=found["units"], total=found["total"]
    )


_READERS: Final = {
    EntryKind.TOP_UP: _paid_in,
    EntryKind.GRANT: _granted,
    EntryKind.PLAN_FEE: _fee,
    EntryKind.SUPPORT_FEE: _fee,
    EntryKind.ADD_ON_FEE: _fee,
    EntryKind.MESSAGE_FEE: _message,
    EntryKind.USAGE_FEE: _used,
    EntryKind.PACK_FEE: _bought,
    EntryKind.PRORATION_CREDIT: _unused,
    EntryKind.VOID: _voided,
}
"""How the text that the library writes for a kind of entry is read."""


def product_words(catalog: AnyCatalog | None, at: datetime, words: Words) -> Callable[[str], str]:
    """Return what gives a product's name for its id, as the catalog in force at ``at`` has it.

    What is no longer sold has its last name; what was never sold keeps its id, and so does
    everything without a catalog.

    >>> from datetime import UTC
    >>> from monochat_billing.catalog_samples import sample_catalog
    >>> name = product_words(sample_catalog(), datetime(2026, 10, 5, tzinfo=UTC), Words("tr"))
    >>> name("priority"), name("whatsapp")
    ('Öncelikli', 'whatsapp')
    """

    def named(product: str) -> str:
        if catalog is None:
            return product
        once = [one for one in catalog.at(at).one_offs if one.id == product]
        if once:
            return once[0].name(words.locale)
        try:
            return known_product(catalog, product, at).name(words.locale)
        except (InvalidInput, UnknownName):
            return product

    return named
