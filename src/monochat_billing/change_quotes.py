"""Change quotes: a preview of a change that is exact enough to be executed.

*Owns* what a quote says, the sentences in which it says it, and the digest that pins it all.
*Does not own* how it is computed (:mod:`monochat_billing.quotes`) or executed
(:mod:`monochat_billing.changes`).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.lots import LotOrigin
from monochat_billing.money import Money, amount_text, negate
from monochat_billing.periods import BillingAnchor, BillingPeriod
from monochat_billing.plans import Agreement, Breach, ChangeTiming, Direction, Family, Price
from monochat_billing.proration import LineKind, ProrationLine
from monochat_billing.tax import TaxLine
from monochat_billing.translations import mark
from monochat_billing.wording import Words

__all__ = ["ChangeQuote", "Funding", "digest_of"]

_DIRECTIONS: Final = {
    Direction.UPGRADE: mark("upgrade"),
    Direction.DOWNGRADE: mark("downgrade"),
    Direction.SIDEGRADE: mark("other product"),
}


@final
@attrs.frozen
class Funding:
    """Say how much of a charge which kind of money pays; no origin is the credit limit.

    ``source`` is what made the lot, for example a top-up's id.
    """

    amount: Money
    origin: LotOrigin | None
    source: str = ""


@final
@attrs.frozen(kw_only=True)
class ChangeQuote:
    """Preview a change so exactly that it can be executed.

    The change is priced at ``effective_at`` and executes as of that instant until ``valid_until``
    (exclusive). ``credit`` goes back to the balance for unused time, ``charge`` is taken, and
    ``due_now`` is the difference; it is negative when more comes back than is taken. With a
    timing that is not IMMEDIATE nothing is due before ``effective_at``. ``available`` and
    ``shortfall`` are advice as of the preview: funds are checked again at execution. So are
    ``warnings``, and ``renewal_price``, which is what the next renewal takes as far as the catalog
    says today; ``renewal`` is what leaves the balance then, for all of ``to_quantity`` and with
    tax. ``credit`` and ``charge`` are gross; ``credit_tax`` (negative) and ``charge_tax`` split
    them, each at its own rate, where the catalog names a tax. ``paid_by`` says which money would
    pay as of the preview, as far as there is. ``digest`` covers subscription, catalog, lines, tax
    and period; the id serves as idempotency key.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> from monochat_billing.periods import MONTH
    >>> one = bench.subscribe("acme", "basic")
    >>> quote = bench.billing.subscriptions.preview("acme", to="growth", interval=MONTH)
    >>> quote.due_now, quote.shortfall.amount, quote.rule
    (Money('1499', 'TRY'), Decimal('0'), 'leaving a free price: at once, new anchor')
    """

    id: str
    account: str
    subscription: str
    subscription_version: int
    catalog: str
    family: Family
    from_product: str
    from_price: Price
    to_product: str
    to_price: Price
    direction: Direction
    timing: ChangeTiming
    rule: str
    effective_at: datetime
    valid_until: datetime
    lines: tuple[ProrationLine, ...]
    credit: Money
    charge: Money
    due_now: Money
    anchor: BillingAnchor
    index: int
    period: BillingPeriod
    span: BillingPeriod
    available: Money
    shortfall: Money
    warnings: tuple[str, ...] = ()
    digest: str = ""
    agreement: Agreement | None = None
    renewal_price: Price | None = None
    from_quantity: int = 1
    to_quantity: int = 1
    moves_anchor: bool = False
    keeps_price: bool = False
    credit_tax: TaxLine | None = None
    charge_tax: TaxLine | None = None
    paid_by: tuple[Funding, ...] = ()
    renewal: Money | None = None
    lost: Money | None = None
    breaches: tuple[Breach, ...] = ()
    names: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict, hash=False)

    @property
    def changes_anything(self) -> bool:
        """Tell whether the target differs from what is in force."""
        before = (self.from_product, self.from_price, self.from_quantity)
        return self.moves_anchor or before != (self.to_product, self.to_price, self.to_quantity)

    @property
    def next_renewal_at(self) -> datetime:
        """Give the instant of the first renewal after the change."""
        return self.period.end

    def product_of(self, line: ProrationLine) -> str:
        """Tell which product a line is about: a credit is for the old one."""
        return self.from_product if line.kind is LineKind.CREDIT else self.to_product

    def explain(self, locale: str = "en") -> str:
        """Render every line with its units, ratio, amount and rule, then the sums.

        What is short as of the preview is said; a quote that changes nothing says so.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        renewal = self.renewal or (self.renewal_price or self.to_price).amount
        following = words.say(
            "next renewal {at}: {amount}",
            at=_local(self.next_renewal_at, self.anchor.zone, words),
            amount=words.money(renewal),
        )
        lines = [
            f"{self._name(self.product_of(line), words)}: {line.explain(locale)}"
            for line in self.lines
        ]
        sums = self._sums(words)
        return "\n".join([self._head(words), *lines, *sums, following, *self._warned(words)])

    def _warned(self, words: Words) -> list[str]:
        found = [one.explain(words.locale) for one in self.breaches]
        if self.lost is not None:
            text = mark("{amount} of the credit is lost: it has expired")
            found.insert(0, words.say(text, amount=words.money(self.lost)))
        return found

    def _head(self, words: Words) -> str:
        at = _local(self.effective_at, self.anchor.zone, words)
        current = _offer(
            self.from_quantity, self._name(self.from_product, words), self.from_price, words
        )
        if not self.changes_anything:
            return words.say("{current}: nothing changes, {at}", current=current, at=at)
        return words.say(
            "{current} → {target}, {kind}, {at}",
            current=current,
            target=_offer(
                self.to_quantity, self._name(self.to_product, words), self.to_price, words
            ),
            kind=words.say(self._kind),
            at=at,
        )

    def _name(self, product: str, words: Words) -> str:
        names = self.names.get(product, {})
        return names.get(words.locale) or names.get("en") or product

    @property
    def _kind(self) -> str:
        if self.from_product != self.to_product:
            return _DIRECTIONS[self.direction]
        if self.moves_anchor:
            return mark("other renewal day")
        if self.from_quantity != self.to_quantity:
            return mark("other quantity")
        return mark("other interval")

    def _sums(self, words: Words) -> list[str]:
        if not self.changes_anything:
            return [words.say("due {due}", due=words.money(self.due_now))]
        found = [
            words.say(
                "credit {credit}, charge {charge}, due {due}; rule: {rule}",
                credit=words.money(self.credit),
                charge=words.money(self.charge),
                due=words.money(self.due_now),
                rule=words.rule(self.rule),
            )
        ]
        taxes = (
            (mark("of the credit {tax} is {name} at {percent}%"), self.credit_tax),
            (mark("of the charge {tax} is {name} at {percent}%"), self.charge_tax),
        )
        for sentence, line in taxes:
            if line is not None and line.tax.amount:
                tax = words.money(negate(line.tax) if line.tax.amount < 0 else line.tax)
                rate = line.rate
                found.append(words.say(sentence, tax=tax, name=rate.name, percent=rate.percent))
        for one in self.paid_by:
            if one.origin is not LotOrigin.PAID:
                kind = mark("the credit limit") if one.origin is None else mark("given credit")
                sentence = mark("{amount} of it comes from {kind}")
                found.append(
                    words.say(sentence, amount=words.money(one.amount), kind=words.say(kind))
                )
        if self.shortfall.amount:
            found.append(
                words.say(
                    "available {available}, short {shortfall}",
                    available=words.money(self.available),
                    shortfall=words.money(self.shortfall),
                )
            )
        return found

    def __str__(self) -> str:
        return self.explain()


def _offer(quantity: int, product: str, price: Price, words: Words) -> str:
    interval = words.interval(price.interval)
    many = "" if quantity == 1 else f"{words.number(quantity)} x "
    return f"{many}{product} ({words.money(price.amount)} {interval})"


def _local(instant: datetime, zone: str, words: Words) -> str:
    return f"{words.moment(instant, zone)} {zone}"


def digest_of(quote: ChangeQuote) -> str:
    """Give the fingerprint of everything that executing a quote would do."""
    facts = {
        "subscription": [quote.subscription, quote.subscription_version],
        "catalog": quote.catalog,
        "from": [quote.from_product, str(quote.from_price), quote.from_quantity],
        "to": [quote.to_product, str(quote.to_price), quote.to_price.agreement, quote.to_quantity],
        "rule": [quote.rule, quote.timing],
        "effective_at": quote.effective_at.isoformat(),
        "anchor": quote.anchor.text,
        "period": [quote.period.start.isoformat(), quote.period.end.isoformat()],
        "lines": [
            [line.kind, line.amount_units, line.units, line.total, line.rounded_units]
            for line in quote.lines
        ],
        "tax": [_tax_facts(quote.credit_tax), _tax_facts(quote.charge_tax)],
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _tax_facts(line: TaxLine | None) -> list[str] | None:
    if line is None:
        return None
    rate = f"{line.rate.name} {line.rate.band} {line.rate.percent}"
    return [rate, line.treatment, line.reason, *map(amount_text, (line.net, line.tax, line.gross))]
