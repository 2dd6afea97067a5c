"""Change quotes: a preview of a change that is exact enough to be executed.

Owns which lines a change consists of, where the new period lies, and the digest that pins it all.
Does not own posting: :mod:`monochat_billing.changes` executes a quote, and to do so computes it
again here, so that preview and execution cannot differ.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, final

import attrs

from monochat_billing.balance import Books, EntryKind, Memo, give_back
from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.instants import utc
from monochat_billing.money import Money, amount_text, money, negate, subtract
from monochat_billing.periods import BillingAnchor, BillingInterval, BillingPeriod
from monochat_billing.plans import (
    Agreement,
    AnchorRule,
    AnyCatalog,
    ChangeRule,
    ChangeTiming,
    Direction,
    Family,
    Price,
    Product,
    breaches,
    known_product,
    renewal_price,
)
from monochat_billing.proration import ChangeProration, LineKind, ProrationLine, prorate_change
from monochat_billing.proration_policies import ProrationPolicy, policy_named
from monochat_billing.subscriptions import Subscription, SubscriptionState
from monochat_billing.translations import mark
from monochat_billing.wording import Words

__all__ = [
    "DEFAULT_VALIDITY",
    "FEE_KINDS",
    "ChangeQuote",
    "quote_change",
]

DEFAULT_VALIDITY: Final = timedelta(minutes=30)
"""How long a quote can be executed, unless the caller or the period's end says less."""

FEE_KINDS: Final = {Family.PLAN: EntryKind.PLAN_FEE, Family.SUPPORT: EntryKind.SUPPORT_FEE}
"""The entry kind under which each product family is charged."""

_DIRECTIONS: Final = {
    Direction.UPGRADE: mark("upgrade"),
    Direction.DOWNGRADE: mark("downgrade"),
    Direction.SIDEGRADE: mark("other product"),
}


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
    says today. ``digest`` covers subscription, catalog, lines and period; the id serves as
    idempotency key.
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

    @property
    def changes_anything(self) -> bool:
        """Tell whether the target differs from what is in force."""
        return (self.from_product, self.from_price) != (self.to_product, self.to_price)

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
        at = _local(self.effective_at, self.anchor.zone, words)
        current = _offer(self.from_product, self.from_price, words)
        if self.changes_anything:
            same = self.from_product == self.to_product
            kind = mark("other interval") if same else _DIRECTIONS[self.direction]
            head = words.say(
                "{current} → {target}, {kind}, {at}",
                current=current,
                target=_offer(self.to_product, self.to_price, words),
                kind=words.say(kind),
                at=at,
            )
            sums = words.say(
                "credit {credit}, charge {charge}, due {due}; rule: {rule}",
                credit=words.money(self.credit),
                charge=words.money(self.charge),
                due=words.money(self.due_now),
                rule=self.rule,
            )
        else:
            head = words.say("{current}: nothing changes, {at}", current=current, at=at)
            sums = words.say("due {due}", due=words.money(self.due_now))
        if self.changes_anything and self.shortfall.amount:
            sums += "\n" + words.say(
                "available {available}, short {shortfall}",
                available=words.money(self.available),
                shortfall=words.money(self.shortfall),
            )
        following = words.say(
            "next renewal {at}: {amount}",
            at=_local(self.next_renewal_at, self.anchor.zone, words),
            amount=words.money((self.renewal_price or self.to_price).amount),
        )
        lines = [f"{self.product_of(line)}: {line.explain(locale)}" for line in self.lines]
        return "\n".join([head, *lines, sums, following, *self.warnings])

    def __str__(self) -> str:
        return self.explain()


def _offer(product: str, price: Price, words: Words) -> str:
    interval = words.interval(price.interval)
    return f"{product} ({words.money(price.amount)} {interval})"


def _local(instant: datetime, zone: str, words: Words) -> str:
    return f"{words.moment(instant, zone)} {zone}"


def quote_change(
    books: Books,
    subscription: Subscription,
    catalog: AnyCatalog,
    *,
    quote_id: str,
    to: str,
    interval: BillingInterval,
    zone: str,
    at: datetime,
    timing: ChangeTiming | None = None,
    valid_for: timedelta = DEFAULT_VALIDITY,
    agreement: Agreement | None = None,
    usage: Mapping[str, int] | None = None,
) -> ChangeQuote:
    """Price a change of product or interval, asked for at ``at``.

    Without ``timing`` the catalog's rule decides when; a subscription that is past due has no
    period's end ahead and changes at once. A quote for END_OF_PERIOD is priced at the period's
    end, by the catalog in force then; AT is priced like IMMEDIATE, when its instant has come. With
    an ``agreement`` its price is taken instead of the list price. ``usage`` counts what is in use
    by the name of its limit: what the change would break becomes a warning.

    Raises:
        IllegalTransition: END_OF_PERIOD is asked for and the subscription is past due.
        InvalidInput: the rule does not allow the timing, the target is another product family, or
            ``at`` is naive.
        UnknownName: the catalog does not sell the target so.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import credit, open_balance
    >>> from monochat_billing.periods import MONTH
    >>> from monochat_billing.plans import sample_catalog
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> books = credit(books, money("9000", "TRY"), Memo(EntryKind.TOP_UP, t, t)).books
    >>> from monochat_billing.changes import subscribe
    >>> catalog = sample_catalog()
    >>> growth = catalog.product("growth")
    >>> began = subscribe(
    ...     books, subscription_id="s-1", product=growth, price=growth.price(MONTH, "TRY"),
    ...     zone="Europe/Istanbul", at=t, recorded_at=t,
    ... )
    >>> quote = quote_change(
    ...     began.books, began.subscription, catalog, quote_id="q-1", to="enterprise",
    ...     interval=MONTH, zone="Europe/Istanbul", at=datetime(2026, 10, 20, tzinfo=UTC),
    ... )
    >>> quote.credit, quote.charge, quote.due_now
    (Money('773.68', 'TRY'), Money('3096.26', 'TRY'), Money('2322.58', 'TRY'))
    >>> print(quote.lines[0].explain())
    Credit for 16 of 31 days, 2026-10-20 to 2026-11-04: TRY 1,499.00 x 16/31 = -TRY 773.68 ...
    """
    at = utc(at, field="at")
    judged = _judge(subscription, catalog, to, interval, at=at, agreement=agreement)
    timing = _timing(subscription, judged.rule, timing)
    moment = at
    if timing is ChangeTiming.END_OF_PERIOD:
        moment = subscription.period.end
        judged = _judge(subscription, catalog, to, interval, at=moment, agreement=agreement)
    old, product, price, rule = judged.old, judged.product, judged.price, judged.rule
    agreement = None if agreement is None else agreement.starting(moment, zone)
    place = _placement(subscription, rule, interval, zone, moment)
    unchanged = (product.id, price) == (subscription.product, subscription.price)
    if unchanged:
        place = _Place(subscription.anchor, subscription.index, *2 * (subscription.period,))
    zero = money(0, price.currency)
    shares = None
    if not unchanged:
        shares = _shares(subscription, price, policy_named(rule.proration), place, zone)
    credit = negate(shares.credit) if shares else zero
    charge = shares.charge if shares else zero
    returned, warnings = _returned(books, subscription, credit, moment)
    if usage is not None and not unchanged:
        target = product if agreement is None else agreement.applied_to(product)
        warnings += tuple(str(one) for one in breaches(old, target, usage))
    balance = books.balance(price.currency)
    available = balance.money(balance.available(FEE_KINDS[product.family].pays_for, at))
    due_now = subtract(charge, returned)
    missing = subtract(due_now, available)
    quote = ChangeQuote(
        id=quote_id,
        account=subscription.account,
        subscription=subscription.id,
        subscription_version=subscription.version,
        catalog=judged.catalog,
        family=subscription.family,
        from_product=subscription.product,
        from_price=subscription.price,
        to_product=product.id,
        to_price=price,
        direction=judged.direction,
        timing=timing,
        rule=rule.name,
        effective_at=moment,
        valid_until=_valid_until(subscription, at, valid_for),
        lines=shares.lines if shares else (),
        credit=credit,
        charge=charge,
        due_now=due_now,
        anchor=place.anchor,
        index=place.index,
        period=place.period,
        span=place.span,
        available=available,
        shortfall=missing if missing.amount > 0 else zero,
        warnings=warnings,
        agreement=subscription.agreement if unchanged else agreement,
        renewal_price=renewal_price(
            catalog,
            product.id,
            price,
            pinned_at=subscription.pinned_at if unchanged else moment,
            at=place.period.end,
            agreement=subscription.agreement if unchanged else agreement,
        ),
    )
    return attrs.evolve(quote, digest=_digest(quote))


@final
@attrs.frozen
class _Judged:
    """Hold what the catalog in force at one instant says of a change."""

    catalog: str
    old: Product
    product: Product
    price: Price
    direction: Direction
    rule: ChangeRule


def _judge(
    subscription: Subscription,
    catalog: AnyCatalog,
    to: str,
    interval: BillingInterval,
    *,
    at: datetime,
    agreement: Agreement | None,
) -> _Judged:
    in_force = catalog.at(at)
    old = (known_product(catalog, subscription.product, at), subscription.price)
    same = (to, interval) == (subscription.product, subscription.price.interval)
    product = old[0] if same else in_force.product(to)
    if product.family is not subscription.family:
        raise InvalidInput(
            "to", to, f"is no {subscription.family}", "choose a product of the same family"
        )
    if agreement is not None:
        price = agreement.price
        if price.currency != subscription.price.currency:
            raise InvalidInput(
                "offer",
                str(price),
                f"is not in {subscription.price.currency}, in which the subscription is paid",
                "make an offer in that currency",
            )
    elif same:
        price = subscription.price
    else:
        price = product.price(interval, subscription.price.currency, at)
    new = (product, price)
    return _Judged(
        f"{in_force.id} {in_force.version}",
        old[0],
        product,
        price,
        in_force.direction(old, new),
        in_force.rule(old, new),
    )


@final
@attrs.frozen
class _Place:
    """Say where a subscription stands after a change, and which span is charged for."""

    anchor: BillingAnchor
    index: int
    period: BillingPeriod
    span: BillingPeriod


def _timing(
    subscription: Subscription, rule: ChangeRule, asked: ChangeTiming | None
) -> ChangeTiming:
    past_due = subscription.state is SubscriptionState.PAST_DUE
    if asked is None:
        return ChangeTiming.IMMEDIATE if past_due else rule.timing
    if asked not in rule.allows:
        raise InvalidInput(
            "timing",
            asked,
            f"is not allowed by the rule {rule.name!r}",
            f"use one of {', '.join(sorted(rule.allows))}",
        )
    if past_due and asked is ChangeTiming.END_OF_PERIOD:
        raise IllegalTransition(
            "subscription", subscription.id, subscription.state, "change at its period's end"
        )
    return asked


def _valid_until(subscription: Subscription, at: datetime, valid_for: timedelta) -> datetime:
    until = at + valid_for
    if subscription.state is SubscriptionState.ACTIVE:
        return min(until, subscription.period.end)
    return until


def _placement(
    subscription: Subscription,
    rule: ChangeRule,
    interval: BillingInterval,
    zone: str,
    at: datetime,
) -> _Place:
    """Say where the subscription stands after a change at ``at``.

    At the period's end the bounds go on from there and keep their nominal day. In mid-period the
    rule decides: KEEP charges the rest of the period, RESET starts a new one.
    """
    old = subscription
    active = old.state is SubscriptionState.ACTIVE
    if active and at == old.period.end:
        if interval == old.price.interval:
            return _Place(old.anchor, old.index + 1, old.next_period, old.next_period)
        anchor = old.anchor.moved(old.price.interval, old.index + 1)
        period = BillingPeriod(start=at, end=anchor.bound(interval, 1))
        return _Place(anchor, 0, period, period)
    if active and rule.anchor is AnchorRule.KEEP and interval == old.price.interval:
        span = BillingPeriod(start=at, end=old.period.end)
        return _Place(old.anchor, old.index, old.period, span)
    anchor = BillingAnchor.at(at, zone)
    period = BillingPeriod(start=at, end=anchor.bound(interval, 1))
    return _Place(anchor, 0, period, period)


def _shares(
    subscription: Subscription, price: Price, policy: ProrationPolicy, place: _Place, zone: str
) -> ChangeProration:
    """Work out what goes back for unused time and what the time ahead costs.

    What was paid for time that is over by then gives nothing back.
    """
    paid = subscription.charge
    at = place.span.start
    if paid.span.contains(at):
        return prorate_change(
            paid=paid.amount,
            new_price=price.amount,
            whole=paid.whole,
            paid_for=paid.span,
            new_whole=place.period,
            at=at,
            zone=zone,
            policy=policy,
            price=subscription.price.amount,
        )
    return prorate_change(
        paid=money(0, price.currency),
        new_price=price.amount,
        whole=place.period,
        at=at,
        zone=zone,
        policy=policy,
    )


def _returned(
    books: Books, subscription: Subscription, credit: Money, at: datetime
) -> tuple[Money, tuple[str, ...]]:
    """Give what really goes back: a share whose lot has expired by then is lost."""
    zero = money(0, credit.currency)
    if not credit.amount:
        return zero, ()
    memo = Memo(EntryKind.PRORATION_CREDIT, at, at)
    given = give_back(books, credit, subscription.charge.shares, memo, None)
    back = zero if given is None else given.entry.money
    lost = subtract(credit, back)
    if not lost.amount:
        return back, ()
    text = f"{amount_text(lost)} {lost.currency.code} of the credit is lost: its lot has expired"
    return back, (text,)


def _digest(quote: ChangeQuote) -> str:
    facts = {
        "subscription": [quote.subscription, quote.subscription_version],
        "catalog": quote.catalog,
        "from": [quote.from_product, str(quote.from_price)],
        "to": [quote.to_product, str(quote.to_price), quote.to_price.agreement],
        "rule": [quote.rule, quote.timing],
        "effective_at": quote.effective_at.isoformat(),
        "period": [quote.period.start.isoformat(), quote.period.end.isoformat()],
        "lines": [
            [line.kind, line.amount_units, line.units, line.total, line.rounded_units]
            for line in quote.lines
        ],
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
