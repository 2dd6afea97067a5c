"""Cases: what was saved comes back as it was, and of history what was asked for."""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from monochat_billing.accounts import AccountState
from monochat_billing.balance import BalanceMove, EntryKind, credit, debit, give_back
from monochat_billing.errors import IdempotencyConflict, InsufficientFunds, StaleQuote
from monochat_billing.events import TopUpFailed
from monochat_billing.lots import Share
from monochat_billing.repositories import Changes, Storage, UnitOfWork, Wanted
from monochat_billing.scheduling import ScheduleMove
from monochat_billing.subscriptions import SubscriptionState
from monochat_billing.testing.storage_kit.bench import StorageDesk, everything
from monochat_billing.testing.storage_kit.cases import Capability, CaseList, Tier, check
from monochat_billing.testing.storage_kit.values import (
    BUYER,
    START,
    and_then,
    charging,
    crediting,
    debiting,
    key_record,
    later,
    lira,
    memo,
    new_account,
    open_account,
    opening,
    promotion,
    save,
    scheduled,
    state_of,
    stored,
    subscription,
    top_up,
    with_events,
)

CASES: Final = CaseList(Tier.SEMANTICS)


def _state(desk: StorageDesk, **wanted: Sequence[str]) -> AccountState:
    return state_of(stored(desk.storage, "acme", **wanted))


@CASES.case()
def keeps_nothing_of_an_account_that_does_not_exist(desk: StorageDesk) -> None:
    """Every account that is wanted is in the answer; one that does not exist has no state."""
    wanted = [Wanted("nobody"), Wanted("none")]
    loaded = desk.storage.read(lambda reader: reader.load(wanted))
    found = {name: one.state for name, one in loaded.items()}
    check("loaded", found, {"nobody": None, "none": None})


@CASES.case()
def keeps_an_account_as_it_was_saved(desk: StorageDesk) -> None:
    """An account comes back equal to what was saved, to the microsecond."""
    changes = opening(next_due_at=later(days=3))
    save(desk.storage, changes)
    check("state", _state(desk), changes.after)
    check("profile", _state(desk).account.profile, BUYER)
    open_account(desk.storage, "bare", profile=None)
    check("no profile", state_of(stored(desk.storage, "bare")).account.profile, None)


@CASES.case()
def keeps_balances_in_the_order_of_the_currencies(desk: StorageDesk) -> None:
    """Balances stand in the order in which they were opened."""
    order = ("USD", "TRY", "EUR", "GBP")
    open_account(desk.storage, currencies=order)
    check("order", tuple(_state(desk).books.balances), order)


@CASES.case()
def keeps_a_closed_balance_closed(desk: StorageDesk) -> None:
    """A balance comes back frozen or closed, with its credit limit."""
    billing = desk.billing()
    billing.accounts.open("acme", zone="UTC", currencies=["TRY", "USD", "EUR"])
    billing.balances.limit("acme", lira("7.5"), key="l")
    billing.balances.move("acme", "USD", BalanceMove.FREEZE, key="f")
    billing.balances.close("acme", "EUR", reason="not used", key="c")
    balances = _state(desk).books.balances
    states = {unit: (one.state.value, one.credit_limit) for unit, one in balances.items()}
    wanted = {"TRY": ("OPEN", 7_500_000), "USD": ("FROZEN", 0), "EUR": ("CLOSED", 0)}
    check("balances", states, wanted)


@CASES.case()
def keeps_a_millionth_and_the_largest_amount(desk: StorageDesk) -> None:
    """Amounts come back to the smallest unit, up to the largest that the library takes."""
    open_account(desk.storage)
    for amount in ("0.000001", "999999999999.999999", "0.1"):
        save(desk.storage, crediting(_state(desk), lira(amount)))
    save(desk.storage, debiting(_state(desk), lira("0.000002")))
    balance = _state(desk).books.balance("TRY")
    check("posted", balance.posted, 1_000_000_000_000_099_998)
    entries = desk.storage.read(lambda reader: reader.entries("acme"))
    amounts = [entry.amount for entry in entries]
    check("amounts", amounts, [1, 999_999_999_999_999_999, 100_000, -2])
    check("the last one's balance", entries[-1].balance_after, balance.posted)
    check("lots", sum(lot.remaining for lot in balance.lots), balance.posted)


@CASES.case()
def keeps_open_lots_in_burn_order(desk: StorageDesk) -> None:
    """Open lots are loaded in the order in which they burn, with all their terms."""
    open_account(desk.storage, funds="10")
    save(desk.storage, crediting(_state(desk), lira("20"), promotion()))
    save(desk.storage, crediting(_state(desk), lira("30")))
    lots = _state(desk).books.balance("TRY").lots
    check("order", [lot.number for lot in lots], [2, 1, 3])
    check("expiry", lots[0].expires_at, later(days=30))
    check("pays for", lots[0].pays_for, promotion().pays_for)


@CASES.case()
def keeps_spent_lots_out_of_a_load(desk: StorageDesk) -> None:
    """A spent lot is not loaded, is listed, and is loaded with an entry that names it."""
    open_account(desk.storage, funds="10")
    save(desk.storage, crediting(_state(desk), lira("30")))
    save(desk.storage, debiting(_state(desk), lira("15")))
    loaded = _state(desk).books.balance("TRY").lots
    check("loaded", [(lot.number, lot.remaining) for lot in loaded], [(2, 25_000_000)])
    kept = desk.storage.read(lambda reader: reader.lots("acme"))
    listed = [(lot.number, lot.remaining) for lot in kept]
    check("listed", listed, [(1, 0), (2, 25_000_000)])
    asked = desk.storage.read(lambda reader: reader.load([Wanted("acme", entries=frozenset({3}))]))
    state = state_of(asked["acme"])
    check("entries", list(state.entries), [3])
    check("with it", [lot.number for lot in state.books.balance("TRY").lots], [1, 2])


@CASES.case()
def keeps_a_spent_lot_that_comes_back(desk: StorageDesk) -> None:
    """A lot that was spent may get something back, and what corrects an entry comes with it."""
    open_account(desk.storage, funds="10")
    first = _state(desk)
    save(desk.storage, debiting(first, lira("10")))
    shares: tuple[Share, ...] = debit(first.books, lira("10"), memo()).shares
    state = _state(desk)
    back = give_back(state.books, lira("4"), shares, memo(EntryKind.PRORATION_CREDIT), 2)
    if back is None:
        raise AssertionError("nothing could be given back")
    save(desk.storage, Changes(state, state.with_books(back.books), (back.entry,)))
    kept = desk.storage.read(lambda reader: reader.lots("acme"))
    check("lots", [(lot.number, lot.remaining) for lot in kept], [(1, 4_000_000)])
    last = desk.storage.read(lambda reader: reader.last_entries("acme", 1))
    check("entry", (tuple(last), last[0].corrects), ((back.entry,), 2))
    wanted = Wanted("acme", entries=frozenset({2, 9}))
    asked = state_of(desk.storage.read(lambda reader: reader.load([wanted]))["acme"])
    check("entries", list(asked.entries), [2, 3])


@CASES.case()
def keeps_subscriptions_in_their_order(desk: StorageDesk) -> None:
    """Subscriptions come back in the order in which they were made, also when one changes."""
    open_account(desk.storage)
    state = _state(desk)
    first, second = subscription("zz"), subscription("aa", state=SubscriptionState.PAST_DUE)
    with_one = state.with_subscription(state.books, first)
    save(desk.storage, Changes(state, with_one))
    with_two = with_one.with_subscription(with_one.books, second)
    save(desk.storage, Changes(with_one, with_two))
    check("both", list(_state(desk).subscriptions.items()), [("zz", first), ("aa", second)])
    state = _state(desk)
    changed = attrs.evolve(first, version=2, state=SubscriptionState.PAST_DUE)
    save(desk.storage, Changes(state, state.with_subscription(state.books, changed)))
    check("changed", list(_state(desk).subscriptions.items()), [("zz", changed), ("aa", second)])


@CASES.case()
def keeps_pending_changes_and_decided_ones_when_asked(desk: StorageDesk) -> None:
    """A load gives what is pending, and what was decided only to those who ask for it."""
    open_account(desk.storage)
    state = _state(desk)
    pending = scheduled("pending", requested_at=later(hours=1))
    done = scheduled("done").ended(ScheduleMove.APPLY, later(days=1), "as planned")
    save(desk.storage, Changes(state, state.with_schedule([pending, done])))
    check("pending", _state(desk).schedule, {"pending": pending})
    asked = _state(desk, schedule=["done", "pending", "nothing"])
    check("asked", asked.schedule, {"done": done, "pending": pending})
    listed = desk.storage.read(lambda reader: tuple(reader.schedule("acme")))
    check("listed", listed, (done, pending))
    state = _state(desk)
    revoked = pending.ended(ScheduleMove.REVOKE, later(days=1), "revoked")
    save(desk.storage, Changes(state, state.with_schedule([revoked])))
    check("none pending", _state(desk).schedule, {})
    check("revoked", _state(desk, schedule=["pending"]).schedule, {"pending": revoked})


@CASES.case()
def keeps_open_holds_and_resolved_ones_when_asked(desk: StorageDesk) -> None:
    """A load gives open holds with what they pin, and resolved ones to those who ask."""
    desk.billing().accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
    billing = desk.billing()
    billing.balances.credit("acme", lira("10"), reason="opening balance", key="c")
    first = billing.holds.place("acme", lira("3"), reason="batch", key="h-1")
    second = billing.holds.place("acme", lira("2"), reason="batch", key="h-2")
    billing.holds.release("acme", first.id, key="r-1")
    state = _state(desk)
    check("open", dict(state.holds), {second.id: second})
    check("held", state.books.balance("TRY").held, 2_000_000)
    check("pinned", [lot.pinned for lot in state.books.balance("TRY").lots], [2_000_000])
    asked = _state(desk, holds=[first.id, "nothing"])
    check("asked", set(asked.holds), {first.id, second.id})
    listed = desk.storage.read(lambda reader: reader.holds("acme"))
    check("listed", [one.id for one in listed], sorted([first.id, second.id]))


@CASES.case()
def keeps_top_ups_by_reference(desk: StorageDesk) -> None:
    """Top-ups are loaded when asked for, and found by their gateway's reference."""
    open_account(desk.storage)
    state = _state(desk)
    one, two = top_up("one"), top_up("two", checkout=None, set_aside=("p-1", "p-2"))
    after = state.with_top_up(state.books, one)
    save(desk.storage, Changes(state, after.with_top_up(after.books, two)))
    check("unasked", _state(desk).top_ups, {})
    check("asked", _state(desk, top_ups=["two", "three"]).top_ups, {"two": two})
    route = desk.storage.read(lambda reader: reader.top_up_account("sandbox", "one"))
    check("route", route, "acme")
    check("no route", desk.storage.read(lambda r: r.top_up_account("other", "one")), None)
    state = _state(desk, top_ups=["one"])
    paid = attrs.evolve(one, payment="p-9", entry=4)
    save(desk.storage, Changes(state, state.with_top_up(state.books, paid)))
    check("changed", _state(desk, top_ups=["one"]).top_ups, {"one": paid})


@CASES.case()
def keeps_accounts_apart(desk: StorageDesk) -> None:
    """One load of several accounts gives each its own."""
    for name in ("a", "b"):
        open_account(desk.storage, name, funds="1")
        changes = charging(state_of(stored(desk.storage, name)), ["m-1"])
        save(desk.storage, attrs.evolve(changes, keys=(key_record("k", f"of {name}", name),)))
    keys, messages = frozenset({"k"}), frozenset({"m-1"})
    wanted = [Wanted("a", keys, messages), Wanted("b", keys, messages), Wanted("c")]
    loaded = desk.storage.read(lambda reader: reader.load(wanted))
    check("accounts", list(loaded), ["a", "b", "c"])
    outcomes = [loaded[name].keys["k"].outcome for name in ("a", "b")]
    check("outcomes", outcomes, ["of a", "of b"])
    check("usage", [state_of(loaded[name]).known_usage for name in "ab"], [messages] * 2)
    check("nobody", loaded["c"].state, None)


@CASES.case()
def keeps_ids_as_they_are(desk: StorageDesk) -> None:
    """Ids are compared by code point: no case, no language, no number is folded."""
    names = ["ACME", "acme", "aCme", "123", "ığüşöç", "a'; --", "1e3", "😀"]
    for name in names:
        open_account(desk.storage, name, funds="1")
        changes = charging(state_of(stored(desk.storage, name)), names)
        save(desk.storage, attrs.evolve(changes, keys=(key_record("Ğ1", 1, name),)))
    found = desk.storage.read(lambda reader: list(reader.accounts()))
    check("accounts", found, sorted(names))
    for name in names:
        usage = [*names, "acmE", "1000"]
        loaded = stored(desk.storage, name, keys=["Ğ1", "ğ1"], usage=usage)
        check("account", state_of(loaded).account.id, name)
        check("keys", set(loaded.keys), {"Ğ1"})
        check("usage", state_of(loaded).known_usage, frozenset(names))


@CASES.case()
def keeps_entries_as_they_were_posted(desk: StorageDesk) -> None:
    """An entry comes back with every letter of its texts."""
    state = new_account()
    words = "İıĞğŞş 'tek' \"çift\" 👩💻€ ".ljust(500, "ü")
    posted = credit(
        state.books,
        lira("0.000001"),
        memo(EntryKind.GRANT, reason=words, reference="a'; -- %s {} \\", actor='"ğ" 😀'),
        promotion(),
    )
    save(desk.storage, Changes(None, state.with_books(posted.books), (posted.entry,)))
    found = desk.storage.read(lambda reader: reader.entries("acme"))
    check("entries", tuple(found), (posted.entry,))


@CASES.case()
def keeps_results_and_refusals_under_their_keys(desk: StorageDesk) -> None:
    """A key gives back the first result as a value, also when it was a refusal."""
    open_account(desk.storage, funds="5")
    changes = debiting(_state(desk), lira("1"))
    refusals = [
        InsufficientFunds("acme", "TRY", "30", "5", "25"),
        StaleQuote("q-1", "the subscription changed"),
        IdempotencyConflict("acme", "k", "amount", "1 TRY", None),
    ]
    outcomes: dict[str, Any] = {
        "entry": changes.entries[0],
        "nothing": None,
        "several": (subscription(), scheduled(), top_up()),
        **{type(one).__name__: one for one in refusals},
    }
    records = tuple(key_record(name, outcome) for name, outcome in outcomes.items())
    save(desk.storage, attrs.evolve(changes, keys=records))
    found = stored(desk.storage, keys=[*outcomes, "unknown"]).keys
    check("keys", set(found), set(outcomes))
    for name, outcome in outcomes.items():
        again = found[name]
        check("record", (again.account, again.key, again.recorded_at), ("acme", name, START))
        check("content", list(again.content.items()), list(records[0].content.items()))
        if isinstance(outcome, Exception):
            check("refusal", type(again.outcome), type(outcome))
            check("its facts", again.outcome.args, outcome.args)
        else:
            check("outcome", again.outcome, outcome)


@CASES.case()
def keeps_events_as_they_were(desk: StorageDesk) -> None:
    """Events come back in their order, as the values that they were."""
    open_account(desk.storage)
    state = _state(desk)
    event = TopUpFailed(account="acme", at=later(seconds=1), top_up="t", gateway="sandbox")
    save(desk.storage, with_events(Changes(state, state), event, event))
    page = desk.storage.read(lambda reader: reader.events("acme", after=1))
    told = [(one.account, one.number, one.event) for one in page]
    check("events", told, [("acme", 2, event), ("acme", 3, event)])


@CASES.case()
def keeps_a_batch_of_thousands(desk: StorageDesk) -> None:
    """A batch is one unit of work, whatever its size."""
    open_account(desk.storage, funds="100")
    names = [f"wamid.{n}" for n in range(2500)]
    changes = charging(_state(desk), names)
    save(desk.storage, changes)
    loaded = _state(desk, usage=[*names, "other"])
    check("usage", loaded.known_usage, frozenset(names))
    check("entries", loaded.books.sequence, 2501)
    entries = desk.storage.read(lambda reader: reader.entries("acme", after=1, limit=3000))
    check("posted", tuple(entries), changes.entries)


@CASES.case()
def keeps_many_accounts_of_one_unit_of_work(desk: StorageDesk) -> None:
    """Hundreds of accounts are loaded and saved at once."""
    names = [f"acc-{n:03}" for n in range(300)]
    wanted = [Wanted(name, frozenset({"k"})) for name in names]

    def work(unit: UnitOfWork) -> None:
        loaded = unit.load(wanted)
        check("states", {one.state for one in loaded.values()}, {None})
        first = [opening(name) for name in names]
        unit.save([and_then(one, crediting(one.after, lira("3"))) for one in first])

    desk.storage.write(work)
    loaded = desk.storage.read(lambda reader: reader.load(wanted))
    check("accounts", list(loaded), names)
    posted = {state_of(one).books.balance("TRY").posted for one in loaded.values()}
    check("posted", posted, {3_000_000})


@CASES.case(Capability.DURABLE)
def durable_everything_is_there_again(desk: StorageDesk) -> None:
    """What was written is there when the place is opened again, and can be gone on from."""
    open_account(desk.storage, funds="10", next_due_at=later(days=3))
    _fill(desk.storage)
    before = everything(desk.storage)
    again = desk.reopen()
    check("what is stored", everything(again), before)
    check("due", tuple(again.read(lambda reader: reader.due(later(days=3), 5))), ("acme",))
    save(again, debiting(_state(desk), lira("1")))
    check("goes on", _state(desk).books.sequence, 4)


def _fill(storage: Storage) -> None:
    changes = charging(state_of(stored(storage)), ["m-1", "m-2"])
    after = changes.after.with_subscription(changes.after.books, subscription())
    after = after.with_schedule([scheduled()]).with_top_up(after.books, top_up())
    save(storage, attrs.evolve(changes, after=after, keys=(key_record("k", 1),)))
