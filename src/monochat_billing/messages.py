"""Messages: what an account sent, what became of each message, and what a month has counted.

*Owns* a message and its state table, what a provider's status says of it, business numbers and
whose they are, the tallies of a month, and statuses that were set aside.
*Does not own* what a message costs (:mod:`monochat_billing.message_terms`), what it does to the
books (:mod:`monochat_billing.message_charging`), or the words of a provider's webhook (adapters).

The state table, drawn from :data:`MESSAGE_MOVES`::

    HELD      charge → CHARGED   arrive → ARRIVED   fail → FAILED
    ARRIVED   charge → CHARGED
    FAILED    charge → CHARGED   arrive → ARRIVED

CHARGED is final, and beats everything: a message is charged once, or found free once. ARRIVED is a
message that was delivered or read without the provider's word on its price: what is held for it
stays held. A message that nobody has told of begins as HELD with nothing held. RELEASED is not in
the table: when a hold's age is over, nothing is held for its messages any more and none of them is
written; whoever reads one is shown it as it is by then (:meth:`Message.under`).

No value of this module has a field for a recipient's number.
"""

import enum
from collections.abc import Container, Mapping
from datetime import date, datetime
from typing import Final, final

import attrs

from monochat_billing.errors import IllegalTransition, InvalidInput
from monochat_billing.periods import check_zone
from monochat_billing.rating import MessageCategory
from monochat_billing.texts import check_identity

__all__ = [
    "MESSAGE_MOVES",
    "NO_TRAFFIC",
    "AsideReason",
    "BusinessNumber",
    "Message",
    "MessageMove",
    "MessageState",
    "SetAsideStatus",
    "StatusReport",
    "StatusWord",
    "Tally",
    "Traffic",
    "fee_tally",
    "number_tally",
    "service_tally",
    "tier_tally",
]


@final
class MessageState(enum.StrEnum):
    """Name what became of a message.

    >>> MessageState("CHARGED") is MessageState.CHARGED
    True
    """

    HELD = "HELD"
    ARRIVED = "ARRIVED"
    CHARGED = "CHARGED"
    FAILED = "FAILED"
    RELEASED = "RELEASED"


@final
class MessageMove(enum.StrEnum):
    """Name what can happen to a message."""

    ARRIVE = "arrive"
    CHARGE = "charge"
    FAIL = "fail"


MESSAGE_MOVES: Final[Mapping[tuple[MessageState, MessageMove], MessageState]] = {
    (MessageState.HELD, MessageMove.CHARGE): MessageState.CHARGED,
    (MessageState.HELD, MessageMove.ARRIVE): MessageState.ARRIVED,
    (MessageState.HELD, MessageMove.FAIL): MessageState.FAILED,
    (MessageState.ARRIVED, MessageMove.CHARGE): MessageState.CHARGED,
    (MessageState.FAILED, MessageMove.CHARGE): MessageState.CHARGED,
    (MessageState.FAILED, MessageMove.ARRIVE): MessageState.ARRIVED,
}
"""Every move that means something; any other status of a message is a repetition."""


@final
class StatusWord(enum.StrEnum):
    """Name what a status says of a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def arrived(self) -> bool:
        """Tell whether the message reached its recipient: read counts as delivered."""
        return self in _ARRIVED


_ARRIVED: Final = frozenset({StatusWord.DELIVERED, StatusWord.READ})


@final
class AsideReason(enum.StrEnum):
    """Say why a status was neither applied nor dropped."""

    CONTRADICTORY = "contradictory"
    MALFORMED = "malformed"
    NO_BALANCE = "no balance"
    NO_CARD = "no card"
    NOT_OFFERED = "not offered"
    UNKNOWN_CATEGORY = "unknown category"
    UNKNOWN_MARKET = "unknown market"
    UNKNOWN_NUMBER = "unknown number"
    UNKNOWN_STATUS = "unknown status"
    UNKNOWN_TYPE = "unknown pricing type"


@final
@attrs.frozen(kw_only=True)
class StatusReport:
    """Hold what one status says of one message, in the words of this library.

    ``number`` is the business number's id at the provider; ``message`` identifies the message and
    tells nothing of its recipient. ``markets`` are those that the recipient's calling code can
    belong to, the most specific first: a card decides between them. ``billable`` is the provider's
    word on whether it charges, None where it says nothing; ``category`` then is None too.
    ``problem`` says what of the status was not understood, with its ``detail``; ``words`` are then
    the provider's own, so that a later version of this library may understand them.
    """

    number: str
    message: str
    word: StatusWord
    at: datetime
    markets: tuple[str, ...] = ()
    category: MessageCategory | None = None
    billable: bool | None = None
    problem: AsideReason | None = None
    detail: str = ""
    words: tuple[str, ...] = ()


@final
@attrs.frozen(kw_only=True)
class SetAsideStatus:
    """Hold a status that was neither applied nor dropped, and the reason.

    ``id`` derives from what it says, so that a repetition is the same one. ``account`` is empty
    where nobody has registered its number.
    """

    id: str
    account: str
    reason: AsideReason
    detail: str
    status: StatusReport
    received_at: datetime

    def __str__(self) -> str:
        what = f"{self.status.word} of {self.status.message or 'a message'}"
        detail = f" ({self.detail})" if self.detail else ""
        return f"{what}, number {self.status.number or '-'}: {self.reason.value}{detail}"


def _zone(value: str) -> str:
    return check_zone(value).key


def _number(value: str) -> str:
    if "/" in check_identity(value, "number"):
        raise InvalidInput("number", value, "holds a slash", "pass the provider's id unchanged")
    return value


@final
@attrs.frozen(kw_only=True)
class BusinessNumber:
    """Say whose a business number is: the id it has at the provider, and the account.

    ``zone`` is that of its WhatsApp Business Account: its days choose cards and months.

    Raises:
        InvalidInput: the id is no id, or there is no such zone.

    >>> BusinessNumber(id="106", account="acme", zone="Europe/Istanbul").zone
    'Europe/Istanbul'
    """

    id: str = attrs.field(converter=_number)
    account: str
    zone: str = attrs.field(converter=_zone)

    def __str__(self) -> str:
        return f"{self.id} of {self.account} in {self.zone}"


@final
@attrs.frozen(kw_only=True)
class Message:
    """Record one message and what became of it.

    ``share`` is what a hold still has set aside for it, in the balance's smallest unit, as are
    ``provider``, ``own`` and ``tax``: the lines of its charge. ``expected`` is the category that it
    was sent as and ``expected_free`` whether it was to be free (None: nobody said); ``category`` is
    the provider's word once it was charged. ``entry`` is the debit from its hold, ``excess`` the
    forced one of what came above the hold or after it. ``tier`` and ``place`` say which message of
    the month it was. ``at`` is the instant of the status that decided, of sending before that.

    >>> from datetime import UTC
    >>> one = Message(
    ...     id="wamid.1", number="106", state=MessageState.HELD, market="Turkey", category=None,
    ...     at=datetime(2026, 10, 5, tzinfo=UTC), expected=MessageCategory.UTILITY,
    ... )
    >>> print(one)
    wamid.1: to Turkey, HELD
    """

    id: str
    number: str
    state: MessageState
    market: str
    category: MessageCategory | None
    at: datetime
    hold: str = ""
    share: int = 0
    expected: MessageCategory | None = None
    expected_free: bool | None = None
    free: bool = False
    provider: int = 0
    own: int = 0
    tax: int = 0
    card: str = ""
    tier: int | None = None
    place: int = 0
    prepaid: str = ""
    entry: int | None = None
    excess: int | None = None

    def __str__(self) -> str:
        kind = f" {self.category}" if self.category else ""
        return f"{self.id}:{kind} to {self.market}, {self.state}"

    @property
    def cost(self) -> int:
        """Give what the message cost in all, in the balance's smallest unit."""
        return self.provider + self.own + self.tax

    @property
    def differs(self) -> bool:
        """Tell whether the provider charged another category, or free otherwise than expected."""
        if self.state is not MessageState.CHARGED:
            return False
        return (self.expected is not None and self.expected is not self.category) or (
            self.expected_free is not None and self.expected_free is not self.free
        )

    def under(self, open_holds: Container[str]) -> "Message":
        """Return the message as it is while these holds are open: released where its own is not.

        What has arrived stays so, with nothing held for it.
        """
        if not self.share or self.hold in open_holds:
            return self
        held = self.state is MessageState.HELD
        return attrs.evolve(self, share=0, state=MessageState.RELEASED if held else self.state)

    def require(self, move: MessageMove) -> MessageState:
        """Give the state that ``move`` leads to.

        Raises:
            IllegalTransition: the state table has no such move.
        """
        state = MESSAGE_MOVES.get((self.state, move))
        if state is None:
            raise IllegalTransition("message", self.id, self.state, move)
        return state


@final
@attrs.frozen
class Tally:
    """Count messages, how many of them were free, and what they cost, in the smallest unit.

    >>> Tally(messages=2, provider=1800).plus(Tally(messages=1, free=1)).messages
    3
    """

    messages: int = 0
    free: int = 0
    provider: int = 0
    own: int = 0
    tax: int = 0

    @property
    def cost(self) -> int:
        """Give what they cost in all."""
        return self.provider + self.own + self.tax

    def plus(self, more: "Tally") -> "Tally":
        """Return the sum of two tallies."""
        return Tally(
            self.messages + more.messages,
            self.free + more.free,
            self.provider + more.provider,
            self.own + more.own,
            self.tax + more.tax,
        )


def tier_tally(month: date, market: str, category: MessageCategory) -> str:
    """Name the tally that volume tiers are counted by.

    >>> tier_tally(date(2026, 10, 1), "Turkey", MessageCategory.UTILITY)
    '2026-10/tier/Turkey/utility'
    """
    return f"{month:%Y-%m}/tier/{market}/{category.value}"


def service_tally(month: date, number: str) -> str:
    """Name the tally of a number's free service messages."""
    return f"{month:%Y-%m}/service/{number}"


def fee_tally(month: date) -> str:
    """Name the tally that own fees with tiers are counted by."""
    return f"{month:%Y-%m}/fee"


def number_tally(month: date, number: str, market: str, category: MessageCategory) -> str:
    """Name the tally of what a number sent to a market in a category.

    >>> number_tally(date(2026, 10, 1), "106", "Turkey", MessageCategory.UTILITY)
    '2026-10/number/106/Turkey/utility'
    """
    return f"{month:%Y-%m}/number/{number}/{market}/{category.value}"


@final
@attrs.frozen(kw_only=True)
class Traffic:
    """Hold what of an account's messages is at hand: never all, only what a command asked for.

    ``messages`` by id and ``tallies`` by name are those that were asked for and exist, and what a
    decision made of them. ``asides`` are statuses that a decision set aside, by id, and
    ``settled`` the ids of earlier ones that have found their place.
    """

    messages: Mapping[str, Message] = attrs.field(factory=dict)
    tallies: Mapping[str, Tally] = attrs.field(factory=dict)
    asides: Mapping[str, SetAsideStatus] = attrs.field(factory=dict)
    settled: frozenset[str] = frozenset()


NO_TRAFFIC: Final = Traffic()
"""Nothing at hand: what every command has that asked for no message."""
