"""Entry words: how an entry reads on a page, in a language.

*Owns* the word for each kind of entry, and the sentences for reasons that the library itself wrote.
*Does not own* what people wrote as a reason, which stays as it is.

An entry keeps its reason as it was posted, in English, for ever. On a page a reason such as
``growth per MONTH`` reads as the product's name with its interval.
"""

import re
from collections.abc import Callable
from typing import Final

from monochat_billing.entries import Entry, EntryKind
from monochat_billing.errors import InvalidInput
from monochat_billing.intervals import BillingInterval
from monochat_billing.translations import mark, mark_in
from monochat_billing.wording import Words

__all__ = ["kind_words", "reason_words"]

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
_FEES: Final = frozenset({EntryKind.PLAN_FEE, EntryKind.SUPPORT_FEE, EntryKind.ADD_ON_FEE})
_FEE: Final = re.compile(r"(?:(?P<many>\d+) x )?(?P<product>.+) per (?P<interval>[A-Z0-9_ ]+)")
_INCLUDED: Final = re.compile(r"(?P<product>.+) includes")
_BOUGHT: Final = re.compile(r"(?:(?P<many>\d+) x )?(?P<product>.+)")
_UNUSED: Final = re.compile(r"unused time of (?P<product>.+)")
_FIXED: Final = {
    (EntryKind.BREAKAGE, "lot expired"): mark("was not used in time"),
    (EntryKind.GRANT, "bonus on a top-up"): mark("bonus on a top-up"),
    (EntryKind.COVERAGE, "covers what was owed"): mark("covers what was owed"),
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
    fixed = _FIXED.get((entry.kind, entry.reason))
    if fixed is not None:
        return words.say(fixed)
    if entry.kind in _FEES:
        return _fee(entry.reason, words, product)
    if entry.kind is EntryKind.PRORATION_CREDIT:
        found = _UNUSED.fullmatch(entry.reason)
        return entry.reason if found is None else product(found["product"])
    if entry.kind is EntryKind.GRANT:
        found = _INCLUDED.fullmatch(entry.reason)
        if found is not None:
            return words.say("included in {product}", product=product(found["product"]))
    if entry.kind is EntryKind.GRANT or entry.kind is EntryKind.PACK_FEE:
        return _bought(entry.reason, words, product)
    return entry.reason


def _bought(reason: str, words: Words, product: Callable[[str], str]) -> str:
    """Name a pack; what is no product's id is what a person wrote, and stays as it is."""
    found = _BOUGHT.fullmatch(reason)
    name = reason if found is None else product(found["product"])
    if found is None or name == found["product"]:
        return reason
    return name if found["many"] is None else f"{words.number(int(found['many']))} × {name}"


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
    return f"{name}, {interval}"
