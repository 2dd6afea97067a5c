"""Cases: pages neither skip nor repeat, due work is found in order, a read sees one moment."""

from datetime import datetime
from typing import Final

import attrs

from monochat_billing.payments import UNSETTLED, TopUp, TopUpState
from monochat_billing.repositories import Changes, Reader, Wanted
from monochat_billing.testing.storage_kit.bench import StorageDesk
from monochat_billing.testing.storage_kit.cases import CaseList, Tier, check
from monochat_billing.testing.storage_kit.values import (
    START,
    charging,
    later,
    open_account,
    opening,
    save,
    state_of,
    stored,
    top_up,
    usage,
)

CASES: Final = CaseList(Tier.SEMANTICS)


@CASES.case()
def pages_of_entries_join_to_the_whole(desk: StorageDesk) -> None:
    """Entries come in ascending order, in pages that begin after a number."""
    open_account(desk.storage, funds="10")
    names = [f"m-{n}" for n in range(6)]
    save(desk.storage, charging(state_of(stored(desk.storage)), names))

    def numbers(after: int, limit: int) -> list[int]:
        page = desk.storage.read(lambda reader: reader.entries("acme", after=after, limit=limit))
        return [entry.number for entry in page]

    check("first", numbers(0, 3), [1, 2, 3])
    check("second", numbers(3, 3), [4, 5, 6])
    check("third", numbers(6, 3), [7])
    check("beyond", numbers(7, 3), [])
    check("none", numbers(0, 0), [])


@CASES.case()
def pages_of_the_last_entries_ascend(desk: StorageDesk) -> None:
    """The last entries are those with the highest numbers, in ascending order."""
    open_account(desk.storage, funds="10")
    save(desk.storage, charging(state_of(stored(desk.storage)), ["a", "b", "c"]))
    for limit, numbers in ((2, [3, 4]), (9, [1, 2, 3, 4]), (0, [])):
        last = desk.storage.read(lambda reader: reader.last_entries("acme", limit))  # noqa: B023 - called at once
        check(f"the last {limit}", [entry.number for entry in last], numbers)


@CASES.case()
def pages_of_usage_keep_the_order_of_storing(desk: StorageDesk) -> None:
    """Usage comes in the order in which it was stored, with every field."""
    open_account(desk.storage, funds="10")
    save(desk.storage, charging(state_of(stored(desk.storage)), ["z", "y"]))
    state = state_of(stored(desk.storage))
    free = usage("x", billable=False, reference="")
    save(desk.storage, Changes(state, state.with_books(state.books), usage=(free,)))

    def ids(after: int, limit: int) -> list[str]:
        page = desk.storage.read(lambda reader: reader.usage("acme", after=after, limit=limit))
        return [one.record.id for one in page]

    check("first", ids(0, 2), ["z", "y"])
    check("second", ids(2, 2), ["x"])
    check("beyond", ids(3, 2), [])
    whole = desk.storage.read(lambda reader: reader.usage("acme"))
    check("usage", tuple(whole), (usage("z", 2), usage("y", 3), free))


@CASES.case()
def pages_of_events_have_no_gaps(desk: StorageDesk) -> None:
    """Events are numbered from 1 without gaps, and come in pages that begin after a number."""
    open_account(desk.storage, funds="10")
    for name in ("a", "b"):
        save(desk.storage, charging(state_of(stored(desk.storage)), [name]))
    page = desk.storage.read(lambda reader: reader.events("acme", after=1, limit=5))
    check("page", [one.number for one in page], [2, 3])
    first = desk.storage.read(lambda reader: reader.events("acme", limit=1))
    check("first", tuple(first), opening().events)
    check("counted", state_of(stored(desk.storage)).account.events, 3)


@CASES.case()
def pages_of_accounts_are_sorted(desk: StorageDesk) -> None:
    """Account ids come sorted by code point, in pages that begin after an id."""
    for name in ("b", "a", "d", "c", "B"):
        open_account(desk.storage, name)

    def ids(after: str, limit: int) -> tuple[str, ...]:
        return tuple(desk.storage.read(lambda reader: reader.accounts(after=after, limit=limit)))

    check("first", ids("", 3), ("B", "a", "b"))
    check("second", ids("b", 3), ("c", "d"))
    check("between", ids("bb", 1), ("c",))


@CASES.case()
def pages_below_zero_are_empty_or_the_first(desk: StorageDesk) -> None:
    """A negative limit gives nothing, and a negative place is the beginning."""
    open_account(desk.storage, funds="10", next_due_at=START)
    save(desk.storage, charging(state_of(stored(desk.storage)), ["a", "b"]))
    save(desk.storage, charging(state_of(stored(desk.storage)), ["c"]))

    def sizes(after: int, limit: int) -> list[int]:
        def work(reader: Reader) -> list[int]:
            pages = (reader.entries, reader.usage, reader.events)
            return [len(page("acme", after=after, limit=limit)) for page in pages]

        return desk.storage.read(work)

    check("all", [sizes(-5, 100), sizes(0, 100)], [[4, 3, 3]] * 2)
    check("two", [sizes(-5, 2), sizes(-1, 2)], [[2, 2, 2]] * 2)
    check("none", [sizes(0, -1), sizes(1, -7), sizes(-3, -1)], [[0, 0, 0]] * 3)

    def others(reader: Reader) -> list[int]:
        return [
            len(reader.last_entries("acme", -1)),
            len(reader.accounts(limit=-1)),
            len(reader.due(START, -1)),
            len(reader.unsettled_top_ups("sandbox", limit=-1)),
        ]

    check("others", desk.storage.read(others), [0, 0, 0, 0])


@CASES.case()
def pages_of_nobody_are_empty(desk: StorageDesk) -> None:
    """What an account that does not exist has, is nothing."""

    def work(reader: Reader) -> list[int]:
        found = (
            reader.entries("x"),
            reader.last_entries("x", 3),
            reader.lots("x"),
            reader.schedule("x"),
            reader.holds("x"),
            reader.usage("x"),
            reader.events("x"),
        )
        return [len(one) for one in found]

    check("sizes", desk.storage.read(work), [0] * 7)


@CASES.case()
def pages_of_unsettled_top_ups_join_to_the_whole(desk: StorageDesk) -> None:
    """A gateway's unsettled top-ups come once each, sorted by account and id."""
    states = list(TopUpState)
    wanted = []
    for account in ("a", "b"):
        open_account(desk.storage, account)
        state = state_of(stored(desk.storage, account))
        after = state
        for at, one in enumerate(states):
            made = top_up(f"{account}-{at}", account=account, state=one)
            after = after.with_top_up(after.books, made)
            wanted += [(account, made.id)] if one in UNSETTLED else []
        strange = top_up(f"{account}-other", account=account, gateway="other")
        after = after.with_top_up(after.books, strange)
        save(desk.storage, Changes(state, after))
    found: list[tuple[str, str]] = []
    last = ("", "")
    while page := desk.storage.read(
        lambda reader: reader.unsettled_top_ups("sandbox", after=last, limit=3)  # noqa: B023 - called at once
    ):
        found += page
        last = found[-1]
        if len(found) > len(wanted):
            break
    check("unsettled", found, sorted(wanted))


@CASES.case()
def pages_of_an_accounts_top_ups_are_the_newest_first(desk: StorageDesk) -> None:
    """Those of one instant go by their id; pages join to the whole, of one state or of any."""
    open_account(desk.storage, "a")
    open_account(desk.storage, "b")
    made = [
        top_up("t-0", account="a", state=TopUpState.OPEN),
        top_up("t-2", account="a", state=TopUpState.EXPIRED, created_at=later(hours=1)),
        top_up("t-1", account="a", state=TopUpState.OPEN, created_at=later(hours=1)),
        top_up("t-9", account="a", state=TopUpState.FAILED, created_at=later(hours=-1)),
        top_up("t-5", account="b", created_at=later(hours=1)),
    ]
    for one in made:
        state = state_of(stored(desk.storage, one.account))
        save(desk.storage, Changes(state, state.with_top_up(state.books, one)))
    moved = attrs.evolve(made[3], state=TopUpState.EXPIRED)
    state = state_of(
        desk.storage.read(
            lambda reader: reader.load([Wanted("a", top_ups=frozenset(["t-9"]))])["a"]
        )
    )
    save(desk.storage, Changes(state, state.with_top_up(state.books, moved)))

    def pages(state: TopUpState | None, limit: int) -> list[str]:
        found: list[TopUp] = []
        last: tuple[datetime, str] | None = None
        while page := desk.storage.read(
            lambda reader: reader.account_top_ups("a", before=last, state=state, limit=limit)  # noqa: B023 - called at once
        ):
            found += page
            last = page[-1].created_at, page[-1].id
            if len(found) > len(made):
                break
        return [one.id for one in found]

    check("whole", [pages(None, 9), pages(None, 1)], [["t-2", "t-1", "t-0", "t-9"]] * 2)
    check("open", pages(TopUpState.OPEN, 1), ["t-1", "t-0"])
    check("expired", pages(TopUpState.EXPIRED, 2), ["t-2", "t-9"])
    nothing = desk.storage.read(
        lambda reader: [
            *reader.account_top_ups("a", limit=-1),
            *reader.account_top_ups("nobody"),
        ]
    )
    check("nothing", nothing, [])


@CASES.case()
def due_the_longest_due_comes_first(desk: StorageDesk) -> None:
    """Due accounts come by their instant and then by id, up to and including the instant asked."""
    open_account(desk.storage, "a little later", next_due_at=later(hours=1))
    open_account(desk.storage, "first", next_due_at=START)
    open_account(desk.storage, "never")
    open_account(desk.storage, "far", next_due_at=later(days=9))
    open_account(desk.storage, "also first", next_due_at=START)

    def due(hours: int, limit: int) -> tuple[str, ...]:
        until = later(hours=hours)
        return tuple(desk.storage.read(lambda reader: reader.due(until, limit)))

    check("in an hour", due(1, 10), ("also first", "first", "a little later"))
    check("two of them", due(1, 2), ("also first", "first"))
    check("now", due(0, 10), ("also first", "first"))
    check("before", due(-1, 10), ())


@CASES.case()
def due_moves_with_its_instant(desk: StorageDesk) -> None:
    """An account is found at its latest due instant only, and not at all without one."""
    open_account(desk.storage, "a", next_due_at=START)
    open_account(desk.storage, "b", next_due_at=later(hours=1))

    def move(to: datetime | None) -> tuple[str, ...]:
        state = state_of(stored(desk.storage, "a"))
        head = attrs.evolve(state.account, next_due_at=to)
        save(desk.storage, Changes(state, attrs.evolve(state, account=head)))
        return tuple(desk.storage.read(lambda reader: reader.due(later(days=9), 10)))

    check("later", move(later(hours=2)), ("b", "a"))
    check("never", move(None), ("b",))
    check("first", move(START), ("a", "b"))


@CASES.case()
def moment_a_load_and_its_history_agree(desk: StorageDesk) -> None:
    """The state that is loaded is what its entries, lots and events say."""
    open_account(desk.storage, funds="10")
    save(desk.storage, charging(state_of(stored(desk.storage)), ["a", "b", "c"]))

    def work(reader: Reader) -> tuple[int, int, int]:
        state = state_of(reader.load([Wanted("acme")])["acme"])
        entries = reader.entries("acme")
        check("sequence", state.books.sequence, entries[-1].number)
        check("events", state.account.events, reader.events("acme")[-1].number)
        return (
            state.books.balance("TRY").posted,
            sum(entry.amount for entry in entries),
            sum(lot.remaining for lot in reader.lots("acme")),
        )

    check("posted, entries, lots", desk.storage.read(work), (9_997_300,) * 3)
