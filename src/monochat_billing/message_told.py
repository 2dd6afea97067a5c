"""Told statuses: what a provider's status means on its local day, before any account is asked.

*Owns* reading statuses by cards and zones: local day, market, whether it can be priced, and which
messages and tallies an account has to load for it; the protocol of whoever brings statuses.
*Does not own* what becomes of the message (:mod:`monochat_billing.message_charging`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, NamedTuple, Protocol, final

from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.message_regimes import month_of
from monochat_billing.message_terms import MessageTerms
from monochat_billing.messages import (
    AsideReason,
    BusinessNumber,
    SetAsideStatus,
    StatusReport,
    fee_tally,
    number_tally,
    service_tally,
    tier_tally,
)
from monochat_billing.rating import MessageCategory

__all__ = ["MessageChannel", "Reading", "Told", "read_statuses", "set_aside", "tallies_of"]

_NOTHING: Final[tuple[str, ...]] = ()


@final
class Reading(NamedTuple):
    """Hold what statuses of one number, day, markets, category and flag have in common.

    The four names are those of the tallies that count such a message; ``service`` is empty where
    no free service messages are counted, ``fee`` where no own fee has tiers.
    """

    month: date
    day: date
    market: str
    tier: str
    service: str
    fee: str
    number: str
    reason: str


@final
class Told(NamedTuple):
    """Hold a status, what it means if it can be priced, and why it cannot if it must be set aside.

    One that says nothing of a price has neither.
    """

    status: StatusReport
    reading: Reading | None = None
    aside: AsideReason | None = None
    detail: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Give the names of the tallies that a charge by this status needs."""
        found = self.reading
        if found is None:
            return _NOTHING
        return tuple([one for one in (found.tier, found.service, found.fee, found.number) if one])


def read_statuses(
    statuses: Iterable[StatusReport],
    terms: MessageTerms,
    numbers: Mapping[str, BusinessNumber],
) -> list[Told]:
    """Read statuses by the zone of their number, which ``numbers`` must have.

    Nothing raises: what cannot be read is to be set aside.
    """
    zones = {one: check_zone(number.zone) for one, number in numbers.items()}
    known: dict[tuple[object, ...], Told] = {}
    told: list[Told] = []
    for status in statuses:
        if status.problem is not None:
            told.append(Told(status, None, status.problem, status.detail))
            continue
        if status.billable is None or not status.word.arrived:
            told.append(Told(status))
            continue
        day = status.at.astimezone(zones[status.number]).date()
        key = status.number, day, status.markets, status.category, status.billable
        found = known.get(key)
        if found is None:
            found = known[key] = _read(status, day, terms)
        told.append(Told(status, found.reading, found.aside, found.detail))
    return told


def _read(status: StatusReport, day: date, terms: MessageTerms) -> Told:
    category = status.category
    if category is None:
        return Told(status, None, AsideReason.UNKNOWN_CATEGORY)
    try:
        card, regime = terms.rates.cards.in_force(day), terms.rates.regimes.in_force(day)
    except InvalidInput as error:
        return Told(status, None, AsideReason.NO_CARD, str(error.value))
    market = next((one for one in status.markets if one in card.rates), None)
    if market is None:
        named = ", ".join(status.markets) or "no recipient"
        return Told(status, None, AsideReason.UNKNOWN_MARKET, f"{named} on {card.name}")
    if status.billable and card.units_for(market, category) is None:
        detail = f"{category.value} in {market} by {card.name}"
        return Told(status, None, AsideReason.NOT_OFFERED, detail)
    month = month_of(day)
    counted = category is MessageCategory.SERVICE and regime.free_service_messages
    return Told(
        status,
        Reading(
            month=month,
            day=day,
            market=market,
            tier=tier_tally(month, market, category),
            service=service_tally(month, status.number) if counted else "",
            fee=fee_tally(month) if terms.tiered else "",
            number=number_tally(month, status.number, market, category),
            reason=f"{category.value}, {market}",
        ),
    )


def tallies_of(told: Iterable[Told]) -> frozenset[str]:
    """Name the tallies that statuses may need."""
    readings = {one.reading for one in told if one.reading is not None}
    return frozenset(
        name for one in readings for name in (one.tier, one.service, one.fee, one.number) if name
    )


def set_aside(
    status: StatusReport, reason: AsideReason, detail: str, account: str, received_at: datetime
) -> SetAsideStatus:
    """Set a status aside under an id that derives from what it says.

    >>> from datetime import UTC
    >>> from monochat_billing.messages import StatusWord
    >>> said = StatusReport(
    ...     number="106", message="m-1", word=StatusWord.READ, at=datetime(2026, 10, 5, tzinfo=UTC)
    ... )
    >>> first, second = (
    ...     set_aside(said, AsideReason.UNKNOWN_NUMBER, "", "", datetime(2026, 10, day, tzinfo=UTC))
    ...     for day in (5, 6)
    ... )
    >>> first.id == second.id, len(first.id)
    (True, 32)
    """
    said = (
        status.number,
        status.message,
        status.word.value,
        status.at.isoformat(),
        ",".join(status.markets),
        status.category or "",
        str(status.billable),
        str(status.problem),
        status.detail,
        ",".join(status.words),
    )
    digest = hashlib.sha256("\x1f".join(said).encode("utf-8", "surrogatepass")).hexdigest()
    return SetAsideStatus(
        id=digest[:32],
        account=account,
        reason=reason,
        detail=detail,
        status=status,
        received_at=received_at,
    )


class MessageChannel(Protocol):
    """Say how one provider's webhooks are read, and by which terms its messages are charged."""

    @property
    def terms(self) -> MessageTerms:
        """Give the terms that messages are charged by."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> tuple[StatusReport, ...]:
        """Check that a webhook is genuine and give what its statuses say.

        What of a genuine webhook cannot be understood is among them, with its problem.

        Raises:
            ForgedCallback: it is not genuine.
            InvalidInput: as a whole it is no webhook of messages, or too long.
        """
        ...

    def reread(self, status: StatusReport) -> StatusReport:
        """Read a status again that was set aside; what is understood by now has no problem."""
        ...

    def message_id(self, provider_id: str) -> str:
        """Give the id of a message by what the provider calls it; it tells nobody's number."""
        ...

    def markets(self, phone_number: str) -> tuple[str, ...]:
        """Give the markets that a number can belong to, the most specific first.

        Raises:
            InvalidInput: it is no international phone number.
        """
        ...
