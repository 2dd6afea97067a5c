"""From message statuses to usage records: each message once, in any order of its statuses."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, final
from zoneinfo import ZoneInfo

import attrs

from monochat_billing.adapters.whatsapp.rates import METER, market_of
from monochat_billing.adapters.whatsapp.webhooks import MessageStatus
from monochat_billing.errors import InvalidInput
from monochat_billing.periods import check_zone
from monochat_billing.rating import MessageCategory, RateCards, UsageRecord

__all__ = [
    "CollectedUsage",
    "SetAside",
    "SetAsideReason",
    "Unpriced",
    "collect_usage",
    "read_pricing",
]

_CATEGORIES: Final[Mapping[str, MessageCategory]] = {
    "authentication": MessageCategory.AUTHENTICATION,
    "authentication_international": MessageCategory.AUTHENTICATION_INTERNATIONAL,
    "marketing": MessageCategory.MARKETING,
    "marketing_lite": MessageCategory.MARKETING,  # Marketing Messages API: the same rate
    "referral_conversion": MessageCategory.SERVICE,  # a free entry point: never charged
    "service": MessageCategory.SERVICE,
    "utility": MessageCategory.UTILITY,
}
_ALWAYS_FREE: Final = "referral_conversion"
_KNOWN_STATUSES: Final = frozenset({"delivered", "failed", "read", "sent"})


@final
class SetAsideReason(StrEnum):
    """Say why a message that reached its recipient could not become a usage record."""

    CONTRADICTORY = "contradictory"
    NOT_OFFERED = "not offered"
    NO_CARD = "no card"
    NO_PRICING = "no pricing"
    UNKNOWN_CATEGORY = "unknown category"
    UNKNOWN_MARKET = "unknown market"
    UNKNOWN_STATUS = "unknown status"
    UNKNOWN_TYPE = "unknown pricing type"


@final
@attrs.frozen(kw_only=True)
class SetAside:
    """Hold one message that was neither charged nor dropped, and the reason.

    ``detail`` is Meta's word that was not understood. A message that is set aside for want of
    pricing may have been charged before: Meta sends pricing with only one of *delivered* and
    *read*, and the other may come later by itself. So look the message id up before settling it.
    """

    message_id: str
    reason: SetAsideReason
    detail: str
    occurred_at: datetime
    reference: str


@final
@attrs.frozen(kw_only=True)
class CollectedUsage:
    """Hold what a batch of statuses amounts to.

    Every message of the batch is in exactly one of ``records`` (it was delivered or read),
    ``set_aside``, ``failed`` and ``only_sent``; the last two are counts of messages. ``repeated``
    counts the statuses that said of a message what another one had said already. Records and
    set-aside messages are in the order of their instants, then of their ids.
    """

    records: tuple[UsageRecord, ...]
    set_aside: tuple[SetAside, ...]
    failed: int
    only_sent: int
    repeated: int


class Unpriced(Exception):
    """Carry why a message is set aside up to where its ids are known."""

    def __init__(self, reason: SetAsideReason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def collect_usage(
    statuses: Iterable[MessageStatus], *, cards: RateCards, zone: str
) -> CollectedUsage:
    """Turn message statuses into one usage record for each message that arrived.

    *Read* counts as *delivered*, and either beats *failed*, whatever came first. Meta sends pricing
    with one of the two, and that status makes the record: its pricing and its instant. (The pricing
    of *sent* is not used: Meta may correct it on delivery.) The instant's local date in ``zone``,
    the IANA name of the WhatsApp Business Account's zone, chooses the card whose markets count.

    ``regular`` is billable and ``free_…`` is not. Any other type, a category or market that is
    unknown or not offered, missing pricing and statuses that contradict each other set the message
    aside.

    The result does not depend on the order or repetition of the statuses. Nor does it depend on how
    they are cut into batches, except that a message may come again with the same record id, by
    which it is charged once, and that what one batch lacks may stand in another.

    Raises:
        InvalidInput: when there is no such zone. What the statuses say never raises.
    """
    local = check_zone(zone)
    seen = list(statuses)
    by_message: dict[str, list[MessageStatus]] = {}
    for status in seen:
        by_message.setdefault(status.message_id, []).append(status)
    records: list[UsageRecord] = []
    set_aside: list[SetAside] = []
    failed = only_sent = 0
    for own in by_message.values():
        words = {status.status for status in own}
        arrived = [status for status in own if status.status in {"delivered", "read"}]
        first = min(arrived or own, key=_place)
        if arrived:
            try:
                records.append(_record(own, arrived, cards, local))
            except Unpriced as why:
                set_aside.append(_aside(first, why.reason, why.detail))
        elif "failed" in words:
            failed += 1
        elif words <= _KNOWN_STATUSES:
            only_sent += 1
        else:
            unknown = ", ".join(sorted(words - _KNOWN_STATUSES))
            set_aside.append(_aside(first, SetAsideReason.UNKNOWN_STATUS, unknown))
    return CollectedUsage(
        records=tuple(sorted(records, key=lambda record: (record.occurred_at, record.id))),
        set_aside=tuple(sorted(set_aside, key=lambda one: (one.occurred_at, one.message_id))),
        failed=failed,
        only_sent=only_sent,
        repeated=len(seen) - len({(status.message_id, status.status) for status in seen}),
    )


def _place(status: MessageStatus) -> tuple[datetime, str]:
    """Order statuses of one message, also when they are of one second."""
    return status.occurred_at, status.phone_number_id


def _aside(first: MessageStatus, reason: SetAsideReason, detail: str) -> SetAside:
    return SetAside(
        message_id=first.message_id,
        reason=reason,
        detail=detail,
        occurred_at=first.occurred_at,
        reference=first.phone_number_id,
    )


def _record(
    own: list[MessageStatus], arrived: list[MessageStatus], cards: RateCards, zone: ZoneInfo
) -> UsageRecord:
    reference = _agreed("phone-number id", {status.phone_number_id for status in own})
    recipient = _agreed("recipient", {status.recipient for status in own if status.recipient})
    priced = [status for status in arrived if status.pricing_type is not None]
    if not priced:
        raise Unpriced(SetAsideReason.NO_PRICING, "")
    category, billable = read_pricing(priced)
    at = min([one for one in priced if one.status == "delivered"] or priced, key=_place).occurred_at
    try:
        card = cards.in_force(at.astimezone(zone).date())
    except InvalidInput as error:
        raise Unpriced(SetAsideReason.NO_CARD, str(error.value)) from None
    try:
        market = market_of(recipient, card)
    except InvalidInput as error:
        raise Unpriced(SetAsideReason.UNKNOWN_MARKET, str(error.value)) from None
    if billable and card.units_for(market, category) is None:
        raise Unpriced(SetAsideReason.NOT_OFFERED, f"{category.value} in {market} by {card.name}")
    return UsageRecord(
        id=own[0].message_id,
        meter=METER,
        occurred_at=at,
        market=market,
        category=category,
        billable=billable,
        reference=reference,
    )


def _agreed(what: str, values: set[str]) -> str:
    """Return the one value that the statuses of a message agree on, or empty text for none."""
    if len(values) > 1:
        raise Unpriced(SetAsideReason.CONTRADICTORY, f"more than one {what}")
    return next(iter(values), "")


def read_pricing(priced: Sequence[MessageStatus]) -> tuple[MessageCategory, bool]:
    """Return the category of a message and whether Meta charges it, by statuses with pricing.

    Raises:
        Unpriced: they do not agree, or say what this library does not know.
    """
    types = {(status.pricing_type or "", status.pricing_subtype or "") for status in priced}
    words = {(status.pricing_category or "").lower().replace("-", "_") for status in priced}
    if len(types) > 1 or len(words) > 1:
        told = sorted({kind for kind, _ in types} | words)
        raise Unpriced(SetAsideReason.CONTRADICTORY, ", ".join(told))
    kind, subtype = types.pop()
    word = words.pop()
    free = kind.startswith("free_")
    if not free and (kind != "regular" or subtype):
        raise Unpriced(SetAsideReason.UNKNOWN_TYPE, f"{kind} {subtype}".strip())
    if word not in _CATEGORIES:
        raise Unpriced(SetAsideReason.UNKNOWN_CATEGORY, word)
    if any(status.pricing_billable is free for status in priced):  # None agrees with either
        raise Unpriced(SetAsideReason.CONTRADICTORY, f"{kind} and billable {str(free).lower()}")
    if word == _ALWAYS_FREE and not free:
        raise Unpriced(SetAsideReason.CONTRADICTORY, f"{kind} {word}")
    return _CATEGORIES[word], not free
