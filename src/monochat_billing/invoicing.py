"""Invoicing: which money goes on which invoice, at which tax, and what a credit note gives back.

*Owns* the tax point as a policy, the lines of an invoice, and the rounding of the ledger's exact
amounts to what an invoice may say.
*Does not own* the ledger, which never changes for an invoice, nor numbers, which the storage hands
out without gaps (:mod:`monochat_billing.invoice_commands`).

Tax is owed once, and a policy says when:

* *ON_TOP_UP*: when money is added. Each top-up is invoiced as it was ordered, its refunds are
  credited, and what is paid from the balance later is not invoiced again.
* *ON_CHARGE*: when something is sold. The charges of a month are invoiced together, less what was
  given back of them. A promotion that paid is a discount and is not taxed; what a promotion pays
  later of a debt is taken off then.

Amounts in a balance contain their tax. A give-back, whether a proration credit, a reversal or a
covered debt, is taxed at the rate of the day of what it gives back.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Final, final

import attrs

from monochat_billing.entries import Entry, EntryKind
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.invoice_credits import credit_lines, given_back
from monochat_billing.invoices import (
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceNumber,
    check_series,
)
from monochat_billing.lots import DEBT, LotOrigin
from monochat_billing.money import (
    Money,
    amount_text,
    check_currency,
    from_units,
    minor_digits,
    subtract,
    to_units,
    total,
)
from monochat_billing.periods import BillingPeriod
from monochat_billing.profiles import BillingProfile
from monochat_billing.rounding import HALF_UP, round_ratio
from monochat_billing.tax import Pricing, Tax, TaxLine, tax_pieces
from monochat_billing.tax_regimes import TURKEY, TaxRegime
from monochat_billing.texts import member_of

__all__ = [
    "INVOICED",
    "LONGEST_INVOICE",
    "InvoicePolicy",
    "Parties",
    "TaxPoint",
    "credit_note",
    "invoice_charges",
    "invoice_prepayment",
]

LONGEST_INVOICE: Final = 500
"""How many lines an invoice may have; what would come after is summed kind by kind."""

INVOICED: Final[Mapping[EntryKind, str]] = {
    EntryKind.PLAN_FEE: "standard",
    EntryKind.SUPPORT_FEE: "standard",
    EntryKind.ADD_ON_FEE: "standard",
    EntryKind.MESSAGE_FEE: "standard",
    EntryKind.USAGE_FEE: "standard",
    EntryKind.PACK_FEE: "standard",
    EntryKind.CHARGE: "standard",
}
"""The kinds of entries that are sales, each with the band of the tax table that it is taxed in."""

_FOLDED: Final = frozenset({EntryKind.REVERSAL, EntryKind.COVERAGE})
"""The kinds that change what another entry says rather than say something of their own."""


class TaxPoint(enum.StrEnum):
    """Name what makes tax fall due."""

    ON_TOP_UP = "ON_TOP_UP"
    ON_CHARGE = "ON_CHARGE"


def _tax_point(value: TaxPoint | str) -> TaxPoint:
    return member_of(TaxPoint, value, "tax_point")


@final
@attrs.frozen(kw_only=True)
class InvoicePolicy:
    """Say who invoices, when tax falls due, at which rates, and in which series.

    ``zone`` is the seller's, in which a day of issue and a month begin; ``home`` the currency in
    which the seller accounts for tax. ``bands`` names the kinds of entries that are sales, with
    the band of the regime's table. ``series`` and ``credit_series`` may be the same.

    Raises:
        InvalidInput: a series, the zone, the home currency or a band does not exist.

    >>> from monochat_billing.profiles import Address, TaxId, TaxIdKind
    >>> seller = BillingProfile(
    ...     business_name="MonoChat A.Ş.",
    ...     address=Address(line="Büyükdere Cad. 1", city="İstanbul", post_code="34394"),
    ...     tax_id=TaxId(kind=TaxIdKind.VKN, number="4540536920", tax_office="Zincirlikuyu"),
    ... )
    >>> InvoicePolicy(seller=seller, tax_point="ON_CHARGE").series
    'MCB'
    """

    seller: BillingProfile
    tax_point: TaxPoint = attrs.field(converter=_tax_point)
    regime: TaxRegime = TURKEY
    zone: str = "Europe/Istanbul"
    home: str = "TRY"
    series: str = "MCB"
    credit_series: str = "MCI"
    bands: Mapping[EntryKind, str] = attrs.field(factory=lambda: dict(INVOICED))
    prepayment_band: str = "standard"

    def __attrs_post_init__(self) -> None:
        check_series(self.series)
        check_series(self.credit_series, "credit_series")
        check_zone(self.zone)
        check_currency(self.home, field="home")
        for band in (*self.bands.values(), self.prepayment_band):
            if band not in self.regime.bands:
                known = ", ".join(self.regime.bands)
                raise InvalidInput(
                    "bands", band, f"is not in {self.regime.table.name}", f"use one of {known}"
                )

    def counter(self, kind: InvoiceKind, at: datetime) -> str:
        """Name the counter of a document issued at ``at``: its series and the local year."""
        series = self.series if kind is InvoiceKind.INVOICE else self.credit_series
        return f"{series}{self.local_day(at).year}"

    def number(self, kind: InvoiceKind, at: datetime, last: int) -> InvoiceNumber:
        """Give the number that follows ``last``, the ordinal that was given out last."""
        series = self.series if kind is InvoiceKind.INVOICE else self.credit_series
        return InvoiceNumber(series, self.local_day(at).year, last + 1)

    def local_day(self, at: datetime) -> date:
        """Give the seller's local day of an instant."""
        return at.astimezone(check_zone(self.zone)).date()

    def tax(self, band: str, country: str, at: datetime) -> Tax:
        """Say how an amount that contains its tax is taxed at an instant."""
        return self.regime.tax(Pricing.INCLUSIVE, band, country, self.local_day(at))


@final
@attrs.frozen(kw_only=True)
class Parties:
    """Name what every document needs: who buys, when it is issued, and under which id.

    ``last`` is the ordinal given out last in the document's series. ``registered`` says that the
    buyer takes e-Fatura; others get an e-Arşiv invoice. ``exchange`` is the worth of one unit of
    the invoice's currency in the seller's home currency.
    """

    id: str
    account: str
    buyer: BillingProfile
    issued_at: datetime
    last: int
    registered: bool = False
    exchange: Fraction | None = None


def invoice_prepayment(
    policy: InvoicePolicy,
    parties: Parties,
    amount: Money,
    *,
    top_up: str,
    credited_at: datetime,
    entry: int,
) -> Invoice:
    """Invoice a top-up as it was ordered; an instalment surcharge is between buyer and provider.

    Raises:
        IllegalTransition: the policy's tax point is not the top-up.
        InvalidInput: the currency needs an exchange rate.
    """
    _require(policy, TaxPoint.ON_TOP_UP, top_up, "be invoiced when it is paid")
    currency = amount.currency.code
    tax = policy.tax(policy.prepayment_band, parties.buyer.address.country, credited_at)
    line = InvoiceLine(
        number=1,
        kind=EntryKind.TOP_UP,
        text="",
        count=1,
        ledger=amount,
        promotional=from_units(0, currency),
        tax=tax.on(amount),
    )
    return _document(
        policy,
        parties,
        InvoiceKind.INVOICE,
        (line,),
        reference=f"top-up {top_up}",
        top_up=top_up,
        first=entry,
        last=entry,
    )


def invoice_charges(
    policy: InvoicePolicy,
    parties: Parties,
    entries: Iterable[Entry],
    *,
    currency: str,
    scale: int,
    period: BillingPeriod,
    roots: Mapping[int, Entry],
    origins: Mapping[int, LotOrigin],
) -> Invoice | None:
    """Invoice what ``entries`` sold, in their order; None when that comes to nothing.

    They are those of one currency that no invoice has looked through yet. ``roots`` gives the
    entries that some of them correct, ``origins`` where the lots that paid came from. More given
    back than sold makes a credit note. What comes to nothing waits for the next time.

    Raises:
        IllegalTransition: the policy's tax point is not the charge.
        InvalidInput: the currency needs an exchange rate, or a root is missing.
    """
    _require(policy, TaxPoint.ON_CHARGE, parties.account, "be invoiced by its charges")
    sums = _Sums(policy, parties.buyer.address.country, roots, origins)
    first = last = 0
    for entry in entries:
        first, last = first or entry.number, entry.number
        sums.take(entry)
    digits = minor_digits(currency)
    step = 10 ** (scale - digits)
    groups = sums.groups()
    whole = round_ratio(sum(one.paid for one in groups), step, HALF_UP)
    if not whole:
        return None
    sign = 1 if whole > 0 else -1
    lines = _lines([one.times(sign) for one in groups], currency, scale)
    return _document(
        policy,
        parties,
        InvoiceKind.INVOICE if whole > 0 else InvoiceKind.CREDIT_NOTE,
        lines,
        reference=f"charges {currency} {first}-{last}",
        period=period,
        first=first,
        last=last,
    )


def credit_note(
    policy: InvoicePolicy,
    parties: Parties,
    invoice: Invoice,
    earlier: Sequence[Invoice],
    *,
    reason: str,
    amount: Money | None = None,
    reference: str = "",
) -> Invoice:
    """Give back all or a part of an invoice, at the rates of its lines.

    ``earlier`` are the credit notes about it so far. ``amount`` is gross and is taken from the
    lines in their order; without it everything that is left is given back. Credits that sum to the
    invoice cancel its net and its tax exactly.

    Raises:
        IllegalTransition: it is a credit note itself, or nothing is left of it.
        InvalidInput: there is no reason, or the amount is not above zero or more than is left.
    """
    if invoice.kind is not InvoiceKind.INVOICE:
        raise IllegalTransition("invoice", str(invoice.number), invoice.kind, "be credited")
    if not reason.strip():
        raise InvalidInput("reason", reason, "is empty", "say why")
    given = given_back(invoice, earlier)
    left = {line.number: subtract(line.gross, given[line.number].gross) for line in invoice.lines}
    sum_left = total(left.values(), invoice.currency)
    if not sum_left.amount:
        raise IllegalTransition("invoice", str(invoice.number), "CREDITED", "be credited again")
    wanted = sum_left if amount is None else amount
    digits = minor_digits(invoice.currency)
    if not 0 < to_units(wanted, digits) <= to_units(sum_left, digits):
        raise InvalidInput(
            "amount",
            f"{amount_text(wanted)} {wanted.currency.code}",
            f"is not above zero and at most {amount_text(sum_left)} {invoice.currency}",
            "credit what is left at most",
        )
    lines = credit_lines(invoice, left, given, wanted, whole=wanted == sum_left)
    made = _document(
        policy,
        parties,
        InvoiceKind.CREDIT_NOTE,
        lines,
        reference=reference or f"credit {invoice.number} {len(earlier) + 1}",
    )
    return attrs.evolve(
        made,
        corrects=invoice.number,
        corrects_id=invoice.id,
        corrects_on=invoice.issued_on,
        reason=reason,
        top_up=invoice.top_up,
        period=invoice.period,
        rounding=_rounding(lines),
    )


@attrs.define
class _Sum:
    """Sum the entries of one line, in the balance's smallest unit."""

    kind: EntryKind
    text: str
    tax: Tax
    count: int = 0
    paid: int = 0
    promotional: int = 0

    def times(self, sign: int) -> "_Sum":
        return attrs.evolve(self, paid=sign * self.paid, promotional=sign * self.promotional)


class _Sums:
    """Sort entries into lines."""

    def __init__(
        self,
        policy: InvoicePolicy,
        country: str,
        roots: Mapping[int, Entry],
        origins: Mapping[int, LotOrigin],
    ) -> None:
        self._policy = policy
        self._country = country
        self._roots = roots
        self._origins = origins
        self._taxes: dict[tuple[str, date], Tax] = {}
        self._lines: dict[tuple[EntryKind, str, Tax], _Sum] = {}

    def take(self, entry: Entry) -> None:
        root = entry
        if entry.corrects is not None:
            root = self._roots.get(entry.corrects, entry)
            if root is entry and entry.kind not in self._policy.bands:
                raise InvalidInput(
                    "roots", entry.corrects, "is missing", "pass every entry that is corrected"
                )
        if root.kind not in self._policy.bands:
            return
        shown = root if entry.kind in _FOLDED else entry
        tax = self._tax(self._policy.bands[root.kind], root.effective_at)
        key = (shown.kind, shown.reason, tax)
        if key not in self._lines and len(self._lines) >= LONGEST_INVOICE:
            key = (shown.kind, "", tax)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Sum(*key)
        line.count += 1
        for lot, units in entry.parts:
            if lot == DEBT or self._origins[lot] is LotOrigin.PAID:
                line.paid -= units
            else:
                line.promotional -= units

    def groups(self) -> list[_Sum]:
        """Give the lines that say anything."""
        return [one for one in self._lines.values() if one.paid or one.promotional]

    def _tax(self, band: str, at: datetime) -> Tax:
        day = (band, self._policy.local_day(at))
        if day not in self._taxes:
            self._taxes[day] = self._policy.tax(band, self._country, at)
        return self._taxes[day]


def _lines(sums: Sequence[_Sum], currency: str, scale: int) -> tuple[InvoiceLine, ...]:
    """Round what has been summed up, line after line, so that the lines sum to the rounded sum.

    Lines of one rate are split together, so that their net is the net of their sum.
    """
    digits = minor_digits(currency)
    step = 10 ** (scale - digits)
    gross: list[Money] = []
    exact = reached = 0
    for one in sums:
        exact += one.paid
        upto = round_ratio(exact, step, HALF_UP)
        gross.append(from_units(upto - reached, currency, digits))
        reached = upto
    splits: dict[int, TaxLine] = {}
    for tax in dict.fromkeys(one.tax for one in sums):
        places = [place for place, one in enumerate(sums) if one.tax == tax]
        pieces = tax_pieces([gross[place] for place in places], tax)
        splits.update(zip(places, pieces, strict=True))
    return tuple(
        InvoiceLine(
            number=place + 1,
            kind=one.kind,
            text=one.text,
            count=one.count,
            ledger=from_units(one.paid, currency, scale),
            promotional=from_units(one.promotional, currency, scale),
            tax=splits[place],
        )
        for place, one in enumerate(sums)
    )


def _rounding(lines: Sequence[InvoiceLine]) -> Money:
    code = lines[0].gross.currency
    said = total((line.gross for line in lines), code)
    return subtract(said, total((line.ledger for line in lines), code))


def _document(
    policy: InvoicePolicy,
    parties: Parties,
    kind: InvoiceKind,
    lines: tuple[InvoiceLine, ...],
    *,
    reference: str,
    period: BillingPeriod | None = None,
    first: int = 0,
    last: int = 0,
    top_up: str = "",
) -> Invoice:
    currency = lines[0].gross.currency.code
    if currency != policy.home and parties.exchange is None:
        raise InvalidInput(
            "exchange",
            None,
            f"is missing: tax is accounted for in {policy.home}",
            f"pass what one {currency} is worth in {policy.home}",
        )
    if parties.exchange is not None and parties.exchange <= 0:
        raise InvalidInput("exchange", parties.exchange, "is not above zero", "pass the rate")
    return Invoice(
        id=parties.id,
        reference=reference,
        number=policy.number(kind, parties.issued_at, parties.last),
        kind=kind,
        account=parties.account,
        currency=currency,
        home=policy.home,
        issued_at=parties.issued_at,
        zone=policy.zone,
        seller=policy.seller,
        buyer=parties.buyer,
        lines=lines,
        rounding=_rounding(lines),
        period=period,
        first=first,
        last=last,
        top_up=top_up,
        exchange=parties.exchange if currency != policy.home else None,
        registered=parties.registered,
    )


def _require(policy: InvoicePolicy, point: TaxPoint, subject: str, action: str) -> None:
    if policy.tax_point is not point:
        raise IllegalTransition("invoice", subject, policy.tax_point, action)
