"""Proration: amounts and periods in, explained lines out.

*Owns* how much of a period a part is, and what of an amount a part, a cut or a change comes to.
*Does not own* policies (``proration_policies``), tax (``tax``) or when a change happens.

A ratio is two integers, ``units`` of ``total``; nothing is divided until the one rounding that the
policy names. What was used is what was paid less what is credited, so the segments of one price
always add up to it, however often the plan changes.

>>> from datetime import UTC, date
>>> from monochat_billing.money import money
>>> june = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), "Europe/Istanbul")
>>> change = prorate_change(
...     paid=money("10", "TRY"), new_price=money("20", "TRY"), whole=june,
...     at=datetime(2026, 6, 2, 9, tzinfo=UTC), zone="Europe/Istanbul",
... )
>>> change.credit, change.charge, change.net
(Money('-9.67', 'TRY'), Money('19.33', 'TRY'), Money('9.66', 'TRY'))
>>> print(change.lines[0].explain())
Credit for 29 of 30 days, 2026-06-02 to 2026-06-30: TRY 10.00 x 29/30 = -TRY 9.67 (rule standard)
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.measures import days_of_fixed_months, measure
from monochat_billing.money import (
    DEFAULT_SCALE,
    Money,
    minor_digits,
    to_units,
)
from monochat_billing.periods import BillingPeriod
from monochat_billing.proration_lines import (
    ChangeProration,
    LineKind,
    ProrationLine,
    change_lines,
)
from monochat_billing.proration_policies import (
    DEFAULT_POLICY,
    ChargeRule,
    CreditBase,
    CreditRule,
    ProrationPolicy,
    RoundingOrder,
    TimeBasis,
    policy_named,
)
from monochat_billing.shares import ChangeSpans, ChangeTerms, change_numbers, share

__all__ = [
    "DEFAULT_POLICY",
    "ChangeProration",
    "LineKind",
    "ProrationLine",
    "ProrationPolicy",
    "change_units",
    "days_of_fixed_months",
    "measure",
    "policy_named",
    "prorate",
    "prorate_by",
    "prorate_change",
    "split",
    "unused_credit",
]


# ------------------------------------------------------------------------------------- rounding


def _terms(amount: Money | int, policy: ProrationPolicy, field: str) -> tuple[str, int, int, int]:
    """Return currency, units, scale and digits of an amount that may not be negative."""
    if isinstance(amount, Money):
        code = amount.currency.code
        units, scale = to_units(amount), DEFAULT_SCALE
        digits = policy.rounding.digits(code, minor_digits(code))
    elif type(amount) is int:
        code, units, scale, digits = "", amount, 0, 0
    else:
        raise InvalidInput(field, amount, "is not exact", "pass Money or an int of units")
    if units < 0:
        raise InvalidInput(field, amount, "is negative", "pass zero or more")
    return code, units, scale, digits


def _beside(paid: Money, other: Money, field: str) -> int:
    """Return the units of an amount that has to be of the currency that was paid."""
    if other.currency is not paid.currency and other.currency != paid.currency:
        raise InvalidInput(
            field, other.currency.code, f"is not {paid.currency.code}", "convert it explicitly"
        )
    units = to_units(other)
    if units < 0:
        raise InvalidInput(field, other, "is negative", "pass zero or more")
    return units


# ---------------------------------------------------------------------------------- shares


def prorate(
    amount: Money | int,
    *,
    whole: BillingPeriod,
    part: BillingPeriod,
    zone: str,
    policy: ProrationPolicy = DEFAULT_POLICY,
    kind: Literal["SHARE", "CHARGE", "CREDIT"] = "CHARGE",
) -> ProrationLine:
    """Return the share of an amount that falls on ``part`` of ``whole``.

    Both spans are half-open. ``amount`` is Money, or an int of plain units such as messages;
    the same ratio serves both. A CREDIT is negative. Shares of several parts are rounded one by
    one: use :func:`split` where they have to sum to the amount.

    Raises:
        InvalidInput: the part is not within the whole, the whole is empty, the amount negative,
            the zone unknown.

    >>> from datetime import UTC, date
    >>> from monochat_billing.money import money
    >>> january = BillingPeriod.of_days(date(2026, 1, 1), date(2026, 2, 1), "UTC")
    >>> _, rest = january.split(datetime(2026, 1, 16, tzinfo=UTC))
    >>> prorate(money("31", "TRY"), whole=january, part=rest, zone="UTC").money
    Money('16', 'TRY')
    """
    code, amount_units, scale, digits = _terms(amount, policy, "amount")
    basis, total, (left, right) = measure(policy.basis, whole, zone, (part.start, part.end))
    units = right - left
    if basis is TimeBasis.NONE:
        units = int(not part.is_empty)
    rounded = share(amount_units, scale, (units, total), digits, policy)
    return ProrationLine(
        kind=LineKind(kind),
        currency=code,
        amount_units=amount_units,
        units=units,
        total=total,
        digits=digits,
        rounded_units=-rounded if kind == LineKind.CREDIT else rounded,
        basis=basis,
        rule=policy.name,
        scale=scale,
        service=part,
        whole=whole,
        zone=zone,
        ratio_digits=policy.ratio_digits,
    )


def prorate_by(
    amount: Money | int,
    *,
    units: int,
    total: int,
    policy: ProrationPolicy = DEFAULT_POLICY,
    kind: Literal["SHARE", "CHARGE", "CREDIT"] = "CHARGE",
) -> ProrationLine:
    """Return the share of an amount by a ratio that was counted elsewhere.

    Raises:
        InvalidInput: the ratio is negative or above one, the total not above zero, the amount
            negative.

    >>> from monochat_billing.money import money
    >>> prorate_by(money("9.99", "USD"), units=15, total=30).money
    Money('5', 'USD')
    """
    if type(total) is not int or total <= 0:
        raise InvalidInput("total", total, "is not above zero", "pass the units of the whole")
    if type(units) is not int or not 0 <= units <= total:
        raise InvalidInput("units", units, f"is not within 0 to {total}", "pass a ratio up to one")
    code, amount_units, scale, digits = _terms(amount, policy, "amount")
    rounded = share(amount_units, scale, (units, total), digits, policy)
    return ProrationLine(
        kind=LineKind(kind),
        currency=code,
        amount_units=amount_units,
        units=units,
        total=total,
        digits=digits,
        rounded_units=-rounded if kind == LineKind.CREDIT else rounded,
        basis=policy.basis,
        rule=policy.name,
        scale=scale,
        ratio_digits=policy.ratio_digits,
    )


def split(
    amount: Money | int,
    *,
    whole: BillingPeriod,
    at: Sequence[datetime],
    zone: str,
    policy: ProrationPolicy = DEFAULT_POLICY,
) -> tuple[ProrationLine, ...]:
    """Cut a period at instants and return one line per piece; their values sum to the amount.

    Each piece is what is rounded up to its end less what is rounded up to its start, so no cut
    loses or makes a unit. Cuts may be repeated or stand on a bound; such a piece is empty. An
    amount finer than the policy's rounding is rounded once, as a whole.

    Raises:
        InvalidInput: cuts out of order or outside the whole, a policy without time basis, a
            negative amount.

    >>> from datetime import UTC, date
    >>> from monochat_billing.money import money
    >>> january = BillingPeriod.of_days(date(2026, 1, 1), date(2026, 2, 1), "UTC")
    >>> cuts = [datetime(2026, 1, day, tzinfo=UTC) for day in (11, 21)]
    >>> [str(line.money.amount) for line in split(
    ...     money("100", "TRY"), whole=january, at=cuts, zone="UTC")]
    ['32.26', '32.26', '35.48']
    """
    if policy.basis is TimeBasis.NONE:
        raise InvalidInput("policy", policy.name, "has no time basis", "name one that measures")
    code, amount_units, scale, digits = _terms(amount, policy, "amount")
    cuts = [whole.start, *(utc(instant, field="at") for instant in at), whole.end]
    basis, total, positions = measure(policy.basis, whole, zone, cuts)
    lines = []
    before = 0
    for index in range(1, len(cuts)):
        if cuts[index] < cuts[index - 1]:
            raise InvalidInput("at", cuts[index].isoformat(), "is out of order", "sort the cuts")
        upto = share(amount_units, scale, (positions[index], total), digits, policy)
        lines.append(
            ProrationLine(
                kind=LineKind.SHARE,
                currency=code,
                amount_units=amount_units,
                units=positions[index] - positions[index - 1],
                total=total,
                digits=digits,
                rounded_units=upto - before,
                basis=basis,
                rule=policy.name,
                scale=scale,
                service=BillingPeriod(start=cuts[index - 1], end=cuts[index]),
                whole=whole,
                zone=zone,
                ratio_digits=policy.ratio_digits,
            )
        )
        before = upto
    return tuple(lines)


# --------------------------------------------------------------------------------- changes


# Enum members are looked up slowly on their class, and every change asks for these.
_NONE: Final = TimeBasis.NONE
_PRICE: Final = CreditBase.PRICE


def _spans(
    policy: ProrationPolicy,
    zone: str,
    at: datetime,
    spans: tuple[BillingPeriod, BillingPeriod, BillingPeriod],
) -> ChangeSpans:
    whole, paid_for, new_whole = spans
    basis = policy.basis
    if basis is _NONE:
        return ChangeSpans(basis, 1, 1, 1, basis, 1, 1)
    if paid_for is whole:
        used, total, (cut,) = measure(basis, whole, zone, (at,))
        unused, paid_total = total - cut, total
    else:
        used, total, (first, cut, last) = measure(
            basis, whole, zone, (paid_for.start, at, paid_for.end)
        )
        unused, paid_total = last - cut, last - first
        if not paid_total:
            unused, paid_total = 0, 1
    if new_whole is whole:
        return ChangeSpans(used, unused, paid_total, total, used, total - cut, total)
    new_used, new_total, (new_cut,) = measure(basis, new_whole, zone, (at,))
    return ChangeSpans(used, unused, paid_total, total, new_used, new_total - new_cut, new_total)


def change_units(
    *,
    paid: int,
    new_price: int,
    whole: BillingPeriod,
    at: datetime,
    zone: str,
    policy: ProrationPolicy = DEFAULT_POLICY,
    paid_for: BillingPeriod | None = None,
    new_whole: BillingPeriod | None = None,
    credited: int = 0,
    price: int | None = None,
    scale: int = DEFAULT_SCALE,
    digits: int = 2,
) -> tuple[int, int]:
    """Return the credit and the charge of :func:`prorate_change` as integers, and nothing else.

    ``paid``, ``new_price``, ``credited`` and ``price`` are of ``10 ** -scale``; both results of
    ``10 ** -digits``, the credit zero or negative. This is the arithmetic of
    :func:`prorate_change` itself, for loops over many changes.

    Raises:
        InvalidInput: as :func:`prorate_change`.

    >>> from datetime import UTC, date
    >>> june = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), "UTC")
    >>> change_units(
    ...     paid=20_000000, new_price=50_000000, whole=june,
    ...     at=datetime(2026, 6, 16, tzinfo=UTC), zone="UTC",
    ... )
    (-1000, 2500)
    """
    at = utc(at, field="at")
    paid_for, new_whole = _checked(whole, paid_for, new_whole, at)
    if paid < 0 or new_price < 0 or credited < 0:
        field, value = min(
            ("paid", paid), ("new_price", new_price), ("credited", credited), key=_second
        )
        raise InvalidInput(field, value, "is negative", "pass zero or more")
    spans = _spans(policy, zone, at, (whole, paid_for, new_whole))
    if price is None:
        price = _price(policy, paid, paid_for, whole)
    terms = ChangeTerms(paid, credited, price, new_price, scale, digits)
    numbers = change_numbers(policy, terms, spans)
    return -numbers.credit, numbers.charge


def _price(
    policy: ProrationPolicy, paid: int, paid_for: BillingPeriod, whole: BillingPeriod
) -> int | None:
    """Return what stands for the full price where none is given: what the whole was paid with."""
    if policy.credit_base is not _PRICE:
        return None
    if paid_for != whole:
        raise InvalidInput("price", None, "is missing", f"{policy.name} credits a share of it")
    return paid


def _second(pair: tuple[str, int]) -> int:
    return pair[1]


def _checked(
    whole: BillingPeriod,
    paid_for: BillingPeriod | None,
    new_whole: BillingPeriod | None,
    at: datetime,
) -> tuple[BillingPeriod, BillingPeriod]:
    if paid_for is None:
        paid_for = whole
    elif not whole.covers(paid_for):
        raise InvalidInput("paid_for", paid_for, "is not within the whole", "cut it to the period")
    if not paid_for.start <= at <= paid_for.end:
        raise InvalidInput("at", at.isoformat(), "is outside of what was paid", "pass one inside")
    if new_whole is None:
        new_whole = whole
    elif not new_whole.start <= at <= new_whole.end:
        raise InvalidInput("new_whole", new_whole, "does not contain the change", "move it")
    return paid_for, new_whole


def prorate_change(
    *,
    paid: Money,
    new_price: Money,
    whole: BillingPeriod,
    at: datetime,
    zone: str,
    policy: ProrationPolicy = DEFAULT_POLICY,
    paid_for: BillingPeriod | None = None,
    new_whole: BillingPeriod | None = None,
    credited: Money | None = None,
    price: Money | None = None,
) -> ChangeProration:
    """Return what a change at ``at`` credits and charges.

    ``paid`` is what was really paid for ``paid_for``, a span within the billing period ``whole``
    (all of it unless given: after an earlier change only the rest was paid). ``credited`` was
    given back of it before. ``price`` is what ``whole`` costs in full, worth giving where less
    than ``whole`` was paid: where ``paid`` is the rounded share of it, the credit is taken of the
    price and rounded once. Policies that credit a share of the price need it there.
    ``new_price`` is a full price of the period ``new_whole``, which is ``whole`` where the anchor
    stays and starts at ``at`` where it is reset. Call it again with the charge as ``paid``, its
    service span as ``paid_for`` and its full price as ``price``, and the segments telescope:
    what was used is always what was paid less what was credited, and segments of one price sum
    to that price.

    A side that costs nothing, or that the policy leaves out, has no line. What was paid is never
    credited beyond ``paid - credited`` unless the policy is uncapped.

    Raises:
        InvalidInput: an amount is negative or in another currency, ``at`` is outside of
            ``paid_for`` or ``new_whole``, ``paid_for`` not within ``whole``, the zone unknown.

    >>> from datetime import UTC, date
    >>> from monochat_billing.money import money
    >>> june = BillingPeriod.of_days(date(2026, 6, 1), date(2026, 7, 1), "UTC")
    >>> half = datetime(2026, 6, 16, tzinfo=UTC)
    >>> up = prorate_change(
    ...     paid=money("20", "TRY"), new_price=money("50", "TRY"), whole=june, at=half, zone="UTC"
    ... )
    >>> up.credit, up.charge, up.net
    (Money('-10', 'TRY'), Money('25', 'TRY'), Money('15', 'TRY'))
    """
    at = utc(at, field="at")
    paid_for, new_whole = _checked(whole, paid_for, new_whole, at)
    code, paid_units, scale, digits = _terms(paid, policy, "paid")
    new_units = _beside(paid, new_price, "new_price")
    credited_units = 0 if credited is None else _beside(paid, credited, "credited")
    price_units: int | None
    if price is None:
        price_units = _price(policy, paid_units, paid_for, whole)
    else:
        price_units = _beside(paid, price, "price")
    periods = (whole, paid_for, new_whole)
    spans = _spans(policy, zone, at, periods)
    terms = ChangeTerms(paid_units, credited_units, price_units, new_units, scale, digits)
    numbers = change_numbers(policy, terms, spans)
    lines = change_lines((policy, code, zone, terms, spans, numbers), periods, at)
    return ChangeProration(currency=code, digits=digits, lines=lines, rule=policy.name)


def unused_credit(
    *,
    paid: Money,
    paid_for: BillingPeriod,
    at: datetime,
    zone: str,
    policy: ProrationPolicy = DEFAULT_POLICY,
    whole: BillingPeriod | None = None,
    credited: Money | None = None,
    price: Money | None = None,
) -> ChangeProration:
    """Return what ending at ``at`` gives back of what was paid for ``paid_for``.

    :func:`prorate_change` with nothing to follow: one credit line, or none where nothing was
    paid or the policy credits nothing.

    Raises:
        InvalidInput: as :func:`prorate_change`.

    >>> from datetime import UTC, date
    >>> from monochat_billing.money import money
    >>> october = BillingPeriod.of_days(date(2022, 10, 1), date(2022, 11, 1), "UTC")
    >>> end = datetime(2022, 10, 15, 12, tzinfo=UTC)
    >>> ended = unused_credit(
    ...     paid=money("31", "EUR"), paid_for=october, at=end, zone="UTC",
    ...     policy=policy_named("lago-termination"),
    ... )
    >>> ended.credit
    Money('-16', 'EUR')
    """
    if policy.charge is ChargeRule.DIFFERENCE:
        policy = policy.renamed(
            policy.name,
            credit=CreditRule.UNUSED,
            charge=ChargeRule.NOTHING,
            order=RoundingOrder.EACH_LINE,
        )
    return prorate_change(
        paid=paid,
        new_price=Money(0, paid.currency),
        whole=paid_for if whole is None else whole,
        at=at,
        zone=zone,
        policy=policy,
        paid_for=paid_for,
        credited=credited,
        price=price,
    )
