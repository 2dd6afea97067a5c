"""A service that sends WhatsApp messages, and Meta's webhooks as Meta would sign them."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from monochat_billing import Billing, Catalog, money, sample_catalog
from monochat_billing.adapters.whatsapp import WhatsApp, meta_message_rates
from monochat_billing.campaigns import CampaignPart
from monochat_billing.message_commands import MessageReport
from monochat_billing.message_terms import MessageTerms
from monochat_billing.messages import Message
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Storage
from monochat_billing.send_commands import SendHold, SentMessage
from monochat_billing.service.messages import Received
from tests.desk import Clock

SECRET = "a secret of the tests"  # noqa: S105 - it guards nothing
NUMBER = "106"
CODES = {"Turkey": "90", "Germany": "49", "India": "91", "United Kingdom": "44"}

Json = dict[str, Any]
Webhook = tuple[Mapping[str, str], bytes]


def recipient(market: str, person: int = 1) -> str:
    """Give a number that nobody has, in a market."""
    return f"{CODES[market]}0000{person:06}"


def status(
    name: str,
    word: str,
    *,
    at: datetime,
    market: str | None = "Turkey",
    category: str | None = None,
    kind: str = "regular",
    **more: Any,  # noqa: ANN401 - whatever Meta may send
) -> Json:
    """Write one status of a message; with a category it carries pricing."""
    found: Json = {"id": f"wamid.{name}", "status": word, "timestamp": str(int(at.timestamp()))}
    if market is not None:
        found["recipient_id"] = recipient(market)
    if category is not None:
        found["pricing"] = {"pricing_model": "PMP", "type": kind, "category": category}
    return found | more


def webhook(statuses: Iterable[Json], *, number: str = NUMBER, secret: str = SECRET) -> Webhook:
    """Write a webhook, signed as Meta signs it."""
    value = {"metadata": {"phone_number_id": number}, "statuses": list(statuses)}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    return signed(body, secret), body


def signed(body: bytes, secret: str = SECRET) -> Mapping[str, str]:
    """Give the headers of a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


@attrs.define
class MessageDesk:
    """Hold a service with one account and one business number, and speak to it as Meta does."""

    billing: Billing
    clock: Clock
    channel: WhatsApp
    storage: Storage

    def id(self, name: str) -> str:
        """Give the id of a message by its name in a test."""
        return self.channel.message_id(f"wamid.{name}")

    def tell(self, *statuses: Json, number: str = NUMBER) -> MessageReport:
        """Send one webhook, and give what it led to on the account."""
        return self.receive(*statuses, number=number).reports["acme"]

    def receive(self, *statuses: Json, number: str = NUMBER) -> Received:
        """Send one webhook."""
        return self.billing.messages.receive(*webhook(statuses, number=number))

    def arrived(self, name: str, category: str = "marketing", **more: Any) -> MessageReport:  # noqa: ANN401 - as status
        """Tell that a message was delivered now, with its price."""
        return self.tell(status(name, "delivered", at=self.clock.now, category=category, **more))

    def hold(
        self,
        names: Sequence[str],
        category: str = "marketing",
        market: str = "Turkey",
        *,
        expects_free: bool | None = None,
    ) -> SendHold:
        """Hold for messages of one kind, and say that they were sent."""
        part = CampaignPart(market=market, category=category, messages=len(names), reference=NUMBER)
        held = self.billing.messages.hold("acme", [part], key=f"send-{names[0]}")
        sent = [self.message(name, category, market, expects_free=expects_free) for name in names]
        self.billing.messages.sent("acme", sent, hold=held.id)
        return held

    def message(
        self, name: str, category: str, market: str, *, expects_free: bool | None = None
    ) -> SentMessage:
        """Describe a message that was sent now."""
        return SentMessage(
            id=self.id(name),
            number=NUMBER,
            market=market,
            category=MessageCategory(category),
            sent_at=self.clock.now,
            expects_free=expects_free,
        )

    def get(self, name: str) -> Message:
        """Give a message that is known."""
        found = self.billing.messages.get("acme", self.id(name))
        assert found is not None
        return found

    @property
    def posted(self) -> int:
        """Give the balance in micro-units."""
        return self.billing.balances.list("acme")["USD"].posted

    @property
    def held(self) -> int:
        """Give what is held in micro-units."""
        return self.billing.balances.list("acme")["USD"].held

    def events(self) -> list[str]:
        """Name the account's events in their order."""
        return [type(one.event).__name__ for one in self.billing.events("acme", limit=10_000)]


def build_messages(
    storage: Storage,
    clock: Clock,
    terms: MessageTerms | None = None,
    *,
    credit: str = "100",
    currencies: Sequence[str] = ("USD",),
    catalog: Catalog | None = None,
) -> MessageDesk:
    """Build a service with an account that has ``credit`` dollars and the number 106."""
    channel = WhatsApp(app_secrets=SECRET, terms=terms or MessageTerms(rates=meta_message_rates()))
    billing = Billing(
        catalog=catalog or sample_catalog(), storage=storage, channel=channel, clock=clock
    )
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=currencies)
    if credit:
        billing.balances.credit("acme", money(credit, "USD"), reason="opening", key="opening")
    billing.messages.register_number("acme", NUMBER)
    return MessageDesk(billing, clock, channel, storage)
