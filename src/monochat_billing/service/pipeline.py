"""The pipeline: load, catch up, decide, save, for a whole batch of commands at once.

There is one way a command runs, alone or among a thousand: keys are looked up first, what is due
on the account is applied next, then the plain decision function is called, and everything that
was decided is saved in one transaction.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, final

import attrs

from monochat_billing.accounts import (
    AccountState,
    ChargedUsage,
    Step,
    catch_up,
    followed,
    noticed,
)
from monochat_billing.balance import Entry
from monochat_billing.errors import InvalidInput, Rejected, UnknownName
from monochat_billing.events import Event
from monochat_billing.idempotency import KeyRecord, answer_again, make_record
from monochat_billing.makers import maker_of
from monochat_billing.plans import AnyCatalog
from monochat_billing.repositories import (
    Changes,
    Loaded,
    RecordedEvent,
    Storage,
    UnitOfWork,
    Wanted,
)

__all__ = [
    "NOTHING_ELSE",
    "Command",
    "advance",
    "advance_due",
    "execute",
    "execute_in",
    "make_command",
]


_make_wanted: Final = maker_of(Wanted)
_NO_KEY: Final[frozenset[str]] = frozenset()

NOTHING_ELSE: Final[Mapping[str, frozenset[Any]]] = MappingProxyType({})
"""What most commands want beside the live state of their account."""


@final
@attrs.frozen
class Command:
    """Ask one thing of one account.

    ``content`` is the request in canonical text, field by field; with ``key`` it is remembered
    together with the result. ``decide`` is called with the account's state, caught up, or None
    if there is no such account, and the instant at which the command takes place. ``wants`` names,
    by their kind, what it needs beside the account's live state, as
    :class:`~monochat_billing.repositories.Wanted` calls the kinds; ``ended`` is as there.
    """

    account: str
    verb: str
    decide: Callable[[AccountState | None, datetime], Step]
    key: str | None = None
    content: Mapping[str, str] = attrs.field(factory=dict)
    wants: Mapping[str, frozenset[Any]] = NOTHING_ELSE
    ended: bool = False

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Give what a repetition under the same key must match."""
        return {"verb": self.verb, **self.content}


make_command: Final = maker_of(Command)
"""Build a command, quickly."""


def execute(
    storage: Storage, catalog: AnyCatalog, commands: Sequence[Command], now: datetime
) -> list[Any]:
    """Run commands in their order in one unit of work; give a result or an error for each.

    Errors of the caller and refusals are results here, so that one bad command fails alone.
    Failures of the storage are raised: the whole batch is then in doubt.
    """
    return storage.write(lambda unit: execute_in(unit, catalog, commands, now))


def advance(
    storage: Storage, catalog: AnyCatalog, accounts: Sequence[str], now: datetime
) -> list[Step]:
    """Apply what is due on each account up to ``now``, in one unit of work; give what was done.

    An account on which nothing is due any more gives an empty step.
    """
    return storage.write(lambda unit: _advance(unit, catalog, accounts, now))


def advance_due(
    storage: Storage, catalog: AnyCatalog, now: datetime, limit: int, left_out: Container[str]
) -> list[Step]:
    """Apply what is due on up to ``limit`` accounts that nobody else works on; give what was done.

    They are found and taken in the same unit of work, so that workers never do the same twice and
    never wait for one another. Nothing is left for this worker when nothing is given.
    """

    def work(unit: UnitOfWork) -> list[Step]:
        due = [account for account in unit.due(now, limit) if account not in left_out]
        return _advance(unit, catalog, due, now) if due else []

    return storage.write(work)


def _advance(
    unit: UnitOfWork, catalog: AnyCatalog, accounts: Sequence[str], now: datetime
) -> list[Step]:
    loaded = unit.load([Wanted(account) for account in sorted(accounts)])
    desks = [_Desk(account, found, catalog) for account, found in loaded.items()]
    steps = [desk.advance(now) for desk in desks]
    changes = [desk.changes() for desk in desks if desk.touched]
    if changes:
        unit.save(changes)
    return steps


def execute_in(
    unit: UnitOfWork, catalog: AnyCatalog, commands: Sequence[Command], now: datetime
) -> list[Any]:
    """Run commands in their order in a unit of work that is open; see :func:`execute`."""
    loaded = unit.load(_wanted(commands))
    desks = {account: _Desk(account, found, catalog) for account, found in loaded.items()}
    results = [desks[command.account].handle(command, now) for command in commands]
    changes = [desk.changes() for desk in desks.values() if desk.touched]
    if changes:
        unit.save(changes)
    return results


def _wanted(commands: Sequence[Command]) -> list[Wanted]:
    if len(commands) == 1:
        return [_wanted_by(commands[0])]
    by_account: dict[str, list[Command]] = {}
    for command in commands:
        by_account.setdefault(command.account, []).append(command)
    return [
        _wanted_by_all(account, asked) if len(asked) > 1 else _wanted_by(asked[0])
        for account, asked in sorted(by_account.items())
    ]


def _wanted_by(command: Command) -> Wanted:
    key = command.key
    keys = _NO_KEY if key is None else frozenset((key,))
    return _make_wanted(command.account, keys, ended=command.ended, **command.wants)


def _wanted_by_all(account: str, asked: Sequence[Command]) -> Wanted:
    keys = frozenset([one.key for one in asked if one.key is not None])
    beside: dict[str, list[frozenset[Any]]] = {}
    for one in asked:
        for kind, ids in one.wants.items():
            beside.setdefault(kind, []).append(ids)
    wants = {kind: frozenset[Any]().union(*ids) for kind, ids in beside.items()}
    return _make_wanted(account, keys, ended=any(one.ended for one in asked), **wants)


_make_changes: Final = maker_of(Changes)


class _Desk:
    """Work on one account: collect what its commands decide until everything is saved."""

    def __init__(self, account: str, loaded: Loaded, catalog: AnyCatalog) -> None:
        self._account = account
        self._catalog = catalog
        self._before = loaded.state
        self._state = loaded.state
        self._known = dict(loaded.keys)
        self._entries: list[Entry] = []
        self._events: list[Event] = []
        self._usage: list[ChargedUsage] = []
        self._new_keys: list[KeyRecord] = []
        self._caught_up: Step | None = None
        self.touched = False

    def handle(self, command: Command, now: datetime) -> Any:  # noqa: ANN401 - any verb's result
        record = self._known.get(command.key) if command.key is not None else None
        if record is not None:
            return answer_again(record, command.fingerprint)
        state = self._current(now)
        at = now if state is None else max(now, state.account.as_of)
        if state is not None and command.wants and (asked := command.wants.get("entries")):
            state = state.with_entries(self._posted_of(asked))
        try:
            step = followed(state, command.decide(state, at), self._catalog, at, at)
            step = noticed(step, at, self._catalog)
        except Rejected as refusal:
            self._keep(command, refusal, at)
            return refusal
        except InvalidInput as mistake:
            return mistake
        self._take(step)
        self._keep(command, step.result, at)
        return step.result

    def advance(self, now: datetime) -> Step:
        """Apply what is due, for its own sake."""
        self._current(now)
        step = self._caught_up
        if step is None:
            raise UnknownName("account", self._account, "does not exist", "open it first")
        self.touched = _differs(self._before, step.state)
        return step

    def changes(self) -> Changes:
        """Give everything to save, with events numbered and the next due instant derived."""
        if self._state is None:  # a desk is touched only after a step on an account
            raise AssertionError(self._account)
        state, account = self._state, self._state.account
        events: tuple[RecordedEvent, ...] = ()
        if self._events:
            events = tuple(
                RecordedEvent(self._account, number, event)
                for number, event in enumerate(self._events, account.events + 1)
            )
        return _make_changes(
            self._before,
            state.stored(len(events)),
            tuple(self._entries),
            events,
            tuple(self._new_keys),
            tuple(self._usage),
        )

    def _current(self, now: datetime) -> AccountState | None:
        """Give the state with everything that was due applied; kept only if a command is."""
        if self._state is not None and self._caught_up is None:
            self._caught_up = catch_up(self._state, self._catalog, now)
            self._state = self._caught_up.state
            self._entries += self._caught_up.entries
            self._events += self._caught_up.events
        return self._state

    def _posted_of(self, asked: frozenset[int]) -> list[Entry]:
        """Find what this unit of work has posted itself of what a command asks for."""
        return [
            entry for entry in self._entries if entry.number in asked or entry.corrects in asked
        ]

    def _take(self, step: Step) -> None:
        self._state = step.state
        self._entries += step.entries
        self._events += step.events
        self._usage += step.usage
        if not self.touched:
            self.touched = bool(self._events) or _differs(self._before, step.state)

    def _keep(self, command: Command, outcome: Any, at: datetime) -> None:  # noqa: ANN401 - as above
        if command.key is None or self._state is None:
            return
        record = make_record(self._account, command.key, command.fingerprint, outcome, at)
        self._known[command.key] = record
        self._new_keys.append(record)
        self.touched = True


_PARTS: Final = tuple(
    field.name for field in attrs.fields(AccountState) if field.name not in {"account", "entries"}
)
"""What of a state is kept; entries at hand are only read, and what an account says is told."""


def _differs(before: AccountState | None, after: AccountState) -> bool:
    """Tell whether there is anything to save; that time has passed alone is not."""
    if before is None or before.books is not after.books:  # mostly it is these
        return True
    if before.account.automatic is not after.account.automatic:
        return True
    return any(getattr(before, part) is not getattr(after, part) for part in _PARTS)
