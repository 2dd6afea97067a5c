"""Invoices: what was sold to whom, with its tax, as data that a host prints, sends or files.

*Owns* the invoice and the credit note as values: number, parties, lines, sums, and the rounding
that stands between them and the ledger.
*Does not own* what goes on which invoice and when (:mod:`monochat_billing.invoicing`), how one
looks (:mod:`monochat_billing.invoice_page`), or filing.

An invoice is a fact like an entry: it is never edited or deleted. What was wrong is corrected by a
credit note, which is an invoice of its own with a number of its own.
"""

import enum
import re
from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.entries import EntryKind
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.money import Money, amount_text, from_units, minor_digits, subtract, total
from monochat_billing.periods import BillingPeriod
from monochat_billing.profiles import ERASED, BillingProfile
from monochat_billing.tax import TaxLine, TaxRate, TaxTreatment

__all__ = [
    "Invoice",
    "InvoiceKind",
    "InvoiceLine",
    "InvoiceNumber",
    "TaxSum",
    "check_series",
]

_SERIES: Final = re.compile(r"[A-Z0-9]{3}", re.ASCII)
_ORDINAL_DIGITS: Final = 9
_YEARS: Final = range(2000, 10_000)


class InvoiceKind(enum.StrEnum):
    """Name what a document says: that something is owed, or that some of it is given back."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


def check_series(value: str, field: str = "series") -> str:
    """Give ``value`` if it can name a series of invoices.

    Raises:
        InvalidInput: it is not three capital letters or digits.

    >>> check_series("mcb")
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: series: 'mcb' is no series; use three capital letters ...
    """
    if not isinstance(value, str) or _SERIES.fullmatch(value) is None:
        raise InvalidInput(
            field, value, "is no series", "use three capital letters or digits, such as MCB"
        )
    return value


@final
@attrs.frozen(order=True)
class InvoiceNumber:
    """Number an invoice: a series, the year of issue, and an ordinal from 1 without gaps.

    Written it has sixteen characters, as e-Fatura and e-Arşiv want it (Turkish revenue
    administration, UBL-TR guide: three of the series, four of the year, nine of the ordinal).

    Raises:
        InvalidInput: one of the three cannot stand in such a number.

    >>> print(InvoiceNumber("MCB", 2026, 41))
    MCB2026000000041
    """

    series: str = attrs.field(converter=check_series)
    year: int
    ordinal: int

    def __attrs_post_init__(self) -> None:
        if self.year not in _YEARS:
            raise InvalidInput("year", self.year, "is no year", "pass four digits, such as 2026")
        if type(self.ordinal) is not int or not 0 < self.ordinal < 10**_ORDINAL_DIGITS:
            raise InvalidInput(
                "ordinal", self.ordinal, "is no ordinal", f"pass 1 to {'9' * _ORDINAL_DIGITS}"
            )

    @property
    def counter(self) -> str:
        """Name the counter that the ordinal was taken from: series and year."""
        return f"{self.series}{self.year}"

    def __str__(self) -> str:
        return f"{self.counter}{self.ordinal:0{_ORDINAL_DIGITS}d}"


@final
@attrs.frozen(kw_only=True)
class InvoiceLine:
    """Say one thing that was sold, in whole minor units, and what the ledger says of it exactly.

    ``kind`` and ``text`` are those of the ``count`` entries that it sums; ``count`` is 0 on a line
    that stands for no entry. ``ledger`` is what they took from money that was paid or is owed,
    ``promotional`` what promotions paid for, which is a discount and is not taxed; both have the
    balance's scale. ``tax`` splits what is invoiced. ``line`` is the line of the invoice that a
    credit note gives back.
    """

    number: int
    kind: EntryKind
    text: str
    count: int
    ledger: Money
    promotional: Money
    tax: TaxLine
    line: int | None = None

    @property
    def gross(self) -> Money:
        """Give what is invoiced, with its tax."""
        return self.tax.gross


@final
@attrs.frozen
class TaxSum:
    """Sum the lines of one rate and treatment."""

    rate: TaxRate
    treatment: TaxTreatment
    reason: str
    net: Money
    tax: Money


@final
@attrs.frozen(kw_only=True)
class Invoice:
    """State what one account owes or gets back, to whom, for what, with which tax.

    All amounts of a credit note are above zero, too: it says what is given back. ``id`` is unique
    (the ETTN of an e-Fatura); ``reference`` says what it is about, and no account has two about
    one thing. ``period`` is the half-open span whose charges it holds, ``first`` and ``last`` the
    entries it has looked through. ``rounding`` is what the invoice says above what the ledger
    says. ``exchange`` is what one unit of the currency is worth in ``home``, the seller's, where
    they differ.

    Raises:
        InvalidInput: it has no lines, or a line is of another currency.
    """

    id: str
    reference: str
    number: InvoiceNumber
    kind: InvoiceKind
    account: str
    currency: str
    home: str
    issued_at: datetime
    zone: str
    seller: BillingProfile
    buyer: BillingProfile
    lines: tuple[InvoiceLine, ...]
    rounding: Money
    period: BillingPeriod | None = None
    first: int = 0
    last: int = 0
    top_up: str = ""
    corrects: InvoiceNumber | None = None
    corrects_id: str = ""
    corrects_on: date | None = None
    reason: str = ""
    exchange: Fraction | None = None
    registered: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.lines:
            raise InvalidInput("lines", (), "say nothing", "issue no invoice about nothing")
        for line in self.lines:
            if line.gross.currency.code != self.currency:
                raise InvalidInput(
                    "lines", line.gross, f"is not in {self.currency}", "invoice it on its own"
                )

    @property
    def issued_on(self) -> date:
        """Give the seller's local day of issue."""
        return self.issued_at.astimezone(check_zone(self.zone)).date()

    @property
    def net(self) -> Money:
        """Give the sum before tax."""
        return self._sum(line.tax.net for line in self.lines)

    @property
    def tax(self) -> Money:
        """Give the sum of the tax."""
        return self._sum(line.tax.tax for line in self.lines)

    @property
    def gross(self) -> Money:
        """Give the sum with tax: net + tax = gross, on every line and in sum."""
        return self._sum(line.gross for line in self.lines)

    @property
    def ledger(self) -> Money:
        """Give what the ledger says, exactly, of what is invoiced: gross less rounding."""
        return subtract(self.gross, self.rounding)

    @property
    def promotional(self) -> Money:
        """Give what promotions paid for, exactly."""
        return self._sum(line.promotional for line in self.lines)

    @property
    def taxes(self) -> tuple[TaxSum, ...]:
        """Sum the lines by rate and treatment, in the order in which they first appear."""
        groups: dict[tuple[TaxRate, TaxTreatment, str], list[TaxLine]] = {}
        for line in self.lines:
            key = (line.tax.rate, line.tax.treatment, line.tax.reason)
            groups.setdefault(key, []).append(line.tax)
        return tuple(
            TaxSum(*key, self._sum(one.net for one in found), self._sum(one.tax for one in found))
            for key, found in groups.items()
        )

    def without_buyer(self) -> "Invoice":
        """Return the invoice with its buyer erased; what was sold, and its number, stay."""
        return attrs.evolve(self, buyer=ERASED)

    def _sum(self, amounts: Iterable[Money]) -> Money:
        return total(amounts, self.currency)

    @property
    def nothing(self) -> Money:
        """Give zero in the invoice's currency."""
        return from_units(0, self.currency, minor_digits(self.currency))

    def __str__(self) -> str:
        what = self.kind.value.replace("_", " ").lower()
        return (
            f"{self.number} {self.issued_on.isoformat()} {what} to {self.buyer.business_name}: "
            f"net {amount_text(self.net)}, {self.lines[0].tax.rate.name} {amount_text(self.tax)}, "
            f"gross {amount_text(self.gross)} {self.currency}"
        )
