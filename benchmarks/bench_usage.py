"""Time status webhooks on their way to durable debits: signed bodies in, committed entries out.

Run ``python benchmarks/bench_usage.py [WEBHOOKS]``. Each webhook is one signed body with one
status, as Meta sends them; they are received in batches on a SQLite file with ``synchronous=FULL``.
A batch is one commit. Target: 100,000 in under 20 s.
"""

import hashlib
import hmac
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from monochat_billing import Billing, money, sample_catalog
from monochat_billing.adapters.sql import SqlStorage
from monochat_billing.adapters.whatsapp import WhatsApp, meta_message_rates
from monochat_billing.campaigns import CampaignPart
from monochat_billing.charge_models import Dynamic
from monochat_billing.fees import FeeBase, OwnFee
from monochat_billing.message_terms import MessageTax, MessageTerms
from monochat_billing.rating import MessageCategory
from monochat_billing.send_commands import SentMessage

SECRET = "a secret of the benchmark"  # noqa: S105 - it guards nothing
NOON = datetime(2026, 10, 5, 9, tzinfo=UTC)
BATCH = 1000
HELD = 10_000
CODES = {"90": "Turkey", "49": "Germany", "44": "United Kingdom", "91": "India"}
CATEGORIES = ("marketing", "utility", "authentication")

Webhook = tuple[Mapping[str, str], bytes]


def shape(number: int) -> tuple[str, str]:
    """Choose calling code and category of a message."""
    return list(CODES)[number % 4], CATEGORIES[number % 3]


def webhook(number: int) -> Webhook:
    """Write the webhook that tells of the delivery of one message, as Meta would."""
    code, category = shape(number)
    status = {
        "id": f"wamid.{number:08}",
        "status": "delivered",
        "timestamp": "1791190800",
        "recipient_id": f"{code}{number:010}",
        "conversation": {"id": "c", "origin": {"type": category}},
        "pricing": {
            "billable": True,
            "pricing_model": "PMP",
            "category": category,
            "type": "regular",
        },
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "900000000000", "phone_number_id": "106"},
        "statuses": [status],
    }
    entry = {"id": "1", "changes": [{"value": value, "field": "messages"}]}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
    signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={signed}"}, body


def open_service(path: str) -> tuple[Billing, WhatsApp]:
    """Open a service on a file, with an account that can pay for everything."""
    half = OwnFee(model=Dynamic(multiplier=Fraction(1, 20)), base=FeeBase.PROVIDER_FEE)
    terms = MessageTerms(rates=meta_message_rates(), own=(half,), tax=MessageTax())
    channel = WhatsApp(app_secrets=SECRET, terms=terms)
    billing = Billing(
        catalog=sample_catalog(),
        storage=SqlStorage(f"sqlite:///{path}"),
        channel=channel,
        clock=lambda: NOON,
    )
    billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["USD"])
    billing.balances.credit("acme", money("1000000", "USD"), reason="bench", key="credit")
    billing.messages.register_number("acme", "106")
    return billing, channel


def hold(billing: Billing, channel: WhatsApp, first: int, last: int) -> None:
    """Hold for messages and note that they were sent."""
    sent = [
        SentMessage(
            id=channel.message_id(f"wamid.{number:08}"),
            number="106",
            market=CODES[shape(number)[0]],
            category=MessageCategory(shape(number)[1]),
            sent_at=NOON,
        )
        for number in range(first, last)
    ]
    parts = [
        CampaignPart(market=market, category=MessageCategory(category), messages=count)
        for (market, category), count in _counted(sent).items()
    ]
    held = billing.messages.hold("acme", parts, key=f"campaign-{first}")
    billing.messages.sent("acme", sent, hold=held.id)


def _counted(sent: list[SentMessage]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = {}
    for one in sent:
        key = one.market, one.category.value
        counts[key] = counts.get(key, 0) + 1
    return counts


def batches(webhooks: list[Webhook]) -> Iterator[list[Webhook]]:
    """Cut webhooks into batches."""
    for first in range(0, len(webhooks), BATCH):
        yield webhooks[first : first + BATCH]


def main(count: int) -> None:
    """Time holding, receiving and receiving again."""
    webhooks = [webhook(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        billing, channel = open_service(str(Path(folder) / "bench.db"))
        began = now()
        for first in range(0, count, HELD):
            hold(billing, channel, first, min(first + HELD, count))
        report("held and noted as sent", count, began)
        for what in ("received, charged and committed", "received once more, all repeated"):
            began = now()
            for batch in batches(webhooks):
                billing.messages.receive_many(batch)
            report(what, count, began)
        balance = billing.balances.list("acme")["USD"]
        posted, held = balance.money(balance.posted), balance.money(balance.held)
        sys.stdout.write(f"left: {posted}, held: {held}\n")
        if not billing.verify("acme").sound:
            raise SystemExit("the books do not add up")


def now() -> tuple[float, float]:
    """Read the clock, and the processor's time, which other work on the machine does not touch."""
    return time.perf_counter(), time.process_time()


def report(what: str, count: int, began: tuple[float, float]) -> None:
    """Print one line."""
    clock, processor = (end - start for start, end in zip(began, now(), strict=True))
    sys.stdout.write(
        f"{count:>9,} {what}: {clock:6.2f} s ({processor:5.2f} s of the processor), "
        f"{count / clock:>8,.0f}/s\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
