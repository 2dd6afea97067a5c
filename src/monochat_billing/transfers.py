"""Transfers: money from one balance of an account to another, at the caller's rate.

Owns the exchange: one rounding, both amounts and the rate on every entry, and lots that stay what
they were: paid money stays paid, a promotion stays one and keeps its end.
Does not own rates: there is no silent conversion. Between accounts money never moves.
"""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, final

import attrs

from monochat_billing.balance import credit
from monochat_billing.books import Balance, Books, Posted, require_not_closed, short_of, take
from monochat_billing.entries import Entry, EntryKind, Exchange, Memo, Terms
from monochat_billing.errors import InvalidInput
from monochat_billing.lots import burnable
from monochat_billing.money import Money, allocate, from_units, minor_digits
from monochat_billing.rounding import HALF_UP, Rounding, round_ratio
from monochat_billing.units import is_currency

__all__ = ["Rate", "Transferred", "check_rate", "transfer"]

Rate = str | int | Decimal | Fraction
"""What a caller may pass as a rate: exact, never a binary float."""


_LONGEST: Final = 40
_PLAIN: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)


@final
@attrs.frozen
class Transferred:
    """Return the books after a transfer: one entry out, and one in for each lot that gave."""

    books: Books
    out: Entry
    into: tuple[Entry, ...]
    more: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Give everything that was posted, by number."""
        return tuple(sorted((self.out, *self.into, *self.more), key=lambda one: one.number))


def check_rate(rate: Rate) -> Fraction:
    """Give a rate as an exact fraction above zero.

    Raises:
        InvalidInput: it is a binary float, no plain decimal number, or not above zero.

    >>> check_rate("41.25")
    Fraction(165, 4)
    """
    exact = _exact(rate)
    if exact is None:
        raise InvalidInput(
            "rate", rate, "is no exact rate", "pass text like '41.25', an int or a Fraction"
        )
    if exact <= 0:
        raise InvalidInput("rate", str(rate), "is not above zero", "pass a rate above zero")
    return exact


def _exact(rate: Any) -> Fraction | None:  # noqa: ANN401 - whatever the caller passed
    if type(rate) is int or isinstance(rate, Fraction):
        return Fraction(rate)
    if isinstance(rate, Decimal) and rate.is_finite() and abs(rate.adjusted()) <= _LONGEST:
        return Fraction(rate)
    if isinstance(rate, str) and len(rate) <= _LONGEST and _PLAIN.fullmatch(rate):
        return Fraction(rate)
    return None


def transfer(
    books: Books,
    amount: Money,
    to: str,
    rate: Rate,
    memo: Memo,
    *,
    rounding: Rounding = HALF_UP,
) -> Transferred:
    """Move ``amount`` to the balance in currency ``to``, where it is ``amount x rate``.

    What arrives is rounded once, to the target currency's minor unit unless ``rounding`` has a
    scale, and shared among the lots that gave it by largest remainder. Each of them becomes a lot
    there with the same origin, purpose, expiry, priority and source. Only what is in lots can be
    moved, never credit.

    Raises:
        InsufficientFunds: less is available in lots that pay for everything or for OTHER charges.
        InvalidInput: the amount is not above zero or too precise, both currencies are the same,
            one is none, the rate is not exact, or nothing would arrive.
        IllegalTransition: one of the balances is closed.
        UnknownName: the account has no such balance.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import open_balance
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 1, tzinfo=UTC)
    >>> books = open_balance(open_balance(Books("acme"), "USD"), "TRY")
    >>> books = credit(books, money("100", "USD"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> moved = transfer(books, money("10", "USD"), "TRY", "41.275", Memo(EntryKind.TRANSFER, t, t))
    >>> for entry in moved.entries: print(entry)
    #2 2026-10-01 00:00Z TRANSFER -10 USD → 90
    #3 2026-10-01 00:00Z TRANSFER +412.75 TRY → 412.75
    """
    source = books.of(amount)
    units = source.units(amount)
    target = books.balance(to)
    exact = check_rate(rate)
    if not is_currency(to) or not is_currency(source.unit) or to == source.unit:
        raise InvalidInput("to", to, "is not another currency", "name the balance to fill")
    require_not_closed(books, target, "take a transfer")
    memo = memo.of(EntryKind.TRANSFER)
    kind, at = memo.kind.pays_for, memo.effective_at
    arriving = _converted(units, source, target, exact, rounding)
    if not arriving:
        raise InvalidInput(
            "amount", source.text(units), f"is worth nothing in {to}", "move a larger amount"
        )
    if units > min(source.available(kind, at), burnable(source.lots, kind, at)):
        raise short_of(books.account, source, units, kind, at)
    exchange = Exchange(source.money(units), target.money(arriving), exact)
    out = take(books, source, units, memo, exchange=exchange)
    return _fill(out, arriving, memo, exchange)


def _converted(
    units: int, source: Balance, target: Balance, rate: Fraction, rounding: Rounding
) -> int:
    digits = min(rounding.digits(target.unit, minor_digits(target.unit)), target.scale)
    exact = Fraction(units, 10**source.scale) * rate * 10**digits
    rounded = round_ratio(exact.numerator, exact.denominator, rounding)
    return rounded * int(10 ** (target.scale - digits))


def _fill(out: Posted, arriving: int, memo: Memo, exchange: Exchange) -> Transferred:
    books = out.books
    target = books.balance(exchange.taken.currency.code)
    shares = out.shares
    into: list[Entry] = []
    more: list[Entry] = []
    for share, units in zip(shares, allocate(arriving, [one.units for one in shares]), strict=True):
        if not units:
            continue
        lot = share.lot
        terms = Terms(
            origin=lot.origin,
            pays_for=lot.pays_for,
            expires_at=lot.expires_at,
            priority=lot.priority,
        )
        named = attrs.evolve(memo, reference=lot.source or memo.reference)
        money = from_units(units, target.unit, target.scale)
        filled = credit(books, money, named, terms, exchange=exchange)
        books = filled.books
        into.append(filled.entry)
        more += filled.more
    return Transferred(books, out.entry, tuple(into), tuple(more))
