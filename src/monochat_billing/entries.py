"""Entries: one signed, numbered, immutable line for every movement of a balance.

Owns what an entry says, and the kinds of entries.
Does not own what may be posted: :mod:`monochat_billing.balance` and the modules above it decide.

Inside, every amount is an integer in the balance's smallest unit (micro-units at the default
scale of six). Money and units appear at the edges only.
"""

import enum
from datetime import datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.lots import DEBT, DEFAULT_PRIORITY, ChargeKind, LotOrigin, Share
from monochat_billing.makers import maker_of
from monochat_billing.money import Money, from_units
from monochat_billing.texts import LONGEST_LINE, check_line
from monochat_billing.units import Amount, amount_in, plain_text, unit_of

__all__ = [
    "PAID",
    "REVERSIBLE",
    "DebitMode",
    "Entry",
    "EntryKind",
    "Exchange",
    "Memo",
    "Terms",
    "make_entry",
    "make_memo",
    "parts_of",
]


class EntryKind(enum.StrEnum):
    """Name what an entry stands for.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> fee = bench.billing.balances.debit
    >>> entry = fee(
    ...     "acme", money("5", "TRY"), reason="calls", key="k", kind=EntryKind.MESSAGE_FEE
    ... )
    >>> print(entry.kind)
    MESSAGE_FEE
    """

    TOP_UP = "TOP_UP"
    GRANT = "GRANT"
    PLAN_FEE = "PLAN_FEE"
    SUPPORT_FEE = "SUPPORT_FEE"
    ADD_ON_FEE = "ADD_ON_FEE"
    MESSAGE_FEE = "MESSAGE_FEE"
    USAGE_FEE = "USAGE_FEE"
    PACK_FEE = "PACK_FEE"
    CHARGE = "CHARGE"
    PRORATION_CREDIT = "PRORATION_CREDIT"
    BREAKAGE = "BREAKAGE"
    ADJUSTMENT = "ADJUSTMENT"
    TRANSFER = "TRANSFER"
    REVERSAL = "REVERSAL"
    VOID = "VOID"
    REFUND = "REFUND"
    CHARGEBACK = "CHARGEBACK"
    COVERAGE = "COVERAGE"

    @property
    def pays_for(self) -> ChargeKind:
        """Give the kind of charge that a debit of this kind is, as lots know it."""
        return _CHARGED_AS.get(self, _OTHER)


_OTHER: Final = ChargeKind.OTHER
_CHARGED_AS = {
    EntryKind.PLAN_FEE: ChargeKind.PLAN,
    EntryKind.SUPPORT_FEE: ChargeKind.SUPPORT,
    EntryKind.MESSAGE_FEE: ChargeKind.MESSAGE,
    EntryKind.USAGE_FEE: ChargeKind.USAGE,
    EntryKind.PACK_FEE: ChargeKind.PACK,
}

REVERSIBLE: Final = frozenset(
    {
        EntryKind.TOP_UP,
        EntryKind.GRANT,
        EntryKind.PLAN_FEE,
        EntryKind.SUPPORT_FEE,
        EntryKind.ADD_ON_FEE,
        EntryKind.MESSAGE_FEE,
        EntryKind.CHARGE,
        EntryKind.ADJUSTMENT,
        EntryKind.CHARGEBACK,
    }
)
"""What can be reversed: facts, not what follows from them. A transfer is undone by another one."""


class DebitMode(enum.StrEnum):
    """Name what a debit does when less is available than it asks for.

    WHOLE refuses, PARTIAL takes as much as there is, FORCED takes everything and lets the balance
    go below zero: for what has happened already, such as a message that was delivered.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> debit = bench.billing.balances.debit
    >>> most = debit("acme", money("9000", "TRY"), reason="all", key="k", mode=DebitMode.PARTIAL)
    >>> most.value
    Money('-5000', 'TRY')
    """

    WHOLE = "WHOLE"
    PARTIAL = "PARTIAL"
    FORCED = "FORCED"


@final
@attrs.frozen
class Exchange:
    """Say what was exchanged for what: both amounts, and the caller's rate.

    One major unit of ``given`` buys ``rate`` major units of ``taken``; ``taken`` is rounded once.
    """

    given: Money
    taken: Money
    rate: Fraction

    def __str__(self) -> str:
        given, taken = (f"{plain_text(one)} {unit_of(one)}" for one in (self.given, self.taken))
        return f"{given} → {taken} at {self.rate}"


@final
@attrs.frozen
class Entry:
    """Record one movement on one balance, for ever.

    ``number`` counts from 1 over the whole account without gaps. ``amount`` (signed) and
    ``balance_after`` are integers in the balance's smallest unit; :attr:`value` and
    :attr:`balance_value` give them as money, or as units where the balance is no currency.
    ``parts`` names the lots that were filled (positive) or paid (negative) and sums to
    ``amount``; the number :data:`~monochat_billing.lots.DEBT` in it is no lot: what was taken on
    credit, or paid off. ``effective_at`` is when the fact holds, ``recorded_at`` when it was
    written; both are aware UTC. ``corrects`` is the number of the entry that this one answers,
    for example the charge that a proration credit gives back. ``hold`` is the hold that it
    captures; ``exchange`` stands on both sides of a transfer.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> debit = bench.billing.balances.debit
    >>> print(debit("acme", money("12.50", "TRY"), reason="export", key="k"))
    #2 2026-10-05 06:00Z CHARGE -12.5 TRY → 4987.5 export
    """

    account: str
    number: int
    unit: str
    scale: int
    amount: int
    balance_after: int
    kind: EntryKind
    reason: str
    reference: str
    actor: str
    effective_at: datetime
    recorded_at: datetime
    parts: tuple[tuple[int, int], ...]
    corrects: int | None = None
    hold: str = ""
    exchange: Exchange | None = None

    @property
    def money(self) -> Money:
        """Give the signed amount as money.

        Raises:
            InvalidInput: the balance is no currency.
        """
        return from_units(self.amount, self.unit, self.scale)

    @property
    def balance_money(self) -> Money:
        """Give the balance after this entry as money.

        Raises:
            InvalidInput: the balance is no currency.
        """
        return from_units(self.balance_after, self.unit, self.scale)

    @property
    def value(self) -> Amount:
        """Give the signed amount as money or as units."""
        return amount_in(self.unit, self.scale, self.amount)

    @property
    def balance_value(self) -> Amount:
        """Give the balance after this entry as money or as units."""
        return amount_in(self.unit, self.scale, self.balance_after)

    @property
    def on_credit(self) -> int:
        """Give how much of a debit no lot has paid, in the smallest unit."""
        return -sum(units for lot, units in self.parts if lot == DEBT and units < 0)

    def __str__(self) -> str:
        sign = "+" if self.amount > 0 else ""
        return (
            f"#{self.number} {self.effective_at:%Y-%m-%d %H:%MZ} {self.kind.value} "
            f"{sign}{plain_text(self.value)} {self.unit} → {plain_text(self.balance_value)}"
            f"{' ' + self.reason if self.reason else ''}"
        )


make_entry: Final = maker_of(Entry)
"""Build an entry, quickly."""


def parts_of(shares: tuple[Share, ...], sign: int) -> tuple[tuple[int, int], ...]:
    """Write shares as an entry's parts: ``sign`` is 1 for what lots got, -1 for what they paid."""
    if len(shares) == 1:  # mostly one lot pays
        return ((shares[0].lot.number, sign * shares[0].units),)
    return tuple([(share.lot.number, sign * share.units) for share in shares])


@final
@attrs.frozen
class Memo:
    """Say what an entry stands for; the same memo may serve many entries.

    Raises:
        InvalidInput: reason, reference or actor is no text of at most 500 printable characters.

    >>> from datetime import UTC, datetime
    >>> now = datetime(2026, 10, 5, tzinfo=UTC)
    >>> Memo(EntryKind.CHARGE, now, now, chr(0))
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: reason: ... is no line of text; pass at most 500 ...
    """

    kind: EntryKind
    effective_at: datetime
    recorded_at: datetime
    reason: str = ""
    reference: str = ""
    actor: str = ""

    def __attrs_post_init__(self) -> None:
        try:
            words = self.reason + self.reference + self.actor
            fine = len(words) <= LONGEST_LINE and words.isprintable()
        except (TypeError, AttributeError):
            fine = False
        if not fine:  # rarely, so the three are looked at one by one only here
            check_line(self.reason, "reason")
            check_line(self.reference, "reference")
            check_line(self.actor, "actor")

    def of(self, kind: EntryKind, reason: str | None = None) -> "Memo":
        """Return the memo for an entry of another kind, with another reason if one is given."""
        if kind is self.kind and reason is None:
            return self
        return attrs.evolve(self, kind=kind, reason=self.reason if reason is None else reason)


make_memo: Final = maker_of(Memo)
"""Build a memo, quickly."""


def _effective(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, field="effective_at")


def _expiry(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, field="expires_at")


@final
@attrs.frozen(kw_only=True)
class Terms:
    """Say what a credit's lot may pay for, from when until when, and how early it burns.

    ``pays_for`` is empty for everything; ``effective_at`` is aware, None for at once;
    ``expires_at`` is aware and exclusive, None for never; a lower ``priority`` burns first.

    Raises:
        InvalidInput: an instant is naive.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from datetime import UTC, datetime
    >>> from monochat_billing.lots import LotOrigin
    >>> terms = Terms(origin=LotOrigin.PROMOTIONAL, expires_at=datetime(2026, 12, 31, tzinfo=UTC))
    >>> gift = bench.billing.balances.credit(
    ...     "acme", money("50", "TRY"), reason="spring", key="gift", terms=terms
    ... )
    >>> gift.value
    Money('50', 'TRY')
    """

    origin: LotOrigin = LotOrigin.PAID
    pays_for: frozenset[ChargeKind] = frozenset()
    expires_at: datetime | None = attrs.field(default=None, converter=_expiry)
    priority: int = DEFAULT_PRIORITY
    effective_at: datetime | None = attrs.field(default=None, converter=_effective)

    def begin(self, at: datetime) -> datetime:
        """Give the instant from which a lot granted at ``at`` can be burned.

        Raises:
            InvalidInput: the lot would have expired by then.
        """
        begin = max(self.effective_at or at, at)
        if self.expires_at is not None and self.expires_at <= begin:
            raise InvalidInput(
                "expires_at",
                self.expires_at.isoformat(),
                "is not after the instant from which the lot counts",
                "pass a later instant, or None for a lot that never expires",
            )
        return begin


PAID: Final = Terms()
"""The terms of money that was paid: it pays for everything and never expires."""
