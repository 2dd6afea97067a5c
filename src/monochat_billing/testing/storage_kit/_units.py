"""Cases: a unit of work is kept as a whole or not at all, and sees what it has saved."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs

from monochat_billing.balance import Entry
from monochat_billing.errors import StorageError, StorageMisuse
from monochat_billing.payments import TopUpState
from monochat_billing.repositories import Changes, Storage, UnitOfWork, Wanted
from monochat_billing.testing.storage_kit.bench import StorageDesk, everything
from monochat_billing.testing.storage_kit.cases import CaseList, Tier, check, raises
from monochat_billing.testing.storage_kit.values import (
    START,
    charging,
    crediting,
    debiting,
    key_record,
    later,
    lira,
    load,
    new_account,
    open_account,
    opening,
    save,
    scheduled,
    state_of,
    stored,
    subscription,
    top_up,
    with_events,
)

CASES: Final = CaseList(Tier.SEMANTICS)


class _Interruption(Exception):
    """Interrupt a unit of work."""


def _posted(storage: Storage, account: str = "acme") -> int:
    return state_of(stored(storage, account)).books.balance("TRY").posted


def _save_and_fail(unit: UnitOfWork, error: BaseException) -> None:
    unit.save([debiting(state_of(load(unit)), lira("1"))])
    raise error


@CASES.case()
def atomic_an_exception_leaves_nothing_and_propagates(desk: StorageDesk) -> None:
    """An exception out of the work leaves nothing of it, and is raised as it is."""
    open_account(desk.storage, funds="10")
    before = everything(desk.storage)
    for error in (_Interruption("after the save"), KeyboardInterrupt(), StorageError("x", "y")):
        caught = raises(
            type(error), partial(desk.storage.write, partial(_save_and_fail, error=error)), "work"
        )
        check("the error", caught, error)
        check("what is stored", everything(desk.storage), before)


@CASES.case()
def atomic_an_exception_leaves_no_new_account(desk: StorageDesk) -> None:
    """An account that was saved in a unit of work that failed does not exist."""

    def work(unit: UnitOfWork) -> None:
        load(unit)
        unit.save([opening(next_due_at=START)])
        check("within", state_of(load(unit)).account.id, "acme")
        raise _Interruption

    raises(_Interruption, lambda: desk.storage.write(work), "the work")
    check("state", stored(desk.storage).state, None)
    check("accounts", tuple(desk.storage.read(lambda reader: reader.accounts())), ())
    check("due", tuple(desk.storage.read(lambda reader: reader.due(later(days=1), 5))), ())
    open_account(desk.storage, funds="1")
    check("afterwards", _posted(desk.storage), 1_000_000)


@CASES.case()
def atomic_a_storage_works_on_after_a_failure(desk: StorageDesk) -> None:
    """A unit of work that failed does not disturb the next one."""
    open_account(desk.storage, funds="10")
    for _ in range(3):
        work = partial(_save_and_fail, error=_Interruption())
        raises(_Interruption, partial(desk.storage.write, work), "the work")
    save(desk.storage, debiting(state_of(stored(desk.storage)), lira("4")))
    check("posted", _posted(desk.storage), 6_000_000)


def _from_nowhere(account: str) -> tuple[Entry, ...]:
    return crediting(crediting(new_account(account), lira("1")).after, lira("1")).entries


@CASES.case()
def atomic_accounts_of_one_save_stand_or_fall_together(desk: StorageDesk) -> None:
    """When one account of a save is refused, none of them is kept."""

    def work(unit: UnitOfWork) -> None:
        unit.load([Wanted("b"), Wanted("a")])
        wrong = attrs.evolve(opening("b"), entries=_from_nowhere("b"))
        unit.save([opening("a"), wrong])

    raises(StorageMisuse, lambda: desk.storage.write(work), "the save")
    check("accounts", tuple(desk.storage.read(lambda reader: reader.accounts())), ())


@CASES.case()
def atomic_every_part_of_a_save_is_kept(desk: StorageDesk) -> None:
    """One save keeps entries, lots, events, keys, usage and every document, or none of them."""
    open_account(desk.storage, funds="10")
    whole = _whole(state_of(stored(desk.storage)))

    def work(unit: UnitOfWork) -> None:
        load(unit)
        unit.save([whole])
        raise _Interruption

    before = everything(desk.storage)
    raises(_Interruption, lambda: desk.storage.write(work), "the work")
    check("what is stored", everything(desk.storage), before)
    found = stored(desk.storage, keys=["k"], usage=["m-1"], top_ups=["top-1"])
    check("the key", dict(found.keys), {})
    check("the usage", state_of(found).known_usage, frozenset())
    check("the top-up", state_of(found).top_ups, {})
    check("the route", _route(desk.storage), None)
    save(desk.storage, whole)
    found = stored(desk.storage, keys=["k"], top_ups=["top-1"], usage=["m-1"])
    check("subscriptions", state_of(found).subscriptions, whole.after.subscriptions)
    check("schedule", state_of(found).schedule, whole.after.schedule)
    check("top-ups", state_of(found).top_ups, whole.after.top_ups)
    check("usage", state_of(found).known_usage, frozenset({"m-1"}))
    check("keys", found.keys["k"].outcome, whole.keys[0].outcome)
    check("route", _route(desk.storage), "acme")


def _route(storage: Storage) -> str | None:
    return storage.read(lambda reader: reader.top_up_account("sandbox", "top-1"))


def _whole(state: Any) -> Changes:  # noqa: ANN401 - an account's state
    changes = charging(state, ["m-1", "m-2"])
    after = changes.after.with_subscription(changes.after.books, subscription())
    after = after.with_schedule([scheduled()]).with_top_up(after.books, top_up())
    return attrs.evolve(changes, after=after, keys=(key_record("k", changes.entries[0]),))


@CASES.case()
def atomic_what_work_returns_is_returned(desk: StorageDesk) -> None:
    """Both ``read`` and ``write`` return what the work has returned."""
    check("write", desk.storage.write(lambda _: 7), 7)
    check("read", desk.storage.read(lambda _: "seven"), "seven")


@CASES.case()
def atomic_a_unit_of_work_that_saves_nothing_changes_nothing(desk: StorageDesk) -> None:
    """Loading alone leaves no trace, not even of an account that does not exist."""
    open_account(desk.storage)
    before = everything(desk.storage)
    desk.storage.write(lambda unit: unit.load([Wanted("acme"), Wanted("nobody")]))
    check("what is stored", everything(desk.storage), before)
    check("accounts", tuple(desk.storage.read(lambda reader: reader.accounts())), ("acme",))


@CASES.case()
def atomic_a_save_that_failed_cannot_be_overlooked(desk: StorageDesk) -> None:
    """When a save was refused the unit of work is not committed, even if the work goes on."""
    open_account(desk.storage, funds="10")
    before = everything(desk.storage)

    def work(unit: UnitOfWork) -> str:
        state = state_of(load(unit))
        unit.save([debiting(state, lira("1"))])
        raises(StorageError, lambda: unit.save([debiting(state, lira("1"))]), "the second save")
        return "as if nothing had been"

    raises(StorageError, lambda: desk.storage.write(work), "the unit of work")
    check("what is stored", everything(desk.storage), before)


@CASES.case()
def within_a_second_load_sees_what_was_saved(desk: StorageDesk) -> None:
    """Whatever a unit of work reads after a save, it reads with what it has saved."""
    open_account(desk.storage, funds="10", next_due_at=later(days=3))

    def work(unit: UnitOfWork) -> int:
        first = state_of(load(unit))
        unit.save([_whole(first)])
        found = load(unit, keys=["k"], usage=["m-2"], top_ups=["top-1"])
        state = state_of(found)
        check("keys", set(found.keys), {"k"})
        check("usage", state.known_usage, frozenset({"m-2"}))
        check("top-ups", set(state.top_ups), {"top-1"})
        check("entries", [one.number for one in unit.entries("acme")], [1, 2, 3])
        check("last", [one.number for one in unit.last_entries("acme", 1)], [3])
        check("events", [one.number for one in unit.events("acme")], [1, 2])
        check("route", unit.top_up_account("sandbox", "top-1"), "acme")
        check("unsettled", tuple(unit.unsettled_top_ups("sandbox")), (("acme", "top-1"),))
        unit.save([debiting(state, lira("2"))])
        unit.save([debiting(state_of(load(unit)), lira("3"))])
        return state_of(load(unit)).books.sequence

    check("entries", desk.storage.write(work), 5)
    check("posted", _posted(desk.storage), 4_998_200)
    numbers = [one.number for one in desk.storage.read(lambda reader: reader.entries("acme"))]
    check("numbers", numbers, [1, 2, 3, 4, 5])


@CASES.case()
def within_a_second_load_is_undone_with_the_rest(desk: StorageDesk) -> None:
    """A unit of work that looked at what it had saved, and failed, leaves everything as it was."""
    open_account(desk.storage, funds="10", next_due_at=later(days=3))
    save(desk.storage, _whole(state_of(stored(desk.storage))))
    before = everything(desk.storage)

    def work(unit: UnitOfWork) -> None:
        state = state_of(load(unit, top_ups=["top-1"]))
        paid = attrs.evolve(top_up(), state=TopUpState.CREDITED, entry=4)
        head = attrs.evolve(state.account, next_due_at=later(days=1))
        after = attrs.evolve(state.with_top_up(state.books, paid), account=head)
        unit.save([Changes(state, after)])
        check("due", tuple(unit.due(later(days=1), 5)), ("acme",))
        changes = debiting(state_of(load(unit)), lira("9"))
        unit.save([attrs.evolve(changes, keys=(key_record("k-2", 2),))])
        check("found", set(load(unit, keys=["k-2"]).keys), {"k-2"})
        unit.load([Wanted("new")])
        unit.save([opening("new", next_due_at=START)])
        check("accounts", tuple(unit.accounts()), ("acme", "new"))
        raise _Interruption

    raises(_Interruption, lambda: desk.storage.write(work), "the work")
    check("what is stored", everything(desk.storage), before)
    check("due", tuple(desk.storage.read(lambda reader: reader.due(later(days=2), 5))), ())
    check("the key", dict(stored(desk.storage, keys=["k-2"]).keys), {})


@CASES.case()
def within_a_write_cannot_be_opened_in_another(desk: StorageDesk) -> None:
    """A unit of work within another of the same thread is refused, and does not hang."""
    open_account(desk.storage, funds="10")
    caught = raises(
        StorageMisuse, lambda: desk.storage.write(lambda _: desk.storage.write(load)), "the inner"
    )
    check("the text", "in doubt" in str(caught), wanted=False)
    save(desk.storage, debiting(state_of(stored(desk.storage)), lira("1")))


@CASES.case()
def within_a_read_in_a_write_sees_only_what_is_committed(desk: StorageDesk) -> None:
    """Reading past an open unit of work is refused, or gives what was committed before it."""
    open_account(desk.storage, funds="10")

    def work(unit: UnitOfWork) -> int:
        unit.save([debiting(state_of(load(unit)), lira("4"))])
        load(unit)
        return _posted(desk.storage)

    try:
        check("read", desk.storage.write(work), 10_000_000)
    except StorageMisuse:
        check("posted", _posted(desk.storage), 10_000_000)


# ------------------------------------------------------------------------- saves that are refused


def _refused(desk: StorageDesk, changes: Changes, what: str) -> None:
    """Check that a save is refused, and leaves nothing behind."""
    before = everything(desk.storage)
    raises(StorageError, lambda: save(desk.storage, changes), what)
    check(f"what is stored after {what}", everything(desk.storage), before)


@CASES.case()
def once_an_account_that_was_not_loaded_is_refused(desk: StorageDesk) -> None:
    """A unit of work saves only accounts that it has loaded itself."""
    raises(
        StorageMisuse, lambda: desk.storage.write(lambda unit: unit.save([opening()])), "the save"
    )
    check("state", stored(desk.storage).state, None)


@CASES.case()
def once_an_entry_number_exists_once_and_follows_the_last(desk: StorageDesk) -> None:
    """Entries that repeat a number or leave one out are refused."""
    open_account(desk.storage, funds="10")
    state = state_of(stored(desk.storage))
    for fresh in (new_account(), crediting(state, lira("1")).after):
        changes = attrs.evolve(crediting(fresh, lira("5")), before=state)
        _refused(desk, changes, f"entry {changes.entries[0].number} after entry 1")


@CASES.case()
def once_a_stale_state_is_refused(desk: StorageDesk) -> None:
    """What was decided on an older state is not written over a newer one."""
    open_account(desk.storage, funds="10")
    stale = debiting(state_of(stored(desk.storage)), lira("1"))
    save(desk.storage, debiting(state_of(stored(desk.storage)), lira("2")))
    _refused(desk, stale, "a stale debit")
    check("posted", _posted(desk.storage), 8_000_000)


@CASES.case()
def once_events_follow_the_last(desk: StorageDesk) -> None:
    """Events that repeat a number or leave one out are refused."""
    open_account(desk.storage, funds="10")
    state = state_of(stored(desk.storage))
    event = opening().events[0].event
    for first in (0, 5):
        head = attrs.evolve(state.account, events=first)
        moved = attrs.evolve(state, account=head)
        changes = with_events(Changes(state, moved), event)
        _refused(desk, changes, f"event {first + 1} after event 1")


@CASES.case()
def once_an_account_is_opened_once(desk: StorageDesk) -> None:
    """An account that exists cannot be opened, and one that does not cannot be changed."""
    open_account(desk.storage, funds="10")
    empty = attrs.evolve(opening(), events=())
    _refused(desk, attrs.evolve(empty, after=new_account()), "a second opening")
    _refused(desk, opening(), "a second opening with its event")
    other = new_account("other")
    raises(StorageError, lambda: save(desk.storage, Changes(other, other)), "a change of nobody")
    check("other", stored(desk.storage, "other").state, None)


@CASES.case()
def once_a_key_is_remembered_once(desk: StorageDesk) -> None:
    """A key that is known, or that stands twice in one save, is refused: the first one stays."""
    open_account(desk.storage, funds="10")
    changes = debiting(state_of(stored(desk.storage)), lira("1"))
    save(desk.storage, attrs.evolve(changes, keys=(key_record("k", "first"),)))
    state = state_of(stored(desk.storage))
    again = debiting(state, lira("1"))
    _refused(desk, attrs.evolve(again, keys=(key_record("k", "second"),)), "a known key")
    twice = (key_record("n", 1), key_record("n", 2))
    _refused(desk, attrs.evolve(again, keys=twice), "a key twice")
    check("outcome", stored(desk.storage, keys=["k"]).keys["k"].outcome, "first")
    stranger = (key_record("n", 1, "other"),)
    _refused(desk, attrs.evolve(again, keys=stranger), "somebody else's key")


@CASES.case()
def once_a_usage_record_is_stored_once(desk: StorageDesk) -> None:
    """A usage record whose id is known, or that stands twice in one save, is refused."""
    open_account(desk.storage, funds="10")
    save(desk.storage, charging(state_of(stored(desk.storage)), ["m-1"]))
    state = state_of(stored(desk.storage))
    _refused(desk, charging(state, ["m-2", "m-1"]), "a known usage record")
    _refused(desk, charging(state, ["m-3", "m-3"]), "a usage record twice")


@CASES.case()
def once_new_ids_are_new(desk: StorageDesk) -> None:
    """A new document whose id is taken is refused, also when the taken one was not loaded."""
    open_account(desk.storage, funds="10")
    save(desk.storage, _whole(state_of(stored(desk.storage))))
    state = state_of(stored(desk.storage))
    other = attrs.evolve(top_up(), entry=2)
    _refused(desk, Changes(state, state.with_top_up(state.books, other)), "a known top-up")
    change = attrs.evolve(scheduled(), to="x")
    unaware = attrs.evolve(state, schedule={})
    _refused(desk, Changes(unaware, state.with_schedule([change])), "a known scheduled change")
    unaware = attrs.evolve(state, subscriptions={})
    again = state.with_subscription(state.books, attrs.evolve(subscription(), version=9))
    _refused(desk, Changes(unaware, again), "a known subscription")


@CASES.case()
def once_a_gateways_reference_belongs_to_one_account(desk: StorageDesk) -> None:
    """Two accounts cannot both have a top-up of one id at one gateway."""
    for name in "ab":
        open_account(desk.storage, name)
    state = state_of(stored(desk.storage, "a"))
    save(desk.storage, Changes(state, state.with_top_up(state.books, top_up(account="a"))))
    state = state_of(stored(desk.storage, "b"))
    taken = Changes(state, state.with_top_up(state.books, top_up(account="b")))
    raises(StorageError, lambda: save(desk.storage, taken), "a reference that is taken")
    check("route", _route(desk.storage), "a")
    elsewhere = top_up(account="b", gateway="other")
    save(desk.storage, Changes(state, state.with_top_up(state.books, elsewhere)))
    check("route", _route(desk.storage), "a")


# ------------------------------------------------------------------------------ errors in between


class _Failing:
    """Pass every call on to a unit of work, and fail at one of them."""

    def __init__(self, unit: UnitOfWork, fail_at: int) -> None:
        self._unit = unit
        self._left = fail_at
        self.calls = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the unit has
        act = getattr(self._unit, name)

        def call(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
            self.calls += 1
            found = act(*args, **named)
            self._left -= 1
            if not self._left:
                raise _Interruption(name)
            return found

        return call


@CASES.case()
def l12_an_error_at_every_step_leaves_everything_as_it_was(desk: StorageDesk) -> None:
    """Whatever step of a unit of work fails, what is stored is as before."""
    open_account(desk.storage, funds="10")
    before = everything(desk.storage)

    def steps(unit: Any) -> None:  # noqa: ANN401 - a unit of work that fails
        unit.save([_whole(state_of(load(unit)))])
        unit.save([debiting(state_of(load(unit)), lira("1"))])
        unit.entries("acme")
        unit.load([Wanted("other")])
        unit.save([opening("other")])

    for fail_at in range(1, 8):
        attempt = partial(_attempt, steps=steps, fail_at=fail_at)
        raises(_Interruption, partial(desk.storage.write, attempt), f"step {fail_at}")
        check(f"what is stored after step {fail_at}", everything(desk.storage), before)
        check("other", stored(desk.storage, "other").state, None)
    desk.storage.write(steps)
    check("entries", state_of(stored(desk.storage)).books.sequence, 4)


def _attempt(unit: UnitOfWork, steps: Callable[[Any], None], fail_at: int) -> None:
    steps(_Failing(unit, fail_at))
