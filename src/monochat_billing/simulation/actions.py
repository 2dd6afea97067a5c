"""Actions: what can happen to an account in a simulation, each a command of the service as data.

*Owns* the actions, what each of them needs to be right before anything runs, and which command of
the service it stands for.
*Does not own* when they happen (``scenarios``), or any rule of billing: the service decides.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, final

import attrs

from monochat_billing.adapters.sandbox import SandboxGateway, payment_id, sign_callback
from monochat_billing.balance import PAID, DebitMode, Terms
from monochat_billing.cancellations import CancelMode, as_cancel_mode
from monochat_billing.change_rules import as_timing
from monochat_billing.counters import MeterRecord
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import utc
from monochat_billing.intervals import check_interval
from monochat_billing.money import Money, amount_text, to_units
from monochat_billing.payments import Payment, PaymentStatus
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import AnyCatalog, ChangeTiming
from monochat_billing.rating import RateCards, UsageRecord
from monochat_billing.service import Billing

__all__ = [
    "Action",
    "BuyPack",
    "Cancel",
    "Change",
    "Charge",
    "Credit",
    "Pause",
    "Resume",
    "ScheduleChange",
    "Subscribe",
    "TopUp",
    "Use",
    "sandbox",
]

_SECRET: Final = "nothing is paid in a simulation"  # noqa: S105 - it guards nothing
_PAGE: Final = "http://127.0.0.1:9"


def sandbox() -> SandboxGateway:
    """Build the gateway through which top-ups of a simulation are paid; no page is ever opened."""
    return SandboxGateway(_SECRET, page_url=_PAGE)


class Action(Protocol):
    """Do one thing to an account."""

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:
        """Refuse what can never be right, before anything runs.

        Raises:
            InvalidInput: a field cannot be right.
            UnknownName: the catalog does not know what is named.
        """
        ...

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Ask the service for it under ``key``; give what it returns, or raise its error."""
        ...


def _check_amount(amount: object, field: str) -> None:
    if not isinstance(amount, Money) or to_units(amount, field=field) <= 0:
        raise InvalidInput(field, amount, "is no amount above zero", 'pass money("100", "TRY")')


def _check_ahead(on: datetime | None, field: str, at: datetime) -> None:
    if on is not None and utc(on, field=field) <= at:
        raise InvalidInput(field, on.isoformat(), f"is not after {at.isoformat()}", "plan ahead")


@final
@attrs.frozen
class TopUp:
    """Pay an amount of money in, through a gateway, as a buyer does; it is settled at once.

    >>> from monochat_billing.money import money
    >>> print(TopUp(money("100", "TRY")))
    top up 100 TRY
    """

    amount: Money

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - what an action may look at
        """Refuse an amount that is not above zero."""
        _check_amount(self.amount, "top_up.amount")

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Start the top-up and send the gateway's callback that it was paid."""
        checkout = billing.top_ups.start(
            account, self.amount, gateway="sandbox", return_url=_PAGE, key=key
        )
        paid = Payment(
            gateway="sandbox",
            top_up=checkout.top_up,
            payment=payment_id(checkout.top_up),
            status=PaymentStatus.PAID,
            amount=self.amount,
        )
        return billing.top_ups.receive("sandbox", *sign_callback(_SECRET, paid))

    def __str__(self) -> str:
        return f"top up {amount_text(self.amount)} {self.amount.currency.code}"


@final
@attrs.frozen
class Credit:
    """Credit an amount without a payment, such as an opening balance; ``terms`` are its lot's."""

    amount: Money
    reason: str = "opening balance"
    terms: Terms = PAID

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse an amount that is not above zero."""
        _check_amount(self.amount, "credit.amount")

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Credit it."""
        return billing.balances.credit(
            account, self.amount, reason=self.reason, terms=self.terms, key=key
        )

    def __str__(self) -> str:
        amount = f"{amount_text(self.amount)} {self.amount.currency.code}"
        return f"{self.reason}: {amount}"


@final
@attrs.frozen
class Charge:
    """Debit an amount for something that the catalog does not price."""

    amount: Money
    reason: str

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse an amount that is not above zero, or no reason."""
        _check_amount(self.amount, "charge.amount")
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise InvalidInput("charge.reason", self.reason, "is empty", "say what is charged")

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Debit it."""
        return billing.balances.debit(account, self.amount, reason=self.reason, key=key)

    def __str__(self) -> str:
        return f"charge {amount_text(self.amount)} {self.amount.currency.code}"


@final
@attrs.frozen
class Subscribe:
    """Start a plan, a support package or an add-on."""

    product: str
    interval: BillingInterval
    currency: str | None = None
    quantity: int = 1
    trial: bool = True

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse a product that the catalog does not sell so."""
        product = catalog.at(at).product(self.product)
        product.quantity(self.quantity)
        check_interval(self.interval, "subscribe.interval")
        if self.currency is not None:
            product.price(self.interval, self.currency, at)
        elif all(interval != self.interval for interval, _ in product.offers()):
            product.price(self.interval, "", at)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Subscribe."""
        return billing.subscriptions.subscribe(
            account,
            self.product,
            self.interval,
            key=key,
            currency=self.currency,
            quantity=self.quantity,
            trial=self.trial,
        )

    def __str__(self) -> str:
        return f"subscribe to {self.product}, {self.interval}"


@final
@attrs.frozen
class Change:
    """Change what is held: preview the change, and do what the preview shows.

    ``to`` is the product after it, None where only the ``interval`` of ``of`` changes. Without a
    ``timing`` the catalog's rules decide when it takes place.
    """

    to: str | None = None
    interval: BillingInterval | None = None
    timing: ChangeTiming | None = None
    of: str | None = None
    quantity: int | None = None

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse a product that the catalog does not know, an interval or a timing that is none."""
        if self.to is None and self.of is None:
            raise InvalidInput("change.to", None, "is missing", "name the product, or of=")
        if self.interval is not None:
            check_interval(self.interval, "change.interval")
        if self.timing is not None:
            as_timing(self.timing)
        for name in (self.to, self.of):
            if name is not None:
                catalog.at(at).product(name)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Preview and change."""
        quote = billing.subscriptions.preview(
            account,
            to=self.to,
            interval=self.interval,
            timing=self.timing,
            of=self.of,
            quantity=self.quantity,
            key=key,
        )
        return billing.subscriptions.change(quote)

    def __str__(self) -> str:
        often = f", {self.interval}" if self.interval else ""
        return f"change to {self.to or self.of}{often}"


@final
@attrs.frozen
class ScheduleChange:
    """Plan a change for the period's end, or for the instant ``on``."""

    to: str
    interval: BillingInterval | None = None
    on: datetime | None = None

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse an unknown product, or an instant that is not ahead."""
        catalog.at(at).product(self.to)
        _check_ahead(self.on, "schedule.on", at)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Schedule it."""
        timing = ChangeTiming.END_OF_PERIOD if self.on is None else ChangeTiming.AT
        return billing.schedule.change(
            account, to=self.to, interval=self.interval, timing=timing, at=self.on, key=key
        )

    def __str__(self) -> str:
        often = f", {self.interval}" if self.interval else ""
        when = "the period's end" if self.on is None else self.on.isoformat()
        return f"plan {self.to}{often} for {when}"


@final
@attrs.frozen
class Cancel:
    """End what is held: now with a ``mode``, or with its period, or the instant ``on``."""

    what: str
    mode: CancelMode | None = None
    on: datetime | None = None

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse an unknown product, or an instant that is not ahead."""
        catalog.at(at).product(self.what)
        _check_ahead(self.on, "cancel.on", at)
        if self.mode is not None:
            as_cancel_mode(self.mode)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Cancel, or schedule the cancel."""
        if self.mode is None:
            return billing.schedule.cancel(account, self.what, at=self.on, key=key)
        return billing.subscriptions.cancel(account, self.what, mode=self.mode, key=key)

    def __str__(self) -> str:
        return f"cancel {self.what}"


@final
@attrs.frozen
class Pause:
    """Pause what is held."""

    what: str

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse a product that the catalog does not know."""
        catalog.at(at).product(self.what)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Pause it."""
        return billing.subscriptions.pause(account, self.what, key=key)

    def __str__(self) -> str:
        return f"pause {self.what}"


@final
@attrs.frozen
class Resume:
    """Let what is paused go on."""

    what: str

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse a product that the catalog does not know."""
        catalog.at(at).product(self.what)

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Resume it."""
        return billing.subscriptions.resume(account, self.what, key=key)

    def __str__(self) -> str:
        return f"resume {self.what}"


@final
@attrs.frozen
class BuyPack:
    """Buy a pack, or another one-off, from the balance."""

    pack: str
    quantity: int = 1
    currency: str | None = None

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:  # noqa: ARG002 - as above
        """Refuse a pack that the catalog does not know, or no quantity."""
        one_off = catalog.at(at).one_off(self.pack)
        if self.currency is not None:
            one_off.price(self.currency, at)
        if type(self.quantity) is not int or self.quantity < 1:
            raise InvalidInput("pack.quantity", self.quantity, "is no quantity", "pass 1 or more")

    def perform(self, billing: Billing, account: str, key: str) -> object:
        """Buy it."""
        return billing.packs.buy(
            account, self.pack, quantity=self.quantity, currency=self.currency, key=key
        )

    def __str__(self) -> str:
        return f"buy {self.quantity} x {self.pack}"


def _records(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - refuses what is no list
    if not isinstance(value, Iterable) or isinstance(value, str):
        raise InvalidInput("use.records", value, "is no list of records", "pass a list of them")
    return tuple(value)


@final
@attrs.frozen
class Use:
    """Record usage: messages, or records of any meter, not both in one.

    With ``mode`` FORCED, records of meters are taken below zero instead of being refused.

    Raises:
        InvalidInput: there is no record, or they are of two kinds.

    >>> Use([])
    Traceback (most recent call last):
    monochat_billing.errors.InvalidInput: use.records: () is empty; pass at least one record
    """

    records: tuple[MeterRecord, ...] | tuple[UsageRecord, ...] = attrs.field(converter=_records)
    mode: DebitMode = DebitMode.WHOLE

    def __attrs_post_init__(self) -> None:
        if not self.records:
            raise InvalidInput("use.records", (), "is empty", "pass at least one record")
        for kind in (MeterRecord, UsageRecord):
            if all(isinstance(one, kind) for one in self.records):
                return
        kinds = sorted({type(one).__name__ for one in self.records})
        raise InvalidInput(
            "use.records", ", ".join(kinds), "are not of one kind", "make a step of each kind"
        )

    def check(self, catalog: AnyCatalog, rates: RateCards | None, at: datetime) -> None:
        """Refuse usage that has no rate, or that lies ahead of the step."""
        for one in self.records:
            if one.occurred_at > at:
                raise InvalidInput(
                    "use.records",
                    f"{one.id} of {one.occurred_at.isoformat()}",
                    f"lies ahead of its step at {at.isoformat()}",
                    "record usage when it has happened, or later",
                )
            if isinstance(one, MeterRecord):
                catalog.at(one.occurred_at).meter(one.meter)
        if rates is None and not isinstance(self.records[0], MeterRecord):
            raise InvalidInput("rates", None, "is missing", "pass rate cards to the scenario")

    def perform(self, billing: Billing, account: str, key: str) -> object:  # noqa: ARG002 - a record's own id is its key
        """Record it."""
        records: Sequence[Any] = self.records
        if self.mode is not DebitMode.WHOLE:
            return billing.usage.record(account, records, mode=self.mode)
        return billing.usage.record(account, records)

    def __str__(self) -> str:
        return f"use {len(self.records)} records"
