"""Refusals: what a customer is told when something cannot be done.

*Owns* the sentence that an end user reads for each error, in each language.
*Does not own* the errors, whose own text is for programmers: it names ids, fields and keys.
"""

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

__all__ = ["explain_refusal"]

_SENTENCES: Final = (
    (StaleQuote, mark("what was shown no longer holds: look at the price again")),
    (IllegalTransition, mark("this cannot be done as things stand")),
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
        return words.say(
            "the balance does not cover it: {requested} needed, {shortfall} short. Top up.",
            requested=_amount(error.requested, error.unit, words),
            shortfall=_amount(error.shortfall, error.unit, words),
        )
    if isinstance(error, LimitExceeded):
        return words.say(
            "{used} {limit} are above the limit of {most}: remove {over} or choose a larger plan",
            used=words.number(error.used),
            limit=error.limit,
            most=words.number(error.most),
            over=words.number(error.used - error.most),
        )
    for kind, text in _SENTENCES:
        if isinstance(error, kind):
            return words.say(text)
    return words.say(_OTHERWISE)


def _amount(text: str, unit: str, words: Words) -> str:
    if is_currency(unit):
        return words.money(money(text, unit))
    return f"{words.number(int(text))} {unit}"
