"""Dunning: what happens when a renewal cannot be paid, as data of the catalog.

*Owns* the policy (how long the grace is, when it is retried, what follows), which policy governs a
product, and the dated plan that a failed renewal makes of it.
*Does not own* what a retry or the end of the grace does to a subscription
(:mod:`monochat_billing.changes`) or when it is done (:mod:`monochat_billing.accounts`).

A policy is pinned when the renewal fails: what an account was told then stays so, whatever the
catalog says later. The first policy that matches a product decides; without one the subscription
waits for money, past due, without an end.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.change_rules import AnchorRule
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.intervals import BillingInterval, check_interval
from monochat_billing.periods import BillingAnchor
from monochat_billing.products import Family, Product
from monochat_billing.tables import table
from monochat_billing.tax import Tax
from monochat_billing.texts import one_of

__all__ = [
    "WAIT_FOR_MONEY",
    "AfterGrace",
    "Dunning",
    "DunningPolicy",
    "dunning_mistakes",
    "dunning_table",
    "policy_for",
]


class AfterGrace(enum.StrEnum):
    """Name what follows when the grace is over and nothing was paid.

    >>> [one.value for one in AfterGrace]
    ['WAIT', 'SUSPEND', 'MOVE', 'CANCEL']
    """

    WAIT = "WAIT"
    """It stays past due until money comes."""
    SUSPEND = "SUSPEND"
    """It is suspended until money comes, or until it is given up."""
    MOVE = "MOVE"
    """It moves to a free product."""
    CANCEL = "CANCEL"
    """It is canceled."""


@final
@attrs.frozen(kw_only=True)
class DunningPolicy:
    """Say what happens when a renewal cannot be paid; a condition that is None matches anything.

    ``grace`` runs from the instant of the failed renewal, in local days of the account, and is
    half-open; with None it is over at once. ``retries`` are the days within it after which the
    charge is tried again. ``anchor`` says what a payment within the grace pays: with KEEP the
    period that was due, whose bounds do not move, with RESET a new one from that instant. A
    payment after the grace always begins a new period, and dead time costs nothing. ``then`` says
    what follows; ``to`` names the free product of MOVE, and ``gives_up`` says for how long a
    suspended subscription is kept before it expires (None: without an end).

    Raises:
        InvalidInput: a length is not in days, the retries are not in order within the grace, or
            ``to`` or ``gives_up`` does not go with ``then``.

    >>> from monochat_billing.intervals import WEEK
    >>> days = [BillingInterval(count=count, unit="DAY") for count in (1, 3)]
    >>> policy = DunningPolicy(
    ...     name="plans", family=Family.PLAN, grace=WEEK, retries=tuple(days),
    ...     then=AfterGrace.SUSPEND,
    ... )
    >>> print(policy)
    plans: 1 WEEK of grace, retried after 1 DAY, 3 DAY, then SUSPEND
    """

    name: str
    family: Family | None = None
    product: str | None = None
    grace: BillingInterval | None = None
    retries: tuple[BillingInterval, ...] = ()
    anchor: AnchorRule = AnchorRule.KEEP
    then: AfterGrace = AfterGrace.WAIT
    to: str | None = None
    gives_up: BillingInterval | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidInput("dunning.name", self.name, "is empty", "name the policy")
        grace = 0 if self.grace is None else _days(self.grace, "dunning.grace")
        last = 0
        for length in self.retries:
            days = _days(length, "dunning.retries")
            if days <= last:
                raise InvalidInput(
                    "dunning.retries", str(length), "is not in order", "sort the retries by length"
                )
            if days > grace:
                raise InvalidInput(
                    "dunning.retries",
                    str(length),
                    f"is not within the grace, {_text(self.grace) or 'which is over at once'}",
                    "lengthen the grace, or drop the retry",
                )
            last = days
        moves = self.then is AfterGrace.MOVE
        if moves != (self.to is not None):
            raise InvalidInput(
                "dunning.to",
                self.to,
                "is missing" if moves else f"does not go with {self.then}",
                "name the free product to move to" if moves else "drop it, or write then = MOVE",
            )
        if self.gives_up is not None:
            check_interval(self.gives_up, "dunning.gives_up")
            if self.then is not AfterGrace.SUSPEND:
                raise InvalidInput(
                    "dunning.gives_up",
                    str(self.gives_up),
                    f"does not go with {self.then}",
                    "drop it, or write then = SUSPEND",
                )

    def matches(self, product: Product) -> bool:
        """Tell whether the policy governs ``product``."""
        return self.family in (None, product.family) and self.product in (None, product.id)

    def started(self, at: datetime, zone: str) -> "Dunning":
        """Make the dated plan for a renewal that failed at ``at``, in the account's ``zone``.

        >>> from datetime import UTC
        >>> two = BillingInterval(count=2, unit="DAY")
        >>> policy = DunningPolicy(name="short", grace=two, then=AfterGrace.CANCEL)
        >>> policy.started(datetime(2026, 11, 5, tzinfo=UTC), "UTC").grace_ends_at.day
        7
        """
        anchor = BillingAnchor.at(at, zone)
        ends_at = None if self.grace is None else anchor.bound(self.grace, 1)
        if ends_at is None and self.then is not AfterGrace.WAIT:
            ends_at = at
        return Dunning(
            policy=self.name,
            since=at,
            retries=tuple(anchor.bound(length, 1) for length in self.retries),
            grace_ends_at=ends_at,
            anchor=self.anchor,
            then=self.then,
            to=self.to,
            gives_up=self.gives_up,
        )

    def __str__(self) -> str:
        grace = "no grace" if self.grace is None else f"{_text(self.grace)} of grace"
        tries = ", ".join(map(_text, self.retries))
        target = "" if self.to is None else f" to {self.to}"
        end = "" if self.gives_up is None else f", given up after {_text(self.gives_up)}"
        retried = f", retried after {tries}" if tries else ""
        return f"{self.name}: {grace}{retried}, then {self.then}{target}{end}"


WAIT_FOR_MONEY: Final = DunningPolicy(name="wait for money")
"""What holds where a catalog says nothing: past due until money comes."""


@final
@attrs.frozen(kw_only=True)
class Dunning:
    """Hold the dated plan of one failed renewal, as far as it lies ahead.

    ``since`` is the instant of the failure, ``retries`` the instants of the attempts to come,
    ``tried`` how many there were. ``grace_ends_at`` is None where the grace has no end of its own.
    ``tax`` is how the charge was taxed on the day on which it fell due.

    >>> from datetime import UTC
    >>> since, end = datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)
    >>> plan = Dunning(policy="plans", since=since, retries=(end,), grace_ends_at=end)
    >>> plan.retried().retries, plan.retried().tried, plan.in_grace(end)
    ((), 1, False)
    >>> print(plan)
    plans: unpaid since 2026-11-05 00:00Z, tried again 2026-11-12 00:00Z, grace until 2026-11-12 ...
    """

    policy: str
    since: datetime
    retries: tuple[datetime, ...] = ()
    tried: int = 0
    grace_ends_at: datetime | None = None
    anchor: AnchorRule = AnchorRule.KEEP
    then: AfterGrace = AfterGrace.WAIT
    to: str | None = None
    gives_up: BillingInterval | None = None
    tax: Tax | None = None

    @property
    def retry_at(self) -> datetime | None:
        """Give the instant of the next attempt, if there is one to come."""
        return self.retries[0] if self.retries else None

    @property
    def ends_at(self) -> datetime | None:
        """Give the instant at which something follows by itself; None where it waits for money."""
        return None if self.then is AfterGrace.WAIT else self.grace_ends_at

    def in_grace(self, at: datetime) -> bool:
        """Tell whether ``at`` lies in the half-open grace."""
        return self.grace_ends_at is not None and self.since <= at < self.grace_ends_at

    def retried(self) -> "Dunning":
        """Return the plan after one more attempt."""
        return attrs.evolve(self, retries=self.retries[1:], tried=self.tried + 1)

    def __str__(self) -> str:
        again = "" if self.retry_at is None else f", tried again {_minute(self.retry_at)}"
        ends = "" if self.grace_ends_at is None else f", grace until {_minute(self.grace_ends_at)}"
        then = self.then if self.to is None else f"{self.then} to {self.to}"
        return f"{self.policy}: unpaid since {_minute(self.since)}{again}{ends}, then {then}"

    def given_up_at(self, suspended_at: datetime, zone: str) -> datetime | None:
        """Give the instant at which one that was suspended at ``suspended_at`` is given up."""
        if self.gives_up is None:
            return None
        return BillingAnchor.at(suspended_at, zone).bound(self.gives_up, 1)


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"


def policy_for(policies: Iterable[DunningPolicy], product: Product) -> DunningPolicy:
    """Give the first policy that governs ``product``; without one it waits for money."""
    return next((one for one in policies if one.matches(product)), WAIT_FOR_MONEY)


def dunning_table(policies: Sequence[DunningPolicy]) -> str:
    """Lay out policies for people: one line for each, in the order of matching.

    >>> print(dunning_table([WAIT_FOR_MONEY]))
    #  when           grace  retries  then  policy
    -  -------------  -----  -------  ----  --------------
    1  anything else  none   none     WAIT  wait for money
    """
    rows = []
    for number, one in enumerate(policies, 1):
        asked = {"family": one.family, "product": one.product}
        when = ", ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
        then = one.then if one.to is None else f"{one.then} {one.to}"
        if one.gives_up is not None:
            then = f"{then}, given up after {_text(one.gives_up)}"
        tries = ", ".join(map(_text, one.retries)) or "none"
        rows.append(
            (
                str(number),
                when or "anything else",
                _text(one.grace) or "none",
                tries,
                then,
                one.name,
            )
        )
    return table((">#", "when", "grace", "retries", "then", "policy"), rows)


def _days(length: BillingInterval, field: str) -> int:
    days = check_interval(length, field).days
    if not days:
        raise InvalidInput(field, str(length), "is not in days", "write it like '14 DAY'")
    return days


def _text(length: BillingInterval | None) -> str:
    return "" if length is None else f"{length.count} {length.unit}"


# ---------------------------------------------------------------------------------- mistakes


def dunning_mistakes(
    policies: Sequence[DunningPolicy | None],
    products: Mapping[str, Product],
    known: Iterable[str] = (),
) -> Iterator[InvalidInput]:
    """Yield what is wrong with policies in a catalog: unknown names, targets that cost, dead rows.

    ``known`` are ids of products that exist beside ``products``, and None stands for a policy that
    could not be read.
    """
    ids = {*products, *known}
    for place, policy in enumerate(policies):
        if policy is None:
            continue
        where = f"dunning[{place}]"
        unknown = [*_unknown(where, policy, ids)]
        yield from unknown
        if unknown:
            continue
        named = products.get(policy.product or "")
        if named is not None and not policy.matches(named):
            yield InvalidInput(
                f"{where}.product", named.id, f"is no {policy.family}", "drop one of the two"
            )
            continue
        governed = [one for one in products.values() if policy.matches(one)]
        family = policy.family if named is None else named.family
        if _covered(policy.product, family, policies[:place]):
            yield InvalidInput(
                where, policy.name, "can never match", "move it above the broader one, or drop it"
            )
        elif (target := products.get(policy.to or "")) is not None:
            yield from _target_mistakes(where, target, governed)


def _unknown(where: str, policy: DunningPolicy, ids: set[str]) -> Iterator[InvalidInput]:
    for field in ("product", "to"):
        name = getattr(policy, field)
        if name is not None and name not in ids:
            yield UnknownName(
                f"{where}.{field}",
                name,
                f"is not in the catalog, so the policy {policy.name!r} cannot apply",
                one_of(sorted(ids), "the catalog has none yet"),
            )


def _covered(
    product: str | None, family: Family | None, earlier: Iterable[DunningPolicy | None]
) -> bool:
    return any(
        one.family in (None, family) and one.product in (None, product)
        for one in earlier
        if one is not None
    )


def _target_mistakes(
    where: str, target: Product, governed: Sequence[Product]
) -> Iterator[InvalidInput]:
    others = [one for one in governed if one.id != target.id]
    strangers = [one.id for one in others if one.family is not target.family]
    if strangers:
        yield InvalidInput(
            f"{where}.to",
            target.id,
            f"is another family than {', '.join(strangers)}",
            "name the policy's family",
        )
    if not all(price.free for price in target.prices):
        yield InvalidInput(
            f"{where}.to", target.id, "is not free", "name a product whose prices are all zero"
        )
    sold = {currency for _, currency in target.offers()}
    for one in others:
        for code in sorted({currency for _, currency in one.offers()} - sold):
            yield InvalidInput(
                f"{where}.to",
                target.id,
                f"is not sold in {code}, in which {one.id} is",
                f"add a price in {code}",
            )
