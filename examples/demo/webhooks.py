"""Write a file of WhatsApp status webhooks, and say what it should come to.

The file is JSON Lines: one POST body in Meta's documented form on each line, with 1 to 50 statuses.
It holds what happens in production: statuses out of order and more than once, messages read without
having been delivered, failures, free messages, a category that Meta corrects on delivery, and a few
that nobody can price. The same arguments give the same bytes.

What the messages should cost is computed here from the card's decimals alone, without the library's
rating, so that a test can compare the two. No number is anybody's: after the calling code come
zeros that no numbering plan allows.

    python examples/demo/webhooks.py webhooks.jsonl --messages 10000 --seed 2026
"""

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["FEWEST", "FIRST", "LAST", "MESSAGES", "SEED", "Manifest", "write_webhooks"]

SEED: Final = 2026
MESSAGES: Final = 10_000
FIRST: Final = datetime(2026, 10, 5, 6, tzinfo=UTC)
LAST: Final = datetime(2026, 10, 25, 18, tzinfo=UTC)

BUSINESS_NUMBERS: Final = (("900000000100", "106540352242922"), ("900000000200", "106540352242923"))
MOST_STATUSES: Final = 50
SHORTEST_SPAN: Final = 7_200
MICRO: Final = 1_000_000

# Market, calling code with as many zeros as make the number impossible, digits, weight.
MARKETS: Final = (
    ("Turkey", "900000", 12, 50),
    ("Germany", "490000", 12, 8),
    ("United Kingdom", "440000", 12, 6),
    ("India", "910000", 12, 6),
    ("North America", "10000", 11, 5),
    ("United Arab Emirates", "97100", 12, 5),
    ("Netherlands", "3100", 11, 4),
    ("Saudi Arabia", "96600", 12, 4),
    ("Kazakhstan", "7600", 11, 3),
    ("Russia", "7000", 11, 2),
    ("Rest of Western Europe", "4300", 11, 2),
    ("Rest of Latin America", "1809000", 11, 2),
    ("Other", "8200", 11, 2),
    ("Other", "1242000", 11, 1),
)
CATEGORIES: Final = (
    ("marketing", 33),
    ("marketing_lite", 3),
    ("utility", 34),
    ("authentication", 14),
    ("authentication-international", 4),
    ("service", 12),
)
# Messages that cannot be priced: what stands in their pricing instead, None for no pricing at all.
ODDITIES: Final[tuple[dict[str, Any] | None, ...]] = (
    {"type": "max_price", "billable": True},
    {"type": "max_price", "billable": True},
    {"type": "regular", "billable": True, "subtype": "paid_exempt"},
    {"category": "group_utility"},
    {"category": "business_agent"},
    {"type": "regular", "billable": False},
    None,
)
# Every oddity once, with an ordinary message beside each.
FEWEST: Final = 2 * len(ODDITIES)


@attrs.frozen(kw_only=True)
class Manifest:
    """Hold what the file should come to.

    ``charged``, ``free``, ``failed``, ``only_sent`` and ``set_aside`` are numbers of messages and
    add up to ``messages``. ``total_units`` is the price of the charged ones in millionths of
    ``currency``; ``charged_by_category`` divides their number by category of the card.
    """

    messages: int
    charged: int
    free: int
    failed: int
    only_sent: int
    set_aside: int
    statuses: int
    duplicates: int
    bodies: int
    currency: str
    total_units: int
    charged_by_category: dict[str, int]
    charged_by_market: dict[str, int]


@attrs.frozen(kw_only=True)
class Message:
    """Hold one message of the file: to which market, in which category, and what becomes of it."""

    id: str
    business: int
    recipient: str
    market: str
    category: str
    kind: str
    fate: str
    sent_at: int
    odd: int | None = None


def write_webhooks(
    path: Path,
    *,
    messages: int = MESSAGES,
    seed: int = SEED,
    first: datetime = FIRST,
    last: datetime = LAST,
) -> Manifest:
    """Write the bodies of exactly ``messages`` messages that happen in ``[first, last)``.

    The file appears whole or not at all.
    """
    if not datetime(2026, 10, 2, tzinfo=UTC) <= first < last <= datetime(2026, 12, 31, tzinfo=UTC):
        raise ValueError("the span has to lie within the last quarter of 2026")
    if int((last - first).total_seconds()) < SHORTEST_SPAN or messages < FEWEST:
        raise ValueError(f"at least {SHORTEST_SPAN} s and {FEWEST} messages, please")
    chance = random.Random(seed)  # noqa: S311 - an example, not a secret
    card = october_card()
    span = (int(first.timestamp()), int(last.timestamp()))
    drawn = list(draw(chance, card, messages, seed, span))
    events = [event for message in drawn for event in statuses_of(chance, message)]
    repeated = [chance.choice(events) for _ in range(len(events) // 20)]
    order = [(at + chance.randrange(3_600), status) for at, status in events]
    order += [(at + chance.randrange(86_400), status) for at, status in repeated]
    order.sort(key=lambda one: one[0])
    bodies = list(bodies_of(chance, [status for _, status in order]))
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(body, separators=(",", ":")) + "\n" for body in bodies)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return expected(card, drawn, len(order), len(repeated), len(bodies))


def october_card() -> dict[str, Any]:
    """Read Meta's card of 2026-10-01 as it stands in the package."""
    data = resources.files("monochat_billing").joinpath("data", "whatsapp_rates.json")
    cards = json.loads(data.read_text(encoding="utf-8"))["cards"]
    (card,) = [card for card in cards if card["effective_from"] == "2026-10-01"]
    return dict(card)


def draw(
    chance: random.Random, card: dict[str, Any], count: int, seed: int, span: tuple[int, int]
) -> Iterator[Message]:
    """Draw the messages; the odd ones are spread evenly among them."""
    every = count // len(ODDITIES)
    for index in range(count):
        market, code, digits, _ = weighted(chance, MARKETS)
        category, _ = weighted(chance, CATEGORIES)
        if category == "authentication-international":
            row = card["markets"][market]
            category = category if row["authentication_international"] else "authentication"
        kind, category = kind_of(chance, category)
        odd, rest = divmod(index, every)
        is_odd = rest == every // 2 and odd < len(ODDITIES)
        yield Message(
            id=f"wamid.demo-{seed}-{index:06d}",
            business=chance.randrange(len(BUSINESS_NUMBERS)),
            recipient=code
            + str(chance.randrange(10 ** (digits - len(code)))).zfill(digits - len(code)),
            market=market,
            category="utility" if is_odd else category,
            kind="regular" if is_odd else kind,
            fate="read" if is_odd else fate_of(chance),
            sent_at=chance.randrange(span[0], span[1] - SHORTEST_SPAN + 1),
            odd=odd if is_odd else None,
        )


def weighted(chance: random.Random, table: Sequence[Any]) -> Any:  # noqa: ANN401 - rows of any table
    """Choose one row by the weight in its last column."""
    return chance.choices(table, weights=[row[-1] for row in table])[0]


def kind_of(chance: random.Random, category: str) -> tuple[str, str]:
    """Choose the pricing type: service is mostly within the free thousand, an ad frees the rest."""
    if category == "service":
        return ("free_customer_service" if chance.random() < 0.7 else "regular"), category  # noqa: PLR2004
    if chance.random() < 0.06:  # noqa: PLR2004
        return "free_entry_point", chance.choice((category, "referral_conversion"))
    return "regular", category


def fate_of(chance: random.Random) -> str:
    """Choose which statuses a message gets."""
    table = (
        ("delivered", 40),
        ("delivered then read", 46),
        ("read", 10),
        ("failed", 2),
        ("failed then delivered", 1),
        ("sent", 1),
    )
    return str(weighted(chance, table)[0])


def statuses_of(chance: random.Random, message: Message) -> list[tuple[int, dict[str, Any]]]:
    """Build the statuses of one message with their instants.

    Pricing stands on *sent* and on the first of *delivered* and *read*, as Meta documents it.
    """
    at = message.sent_at
    steps: list[tuple[int, str]] = [(at, "sent")]
    later = at + chance.randrange(1, 60)
    match message.fate:
        case "delivered" | "read" | "failed":
            steps.append((later, message.fate))
        case "delivered then read":
            steps += [(later, "delivered"), (later + chance.randrange(1, 3_600), "read")]
        case "failed then delivered":
            steps += [(later, "failed"), (later + chance.randrange(60, 3_600), "delivered")]
    pricing = pricing_of(message)
    estimated = pricing
    if pricing is not None and message.odd is None and chance.random() < 0.01:  # noqa: PLR2004
        estimated = pricing | {"category": "marketing"}
    found: list[tuple[int, dict[str, Any]]] = []
    told = False
    for instant, word in steps:
        status: dict[str, Any] = {
            "id": message.id,
            "status": word,
            "timestamp": str(instant),
            "recipient_id": message.recipient,
            "business": message.business,
        }
        if message.kind == "free_entry_point":
            status["conversation"] = {"id": f"c{message.id[-6:]}", "origin": {"type": message.kind}}
        if word == "failed":
            status["errors"] = [{"code": 131026, "title": "Message undeliverable"}]
        elif word == "sent" and estimated is not None:
            status["pricing"] = estimated
        elif word != "sent" and pricing is not None and not told:
            status["pricing"] = pricing
            told = True
        found.append((instant, status))
    return found


def pricing_of(message: Message) -> dict[str, Any] | None:
    """Build the pricing object of a message."""
    usual = {
        "billable": message.kind == "regular",
        "pricing_model": "PMP",
        "type": message.kind,
        "category": message.category,
    }
    if message.odd is None:
        return usual
    oddity = ODDITIES[message.odd]
    return None if oddity is None else usual | oddity


def bodies_of(chance: random.Random, statuses: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Cut the statuses into bodies, each with one change for every business number it is about."""
    place = 0
    while place < len(statuses):
        size = chance.randint(1, MOST_STATUSES)
        batch = statuses[place : place + size]
        place += size
        changes = []
        for number, (display, phone_number_id) in enumerate(BUSINESS_NUMBERS):
            own = [
                {key: value for key, value in status.items() if key != "business"}
                for status in batch
                if status["business"] == number
            ]
            if own:
                value = {
                    "messaging_product": "whatsapp",
                    "metadata": {
                        "display_phone_number": display,
                        "phone_number_id": phone_number_id,
                    },
                    "statuses": own,
                }
                changes.append({"value": value, "field": "messages"})
        yield {
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": changes}],
        }


def expected(
    card: dict[str, Any], drawn: list[Message], statuses: int, duplicates: int, bodies: int
) -> Manifest:
    """Work out what the messages come to, from the card's decimals alone."""
    fates: Counter[str] = Counter()
    by_category: Counter[str] = Counter()
    by_market: Counter[str] = Counter()
    total = Decimal(0)
    for message in drawn:
        if message.odd is not None:
            fates["set_aside"] += 1
        elif message.fate == "failed":
            fates["failed"] += 1
        elif message.fate == "sent":
            fates["only_sent"] += 1
        elif message.kind != "regular":
            fates["free"] += 1
        else:
            category = message.category.replace("-", "_").replace("marketing_lite", "marketing")
            fates["charged"] += 1
            by_category[category] += 1
            by_market[message.market] += 1
            total += Decimal(card["markets"][message.market][category])
    return Manifest(
        messages=len(drawn),
        charged=fates["charged"],
        free=fates["free"],
        failed=fates["failed"],
        only_sent=fates["only_sent"],
        set_aside=fates["set_aside"],
        statuses=statuses,
        duplicates=duplicates,
        bodies=bodies,
        currency=card["currency"],
        total_units=int(total * MICRO),
        charged_by_category=dict(sorted(by_category.items())),
        charged_by_market=dict(sorted(by_market.items())),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that the command line names and print its manifest as JSON."""
    parser = argparse.ArgumentParser(description="Write a file of WhatsApp status webhooks.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--first", type=datetime.fromisoformat, default=FIRST)
    parser.add_argument("--last", type=datetime.fromisoformat, default=LAST)
    asked = parser.parse_args(arguments)
    manifest = write_webhooks(
        asked.path,
        messages=asked.messages,
        seed=asked.seed,
        first=asked.first,
        last=asked.last,
    )
    print(json.dumps(attrs.asdict(manifest), indent=2))


if __name__ == "__main__":
    main()
