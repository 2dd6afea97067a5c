"""Cases: messages, meters, business numbers, and what has ended, is found only by who asks."""

from datetime import timedelta
from fractions import Fraction
from typing import Any, Final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.counters import Counter, MeteredUsage, MeterRecord
from monochat_billing.errors import StorageError
from monochat_billing.messages import (
    AsideReason,
    BusinessNumber,
    Message,
    MessageState,
    SetAsideStatus,
    StatusReport,
    StatusWord,
    Tally,
    Traffic,
)
from monochat_billing.periods import MONTH, BillingAnchor
from monochat_billing.rating import MessageCategory
from monochat_billing.repositories import Changes, Reader, UnitOfWork, Wanted
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.testing.storage_kit.bench import StorageDesk
from monochat_billing.testing.storage_kit.cases import CaseList, Tier, check, raises
from monochat_billing.testing.storage_kit.values import (
    START,
    open_account,
    save,
    state_of,
    stored,
    subscription,
    top_up,
)

CASES: Final = CaseList(Tier.SEMANTICS)

_PERIOD: Final = BillingAnchor.at(START, "Europe/Istanbul").period(MONTH, 0)


def _loaded(desk: StorageDesk, **wanted: Any) -> AccountState:  # noqa: ANN401 - of any kind
    found = desk.storage.read(lambda reader: reader.load([Wanted("acme", **wanted)]))
    return state_of(found["acme"])


def _message(name: str, **change: Any) -> Message:  # noqa: ANN401 - any field
    facts: dict[str, Any] = {
        "id": name,
        "number": "106",
        "state": MessageState.HELD,
        "market": "Turkey",
        "category": MessageCategory.UTILITY,
        "at": START,
        "share": 900,
        "expected_free": False,
        **change,
    }
    return Message(**facts)


def _with_traffic(state: AccountState, *messages: Message, **tallies: Tally) -> Changes:
    traffic = Traffic(
        messages={**state.traffic.messages, **{one.id: one for one in messages}},
        tallies={**state.traffic.tallies, **tallies},
    )
    return Changes(state, attrs.evolve(state, traffic=traffic))


def _metered(name: str, minutes: int = 0, **change: Any) -> MeteredUsage:  # noqa: ANN401 - any field
    record = MeterRecord(
        id=name,
        meter="storage.gb",
        quantity=Fraction(1, 3),
        occurred_at=START + timedelta(minutes=minutes),
        dimensions={"class": "cold"},
    )
    facts: dict[str, Any] = {
        "record": record,
        "recorded_at": START,
        "counter": "c-1",
        "period": _PERIOD,
        "amount": 7,
        "entries": (1,),
        **change,
    }
    return MeteredUsage(**facts)


def _counter(name: str = "c-1", **change: Any) -> Counter:  # noqa: ANN401 - any field
    facts: dict[str, Any] = {
        "id": name,
        "meter": "storage.gb",
        "period": _PERIOD,
        "used": Fraction(1, 3),
        "records": 1,
        "values": {"class": "cold"},
        **change,
    }
    return Counter(**facts)


@CASES.case()
def keeps_ended_subscriptions_apart(desk: StorageDesk) -> None:
    """A load gives subscriptions that live, and ended ones to those who ask for them."""
    open_account(desk.storage)
    state = _loaded(desk)
    live, ended = subscription("a"), subscription("b", state=SubscriptionState.CANCELED)
    after = state.with_subscription(state.books, ended)
    save(desk.storage, Changes(state, after.with_subscription(after.books, live)))
    check("live", dict(_loaded(desk).subscriptions), {"a": live})
    check("ended", list(_loaded(desk, ended=True).subscriptions.values()), [ended, live])
    listed = desk.storage.read(lambda reader: reader.subscriptions("acme"))
    check("listed", tuple(listed), (ended, live))
    state = _loaded(desk)
    again = subscription("b", version=2)
    taken = Changes(state, state.with_subscription(state.books, again))
    raises(StorageError, lambda: save(desk.storage, taken), "an ended subscription's id")


@CASES.case()
def keeps_messages_and_tallies(desk: StorageDesk) -> None:
    """Messages and tallies come to those who ask for them, are listed by id, and can change."""
    open_account(desk.storage)
    names = ["wamid.B", "wamid.a", "wamid.c"]
    first = [_message(name) for name in names]
    october = {"2026-10/fee": Tally(3, 1, 5, 6, 7), "2026-11/fee": Tally(1)}
    save(desk.storage, _with_traffic(_loaded(desk), *first, **october))
    check("unasked", _loaded(desk).traffic, Traffic())
    wanted = {"messages": frozenset({"wamid.a", "x"}), "tallies": frozenset({"2026-10/fee", "y"})}
    state = _loaded(desk, **wanted)
    check("messages", dict(state.traffic.messages), {"wamid.a": first[1]})
    check("tallies", dict(state.traffic.tallies), {"2026-10/fee": october["2026-10/fee"]})
    charged = attrs.evolve(first[1], state=MessageState.CHARGED, entry=4, free=True, share=0)
    more = Tally(4, 2, 5, 6, 7)
    save(desk.storage, _with_traffic(state, charged, **{"2026-10/fee": more}))

    def lists(reader: Reader) -> tuple[Any, ...]:
        return (
            list(reader.messages("acme", limit=2)),
            list(reader.messages("acme", after="wamid.a")),
            dict(reader.tallies("acme", "2026-10/")),
            dict(reader.tallies("acme", "2026-1")),
            list(reader.messages("nobody")),
        )

    both = {**october, "2026-10/fee": more}
    wanted_lists: tuple[Any, ...] = (
        [first[0], charged],
        [first[2]],
        {"2026-10/fee": more},
        both,
        [],
    )
    check("lists", desk.storage.read(lists), wanted_lists)


@CASES.case()
def keeps_metered_usage_and_counters(desk: StorageDesk) -> None:
    """Metered usage comes by id, or by instant in pages; counters come by meter and month."""
    open_account(desk.storage)
    state = _loaded(desk)
    records = [_metered("m-2", 5), _metered("m-1", 5), _metered("m-3", 9), _metered("m-0", 99)]
    counters = [_counter(), _counter("c-2", meter="seat")]
    hand = state.metered.with_records(records)
    for one in counters:
        hand = hand.with_counter(one)
    save(desk.storage, Changes(state, attrs.evolve(state, metered=hand)))
    check("unasked", _loaded(desk).metered.records, {})
    asked = _loaded(desk, metered=frozenset({"m-1"}), counters=frozenset({counters[0].bucket}))
    check("records", dict(asked.metered.records), {"m-1": records[1]})
    check("counters", dict(asked.metered.counters), {"c-1": counters[0]})

    def page(after: str, limit: int, minutes: int = 5) -> list[str]:
        since = START + timedelta(minutes=minutes)
        found = desk.storage.read(
            lambda reader: reader.metered(
                "acme", since=since, until=START + timedelta(minutes=99), after=after, limit=limit
            )
        )
        return [one.record.id for one in found]

    check(
        "pages",
        [page("", 2), page("m-1", 5), page("", 9, 6)],
        [
            ["m-1", "m-2"],
            ["m-2", "m-3"],
            ["m-3"],
        ],
    )
    corrected = attrs.evolve(records[1], corrected=1, replaced_by="m-9")
    moved = attrs.evolve(counters[0], used=Fraction(2, 7), records=2)
    hand = asked.metered.with_records([corrected]).with_counter(moved)
    save(desk.storage, Changes(asked, attrs.evolve(asked, metered=hand)))
    again = _loaded(desk, metered=frozenset({"m-1"}), counters=frozenset({moved.bucket}))
    check(
        "changed",
        (again.metered.records["m-1"], again.metered.counters["c-1"]),
        (
            corrected,
            moved,
        ),
    )
    state = _loaded(desk)
    for what, hand in (
        ("record", state.metered.with_records([_metered("m-2")])),
        ("counter", state.metered.with_counter(_counter())),
    ):
        taken = Changes(state, attrs.evolve(state, metered=hand))
        raises(StorageError, lambda: save(desk.storage, taken), f"a known {what}")  # noqa: B023 - called at once


def _aside(name: str, number: str = "106") -> SetAsideStatus:
    status = StatusReport(
        number=number, message="wamid.x", word=StatusWord.READ, at=START, words=("ü", "")
    )
    return SetAsideStatus(
        id=name,
        account="",
        reason=AsideReason.UNKNOWN_NUMBER,
        detail="ğ",
        status=status,
        received_at=START,
    )


@CASES.case()
def keeps_numbers_and_what_is_set_aside(desk: StorageDesk) -> None:
    """Business numbers are replaced when told anew; what is set aside is kept once."""
    for account in ("acme", "b"):
        open_account(desk.storage, account)
    first = BusinessNumber(id="106", account="acme", zone="Europe/Istanbul")
    other = BusinessNumber(id="107", account="b", zone="UTC")
    desk.storage.write(lambda unit: unit.register([first, other]))
    moved = attrs.evolve(first, account="b")
    desk.storage.write(lambda unit: unit.register([moved]))
    found = desk.storage.read(lambda reader: reader.numbers(["107", "106", "x"]))
    check("numbers", dict(found), {"106": moved, "107": other})
    nobodys = BusinessNumber(id="108", account="nobody", zone="UTC")
    raises(StorageError, lambda: desk.storage.write(lambda u: u.register([nobodys])), "nobody's")
    asides = [_aside("b"), _aside("a"), _aside("c", "107")]
    desk.storage.write(lambda unit: unit.set_aside(asides))
    changed = attrs.evolve(asides[1], detail="another")
    desk.storage.write(lambda unit: unit.set_aside([changed], ["b", "unknown"]))

    def lists(reader: Reader) -> list[list[str]]:
        return [
            [one.id + one.detail for one in page]
            for page in (
                reader.asides(),
                reader.asides(limit=1),
                reader.asides(after="a"),
                reader.asides(number="107"),
            )
        ]

    check("asides", desk.storage.read(lists), [["ağ", "cğ"], ["ağ"], ["cğ"], ["cğ"]])


@CASES.case()
def atomic_what_belongs_to_nobody_is_undone_too(desk: StorageDesk) -> None:
    """Numbers and statuses of a unit of work that fails are not kept."""
    for account in ("acme", "b"):
        open_account(desk.storage, account)
    kept = BusinessNumber(id="106", account="acme", zone="UTC")
    desk.storage.write(lambda unit: unit.register([kept]))
    desk.storage.write(lambda unit: unit.set_aside([_aside("a")]))

    def work(unit: UnitOfWork) -> None:
        unit.register([attrs.evolve(kept, account="b")])
        unit.set_aside([_aside("b")], ["a"])
        check("within", [one.id for one in unit.asides()], ["b"])
        check("its number", unit.numbers(["106"])["106"].account, "b")
        raise LookupError

    raises(LookupError, lambda: desk.storage.write(work), "the work")
    check("numbers", dict(desk.storage.read(lambda r: r.numbers(["106"]))), {"106": kept})
    check("asides", [one.id for one in desk.storage.read(lambda r: r.asides())], ["a"])


@CASES.case()
def pages_of_a_gateways_top_ups_join_to_the_whole(desk: StorageDesk) -> None:
    """All top-ups of a gateway come once each, by id, whatever became of them."""
    names = ["c", "a", "d", "b"]
    for account, mine in (("x", names[:2]), ("y", names[2:])):
        open_account(desk.storage, account)
        state = state_of(stored(desk.storage, account))
        after = state
        for name in mine:
            after = after.with_top_up(after.books, top_up(name, account))
        after = after.with_top_up(after.books, top_up(f"{account}-other", account, gateway="o"))
        save(desk.storage, Changes(state, after))

    def page(after: str, limit: int) -> list[str]:
        found = desk.storage.read(
            lambda reader: reader.top_ups("sandbox", after=after, limit=limit)
        )
        return [one.id for one in found]

    check("pages", [page("", 3), page("c", 3), page("", -1)], [["a", "b", "c"], ["d"], []])
    check("unknown", list(desk.storage.read(lambda reader: reader.top_ups("none"))), [])
