"""Refusals: what a customer is told when something cannot be done.

*Owns* the sentence that an end user reads for each error, in each language.
*Does not own* the errors, whose own text is for programmers: it names ids, fields and keys.
"""

import re
from typing import Final

from monochat_billing.errors import (
    BillingError,
    IdempotencyConflict,
    IllegalTransition,
    InfrastructureError,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    StaleQuote,
)
from monochat_billing.money import money
from monochat_billing.translations import mark
from monochat_billing.units import is_currency
from monochat_billing.wording import Words

__all__ = ["explain_outcome", "explain_refusal"]

_AS_THINGS_STAND: Final = mark("this cannot be done as things stand")
_SENTENCES: Final = (
    (StaleQuote, mark("what was shown no longer holds: look at the price again")),
    (IllegalTransition, _AS_THINGS_STAND),
    (IdempotencyConflict, mark("this was sent before with other content: start again")),
    (InvalidInput, mark("something that was entered is not right: check it and send it again")),
    (InfrastructureError, mark("it is not known yet whether this was done: try again")),
)
_OTHERWISE: Final = mark("this cannot be done now")


def explain_refusal(error: BillingError, locale: str = "en") -> str:
    """Say in one sentence, for a customer, why something was not done and what to do next.

    It names amounts and limits, never ids, keys or fields. What is not known by name gets a
    sentence that is true of all of its kind.

    Raises:
        InvalidInput: there are no sentences in that language.

    >>> refused = InsufficientFunds("acme", "TRY", "30000", "8250.50", "21749.50")
    >>> print(explain_refusal(refused))
    the balance does not cover it: 30,000.00 TRY needed, 21,749.50 TRY short. Top up.
    >>> print(explain_refusal(refused, "tr"))
    bakiye yetmiyor: 30.000,00 TRY gerekli, 21.749,50 TRY eksik. Bakiye yükleyin.
    """
    words = Words(locale)
    if isinstance(error, InsufficientFunds):
        return _short(error.requested, error.shortfall, error.unit, words)
    if isinstance(error, LimitExceeded):
        return words.say(
            "{used} {limit} are above the limit of {most}: remove {over} or choose a larger plan",
            used=words.number(error.used),
            limit=words.term(error.limit),
            most=words.number(error.most),
            over=words.number(error.used - error.most),
        )
    for kind, text in _SENTENCES:
        if isinstance(error, kind):
            return words.say(text)
    return words.say(_OTHERWISE)


_SHORT: Final = re.compile(
    r".+: (?P<asked>[\d.]+) (?P<unit>\S+) asked, -?[\d.]+ available, (?P<short>[\d.]+) short; .*"
)
_STANDS: Final = re.compile(r".+ is \S+ and cannot .+; look at its current state first")
_DEARER: Final = re.compile(
    r".+ is dearer than the (?P<shown>[\d.]+) (?P<unit>[A-Z]{3}) that was shown"
)
_OUTCOMES: Final = frozenset(
    (mark("nothing to change"), mark("revoked"), mark("cancel"), mark("pause"), mark("resume"))
)


def explain_outcome(outcome: str, locale: str = "en") -> str:
    """Say for a customer what became of a scheduled change: by which rule, or why it failed.

    ``outcome`` is what the change keeps of it, as it was written when it happened. What is not
    known stays as it is: a rule of the host's has a name of the host's.

    Raises:
        InvalidInput: there are no sentences in that language.

    >>> explain_outcome("downgrade at period end", "tr")
    'dönem sonunda düşürme'
    >>> short = InsufficientFunds("acme", "TRY", "30000", "8250.50", "21749.50")
    >>> print(explain_outcome(str(short), "tr"))
    bakiye yetmiyor: 30.000,00 TRY gerekli, 21.749,50 TRY eksik. Bakiye yükleyin.
    """
    words = Words(locale)
    if found := _SHORT.fullmatch(outcome):
        return _short(found["asked"], found["short"], found["unit"], words)
    if found := _DEARER.fullmatch(outcome):
        shown = _amount(found["shown"], found["unit"], words)
        return words.say("the price is above the {shown} that was shown", shown=shown)
    if _STANDS.fullmatch(outcome):
        return words.say(_AS_THINGS_STAND)
    return words.say(outcome) if outcome in _OUTCOMES else words.rule(outcome)


def _short(asked: str, short: str, unit: str, words: Words) -> str:
    return words.say(
        "the balance does not cover it: {requested} needed, {shortfall} short. Top up.",
        requested=_amount(asked, unit, words),
        shortfall=_amount(short, unit, words),
    )


def _amount(text: str, unit: str, words: Words) -> str:
    if is_currency(unit):
        return words.money(money(text, unit))
    return f"{words.number(int(text))} {words.term(unit)}"
