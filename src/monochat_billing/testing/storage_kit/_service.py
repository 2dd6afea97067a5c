"""Cases: what a host is promised of keys, holds, batches and checks, on this storage."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs

from monochat_billing.balance import BalanceMove, Batch, EntryKind
from monochat_billing.balance_commands import BatchReport
from monochat_billing.errors import (
    IdempotencyConflict,
    IllegalTransition,
    InsufficientFunds,
    InvalidInput,
    StorageError,
)
from monochat_billing.holds import Rest
from monochat_billing.intervals import MONTH, YEAR
from monochat_billing.money import Money, money
from monochat_billing.plans import Catalog, sample_catalog
from monochat_billing.repositories import Changes, Reader, Storage, UnitOfWork, Wanted
from monochat_billing.service import Billing
from monochat_billing.testing.gateway_bench import FailingStorage
from monochat_billing.testing.storage_kit.bench import StorageDesk, everything, outcome_of
from monochat_billing.testing.storage_kit.cases import Capability, CaseList, Tier, check, raises
from monochat_billing.testing.storage_kit.values import lira, state_of, stored

CASES: Final = CaseList(Tier.SEMANTICS)

T = TypeVar("T")
_HOUR: Final = timedelta(hours=1)


def opened(
    desk: StorageDesk, funds: str = "", account: str = "acme", *, storage: Storage | None = None
) -> Billing:
    """Give a service with an account, and funds if any are named."""
    billing = desk.billing(storage, ids=account)
    billing.accounts.open(account, zone="Europe/Istanbul", currencies=["TRY", "USD"])
    if funds:
        billing.balances.credit(account, lira(funds), reason="opening balance", key="funds")
    return billing


def _take(billing: Billing, amount: str, key: str, account: str = "acme") -> Any:  # noqa: ANN401 - a result
    return outcome_of(
        lambda: billing.balances.debit(account, lira(amount), reason="export", key=key)
    )


def _sound(billing: Billing) -> None:
    audit = billing.verify()
    check("differences", audit.differences, ())


# ------------------------------------------------------------------------------------------ keys


@CASES.case()
def l03_a_repeated_command_gives_the_first_result(desk: StorageDesk) -> None:
    """Eight calls with one key have one effect and one result."""
    billing = opened(desk, "10")
    results = [_take(billing, "4", "k") for _ in range(8)]
    check("results", results, [results[0]] * 8)
    check("number", results[0].number, 2)
    check("posted", billing.balances.list("acme")["TRY"].posted, 6_000_000)


@CASES.case()
def l04_a_replay_gives_the_first_result_whatever_came_after(desk: StorageDesk) -> None:
    """After the balance is drained, closed and priced anew, a key still gives its first result."""
    billing = opened(desk, "3000")
    debit = _take(billing, "4", "k-debit")
    plan = billing.subscriptions.subscribe("acme", "growth", MONTH, key="k-plan")
    quote = billing.subscriptions.preview("acme", to="enterprise", key="k-quote")
    refused = outcome_of(lambda: billing.subscriptions.change(quote))
    billing.balances.adjust("acme", lira("-1497"), reason="drained", key="drain")
    dear = Billing(
        catalog=_dearer(), storage=desk.storage, clock=desk.clock, ids=lambda: "never used"
    )
    desk.clock.advance(days=3)
    before = everything(desk.storage)
    check("debit", _take(dear, "4.00", "k-debit"), debit)
    again = dear.subscriptions.subscribe("acme", "growth", MONTH, key="k-plan")
    check("subscription", again, plan)
    check("refusal", outcome_of(lambda: dear.subscriptions.change(quote)), refused)
    check("what is stored", everything(desk.storage), before)
    closing = billing.balances.close("acme", "USD", reason="not used", key="close")
    check("debit after a closing", _take(billing, "4", "k-debit"), debit)
    again_closed = billing.balances.close("acme", "USD", reason="not used", key="close")
    check("closing", again_closed, closing)


def _dearer() -> Catalog:
    catalog = sample_catalog()
    products = [
        attrs.evolve(
            product,
            prices=tuple(attrs.evolve(one, amount=one.amount * 2) for one in product.prices),
        )
        for product in catalog.products
    ]
    return attrs.evolve(catalog, products=tuple(products))


@CASES.case(Capability.DURABLE)
def l04_a_replay_outlives_the_process(desk: StorageDesk) -> None:
    """A key gives its first result after the storage was closed and opened again."""
    billing = opened(desk, "10")
    first, refused = _take(billing, "4", "k-1"), _take(billing, "40", "k-2")
    desk.reopen()
    again = desk.billing()
    before = everything(desk.storage)
    check("result", _take(again, "4", "k-1"), first)
    check("refusal", _take(again, "40", "k-2"), refused)
    check("what is stored", everything(desk.storage), before)


@CASES.case()
def l05_a_refusal_stays_a_refusal_after_a_top_up(desk: StorageDesk) -> None:
    """A refused key stays refused with the same figures; a new key succeeds."""
    billing = opened(desk, "1")
    first = _take(billing, "5", "k-1")
    check("refused", first[0], "InsufficientFunds")
    billing.balances.credit("acme", lira("10"), reason="bank transfer", key="more")
    check("again", _take(billing, "5", "k-1"), first)
    check("a new key", _take(billing, "5", "k-2").amount, -5_000_000)


@CASES.case()
def l06_another_request_under_a_key_is_refused(desk: StorageDesk) -> None:
    """The same key with any one field changed is a conflict that names the field."""
    billing = opened(desk, "100")
    first: dict[str, Any] = {"amount": lira("5"), "reason": "a", "reference": "r"}
    billing.balances.debit("acme", **first, key="k")
    before = everything(desk.storage)
    others: dict[str, Any] = {
        "amount": lira("6"),
        "reason": "b",
        "reference": "q",
        "kind": EntryKind.MESSAGE_FEE,
    }
    for field, other in others.items():
        changed = {**first, field: other}
        caught = raises(
            IdempotencyConflict,
            lambda: billing.balances.debit("acme", **changed, key="k"),  # noqa: B023 - called at once
            field,
        )
        check("field", caught.field, field)
    caught = raises(
        IdempotencyConflict,
        lambda: billing.balances.credit("acme", lira("5"), reason="a", reference="r", key="k"),
        "another verb",
    )
    check("field", caught.field, "verb")
    check("what is stored", everything(desk.storage), before)


@CASES.case()
def l07_one_key_on_two_accounts_is_two_keys(desk: StorageDesk) -> None:
    """Keys belong to their account."""
    for account in ("acme", "other"):
        opened(desk, "10", account)
    billing = desk.billing()
    for account, amount in (("acme", "1"), ("other", "2")):
        check("account", _take(billing, amount, "k", account).account, account)
    left = [billing.balances.list(name)["TRY"].posted for name in ("acme", "other")]
    check("posted", left, [9_000_000, 8_000_000])


@CASES.case()
def l13_a_commit_whose_answer_is_lost_is_settled_by_its_key(desk: StorageDesk) -> None:
    """Whether a failure came before or after the commit, repeating the call has one effect."""
    opened(desk, "100")
    failing = FailingStorage(desk.storage)
    billing = desk.billing(failing)
    for number, moment in enumerate(("before", "after", "after", "before"), 1):
        failing.fail_next = moment
        raises(StorageError, lambda: _must(billing, f"k-{number}"), moment)  # noqa: B023 - called at once
        check("settled", _must(billing, f"k-{number}").number, number + 1)
        check("repeated", _must(billing, f"k-{number}").number, number + 1)
    check("posted", billing.balances.list("acme")["TRY"].posted, 96_000_000)
    _sound(billing)


def _must(billing: Billing, key: str) -> Any:  # noqa: ANN401 - an entry
    return billing.balances.debit("acme", lira("1"), reason="export", key=key)


# ----------------------------------------------------------------------------------------- holds


@CASES.case()
def l08_a_hold_is_resolved_once(desk: StorageDesk) -> None:
    """Captured in part, above, twice and after its release, a hold moves money once."""
    billing = opened(desk, "100")
    hold = billing.holds.place("acme", lira("10"), reason="batch", key="h-1")
    billing.holds.capture("acme", hold.id, amount=lira("4"), key="c-1")
    billing.holds.capture("acme", hold.id, amount=lira("4"), key="c-1")
    check("held", billing.balances.list("acme")["TRY"].held, 6_000_000)
    billing.holds.release("acme", hold.id, key="r-1")
    balance = billing.balances.list("acme")["TRY"]
    check("released", (balance.posted, balance.held), (96_000_000, 0))
    for name, act in (
        ("capture", lambda: billing.holds.capture("acme", hold.id, key="c-2")),
        ("release", lambda: billing.holds.release("acme", hold.id, key="r-2")),
    ):
        raises(IllegalTransition, act, f"{name} after the release")
    above = billing.holds.place("acme", lira("5"), reason="batch", key="h-2")
    billing.holds.capture("acme", above.id, amount=lira("7"), rest=Rest.RELEASE, key="c-3")
    balance = billing.balances.list("acme")["TRY"]
    check("above", (balance.posted, balance.held), (89_000_000, 0))
    _sound(billing)


@CASES.case()
def l09_a_hold_expires_at_its_instant_by_the_given_clock(desk: StorageDesk) -> None:
    """A hold is open until its instant, is freed at it, and a clock set back changes nothing."""
    billing = opened(desk, "10")
    hold = billing.holds.place(
        "acme", lira("4"), reason="batch", key="h", expires_at=desk.clock.now + _HOUR
    )
    desk.clock.now += _HOUR - timedelta(microseconds=1)
    check("before", billing.balances.list("acme")["TRY"].held, 4_000_000)
    desk.clock.now += timedelta(microseconds=1)
    check("due", billing.run_due().accounts, 1)
    check("at it", billing.balances.list("acme")["TRY"].held, 0)
    desk.clock.advance(days=-30)
    raises(IllegalTransition, lambda: billing.holds.capture("acme", hold.id, key="c"), "set back")
    entry = _take(billing, "10", "k")
    check("monotone", entry.recorded_at, desk.clock.now + timedelta(days=30))
    _sound(billing)


@CASES.case()
def l10_crossing_units_of_work_in_sequence(desk: StorageDesk) -> None:
    """Accounts are loaded in any order, and each keeps its own."""
    for account in ("a", "b", "c"):
        opened(desk, "10", account)
    for order in ("ab", "ba", "bca", "cab"):

        def work(unit: UnitOfWork, order: str = order) -> list[str]:
            return list(unit.load([Wanted(one) for one in order]))

        check("loaded", sorted(desk.storage.write(work)), sorted(order))


@CASES.case()
def l11_a_batch_with_one_bad_item(desk: StorageDesk) -> None:
    """An atomic batch takes all or none; one item by item refuses exactly what cannot be paid."""
    billing = opened(desk, "10")
    items = [(lira("4"), "a"), (lira("9"), "b"), (lira("5"), "c")]
    before = everything(desk.storage)[1:3]
    raises(
        InsufficientFunds,
        lambda: billing.balances.debit_many(
            "acme", items, reason="batch", batch=Batch.ATOMIC, key="all"
        ),
        "an atomic batch",
    )
    check("entries and lots", everything(desk.storage)[1:3], before)
    report = billing.balances.debit_many("acme", items, reason="batch", key="each")
    again = billing.balances.debit_many("acme", items, reason="batch", key="each")
    check("repeated", _told(again), _told(report))
    check("refused", [name for name, _ in _told(report)][1], "InsufficientFunds")
    amounts = [entry.amount for entry in billing.balances.entries("acme", after=1)]
    check("taken", amounts, [-4_000_000, -5_000_000])
    _sound(billing)


def _told(report: BatchReport) -> list[tuple[str, Any]]:
    """Give what can be compared: a refusal equals only itself."""
    return [
        (type(one).__name__, one.args if isinstance(one, Exception) else one)
        for one in report.results
    ]


# ----------------------------------------------------------------------------------------- input


@CASES.case()
def l22_what_no_balance_holds_is_refused_before_the_storage(desk: StorageDesk) -> None:
    """Zero, negative, endless, too fine and too large amounts reach no storage."""
    billing = opened(desk, "10")
    before = everything(desk.storage)
    wrong: list[tuple[str, Callable[[], Money]]] = [
        (text, lambda text=text: money(text, "TRY"))  # type: ignore[misc]
        for text in ("0", "-1", "1e30", "9223372036854.775808", "0.0000000001", "NaN", "Infinity")
    ]
    number: Any = 1.5
    wrong += [("a float", lambda: money(number, "TRY")), ("a currency", lambda: money("1", "EUR"))]
    for name, make in wrong:
        raises(
            InvalidInput,
            lambda: billing.balances.debit("acme", make(), reason="export", key="k"),  # noqa: B023 - called at once
            name,
        )
        raises(
            InvalidInput,
            lambda: billing.balances.credit("acme", make(), reason="export", key="k"),  # noqa: B023 - called at once
            name,
        )
    check("what is stored", everything(desk.storage), before)
    check("the key is free", _take(billing, "1", "k").number, 2)


# ------------------------------------------------------------------------------------ corruption


@CASES.case()
def l24_a_balance_that_no_entry_explains_is_named(desk: StorageDesk) -> None:
    """When a balance is changed without an entry, ``verify`` names account, found and expected."""
    billing = opened(desk, "10")
    opened(desk, "5", "other")
    state = state_of(stored(desk.storage))
    balance = state.books.balance("TRY")
    wrong = attrs.evolve(balance, posted=balance.posted + 1)
    after = state.with_books(state.books.with_balance(wrong))

    def work(unit: UnitOfWork) -> None:
        unit.load([Wanted("acme")])
        unit.save([Changes(state, after)])

    desk.storage.write(work)
    differences = billing.verify().differences
    check("accounts", {one.account for one in differences}, {"acme"})
    told = [one for one in differences if (one.expected, one.actual) == ("10000000", "10000001")]
    check("told", len(told), 1)


# ----------------------------------------------------------------------------------- composition


@attrs.frozen
class _Joined:
    """Be a storage whose every call takes part in one unit of work that is open already."""

    unit: UnitOfWork

    def read(self, work: Callable[[Reader], T]) -> T:
        return work(self.unit)

    def write(self, work: Callable[[UnitOfWork], T]) -> T:
        return work(self.unit)


@CASES.case()
def l26_commands_in_one_unit_of_work_stand_or_fall_together(desk: StorageDesk) -> None:
    """Several commands in the caller's unit of work see one another, and roll back as one."""
    opened(desk, "100")
    before = everything(desk.storage)

    def several(unit: UnitOfWork, *, fail: bool) -> None:
        joined: Storage = _Joined(unit)
        billing = desk.billing(joined, ids="joined")
        for number in range(3):
            _must(billing, f"k-{number}")
        check("repeated", _must(billing, "k-0").number, 2)
        hold = billing.holds.place("acme", lira("50"), reason="batch", key="h")
        billing.holds.capture("acme", hold.id, amount=lira("20"), key="c")
        check("refused", _take(billing, "50", "k-9")[0], "InsufficientFunds")
        billing.accounts.open("second", zone="UTC", currencies=["TRY"])
        billing.balances.move("acme", "USD", BalanceMove.FREEZE, key="f")
        _sound(billing)
        if fail:
            raise LookupError("the host's own row")

    raises(LookupError, lambda: desk.storage.write(lambda unit: several(unit, fail=True)), "fail")
    check("what is stored", everything(desk.storage), before)
    check("second", stored(desk.storage, "second").state, None)
    desk.storage.write(lambda unit: several(unit, fail=False))
    billing = desk.billing()
    balance = billing.balances.list("acme")["TRY"]
    check("posted and held", (balance.posted, balance.held), (77_000_000, 30_000_000))
    check("remembered", _take(billing, "50", "k-9")[0], "InsufficientFunds")
    _sound(billing)


@CASES.case()
def l26_a_subscription_and_its_change_in_one_unit_of_work(desk: StorageDesk) -> None:
    """Subscribing, planning and changing in one unit of work is as in three."""
    opened(desk, "90000", "one")
    opened(desk, "90000", "three")

    def several(billing: Billing, account: str) -> list[Any]:
        subscriptions, schedule = billing.subscriptions, billing.schedule
        return [
            subscriptions.subscribe(account, "growth", MONTH, key="s").product,
            schedule.change(account, to="basic", key="p").state,
            subscriptions.change(
                subscriptions.preview(account, to="growth", interval=YEAR, key="q")
            ).subscription.price.interval,
            [one.state for one in schedule.history(account)],
        ]

    together = desk.storage.write(lambda unit: several(desk.billing(_Joined(unit)), "one"))
    apart = several(desk.billing(), "three")
    check("results", together, apart)
    figures = [
        [(one.number, one.amount, one.kind) for one in desk.billing().balances.entries(account)]
        for account in ("one", "three")
    ]
    check("entries", figures[0], figures[1])
    _sound(desk.billing())
