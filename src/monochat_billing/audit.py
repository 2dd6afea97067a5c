"""Audit: derive the books anew from their entries and name whatever differs.

Owns the proof that what is stored agrees with itself.
Does not own repair: corrections are new entries, and a difference here means that something else
than this library wrote to the storage, or that the library has a bug.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, final

import attrs

from monochat_billing.balance import Balance, Books, Entry
from monochat_billing.checkpoints import Checkpoint, debtor_of
from monochat_billing.holds import Hold
from monochat_billing.lots import DEBT, Lot
from monochat_billing.translations import mark
from monochat_billing.wording import Words

__all__ = ["Audit", "Difference", "audit", "replayed"]


_SUBJECTS: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"sequence", mark("the last number")),
        (r"what entry (?P<entry>.+) corrects", mark("what entry {entry} corrects")),
        (r"number after entry (?P<entry>.+)", mark("the number after entry {entry}")),
        (r"account of entry (?P<entry>.+)", mark("the account of entry {entry}")),
        (r"amount of entry (?P<entry>.+)", mark("the amount of entry {entry}")),
        (r"recorded_at of entry (?P<entry>.+)", mark("the time of entry {entry}")),
        (r"balance after entry (?P<entry>.+)", mark("the balance after entry {entry}")),
        (r"parts of hold (?P<hold>.+)", mark("the parts of hold {hold}")),
        (r"balance (?P<unit>\S+)", mark("the balance {unit}")),
        (r"debts of (?:balance )?(?P<unit>.+)", mark("what {unit} owes")),
        (r"held of (?:balance )?(?P<unit>.+)", mark("what {unit} holds")),
        (r"sum of (?P<unit>.+) lots", mark("the sum of the lots of {unit}")),
        (r"granted of lot (?P<lot>.+)", mark("what lot {lot} was granted")),
        (r"pinned of lot (?P<lot>.+)", mark("what is pinned of lot {lot}")),
        (r"remaining of lot (?P<lot>.+)", mark("what remains of lot {lot}")),
        (r"lot (?P<lot>\d+)", mark("lot {lot}")),
    )
)
_FACTS: Final = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"missing", mark("missing")),
        (r"a lot", mark("a lot")),
        (r"an earlier entry", mark("an earlier entry")),
        (r"0 to (?P<most>\d+)", mark("0 to {most}")),
        (r"(?P<at>\S+) or later", mark("{at} or later")),
    )
)


def _said(text: str, known: Iterable[tuple[re.Pattern[str], str]], words: Words) -> str:
    """Say a text in a language, by the sentence that it is one of; any other stays as it is."""
    for pattern, sentence in known:
        if found := pattern.fullmatch(text):
            return words.say(sentence, **found.groupdict())
    return text


@final
@attrs.frozen(kw_only=True)
class Difference:
    """Name one fact that does not hold: what was found, and what the entries say.

    >>> print(Difference(account="acme", subject="sum of TRY lots", expected="5", actual="0"))
    acme: sum of TRY lots is 0, entries say 5
    """

    account: str
    subject: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.account}: {self.subject} is {self.actual}, entries say {self.expected}"

    def explain(self, locale: str = "en") -> str:
        """Say it in one sentence; numbers and ids stand as they are stored.

        Raises:
            InvalidInput: there are no sentences in that language.

        >>> found = Difference(account="acme", subject="held of TRY", expected="0", actual="5")
        >>> print(found.explain("tr"))
        acme: TRY blokesi 5, kayıtlara göre 0
        """
        words = Words(locale)
        return words.say(
            "{account}: {subject} is {actual}, entries say {expected}",
            account=self.account,
            subject=_said(self.subject, _SUBJECTS, words),
            actual=_said(self.actual, _FACTS, words),
            expected=_said(self.expected, _FACTS, words),
        )


@final
@attrs.frozen(kw_only=True)
class Audit:
    """Return what was checked and what differs; no difference means that the books are sound.

    >>> from monochat_billing.money import money
    >>> from monochat_billing.testing.workbench import Workbench
    >>> bench = Workbench()
    >>> account = bench.open("acme", money("5000", "TRY"))
    >>> print(bench.billing.verify("acme").sound)
    True
    """

    accounts: int
    entries: int
    balances: int
    lots: int
    differences: tuple[Difference, ...] = ()

    @property
    def sound(self) -> bool:
        """Tell whether nothing differs."""
        return not self.differences

    def plus(self, other: "Audit") -> "Audit":
        """Return both audits as one."""
        return Audit(
            accounts=self.accounts + other.accounts,
            entries=self.entries + other.entries,
            balances=self.balances + other.balances,
            lots=self.lots + other.lots,
            differences=self.differences + other.differences,
        )

    def explain(self, locale: str = "en") -> str:
        """Say whether the books are sound, and each difference on a line of its own.

        Raises:
            InvalidInput: there are no sentences in that language.
        """
        words = Words(locale)
        checked = words.say(
            "accounts {accounts}, balances {balances}, lots {lots}, entries {entries}",
            accounts=words.number(self.accounts),
            balances=words.number(self.balances),
            lots=words.number(self.lots),
            entries=words.number(self.entries),
        )
        if self.sound:
            sound = mark("sound: every balance equals the sum of its entries and of its lots")
            return f"{words.say(sound)} ({checked})"
        count = len(self.differences)
        head = words.say_plural("{count} difference", "{count} differences", count)
        return "\n".join(
            [f"{head} ({checked})", *(one.explain(locale) for one in self.differences)]
        )

    def __str__(self) -> str:
        checked = (
            f"accounts {self.accounts}, balances {self.balances}, "
            f"lots {self.lots}, entries {self.entries}"
        )
        if self.sound:
            return f"sound: every balance equals the sum of its entries and of its lots ({checked})"
        return "\n".join(
            [f"{len(self.differences)} differences ({checked})"]
            + [f"  {difference}" for difference in self.differences]
        )


def audit(
    books: Books,
    lots: Sequence[Lot],
    entries: Iterable[Entry],
    holds: Iterable[Hold] = (),
    begin: Checkpoint | None = None,
) -> Audit:
    """Replay ``entries``, in order, and compare with ``books`` and with all ``lots`` ever granted.

    Checks that numbers run from 1 without gaps, that entries are the account's own, were recorded
    one after the other and correct only what came before them, that every balance after an entry
    is the sum so far, that an entry's parts sum to its amount, that each lot remains what its
    entries leave of it, and that each balance is the sum of its entries, and of its lots less what
    it owes. What is held is the sum of the open ``holds``, lot by lot; those that are resolved hold
    nothing. Where entries were archived, the rest goes on from ``begin``.

    >>> from datetime import UTC, datetime
    >>> from monochat_billing.balance import EntryKind, Memo, credit, open_balance
    >>> from monochat_billing.money import money
    >>> t = datetime(2026, 10, 5, tzinfo=UTC)
    >>> books = open_balance(Books("acme"), "TRY")
    >>> done = credit(books, money("5", "TRY"), Memo(EntryKind.TOP_UP, t, t))
    >>> audit(done.books, done.books.balance("TRY").lots, [done.entry]).sound
    True
    >>> print(audit(done.books, (), [done.entry]).differences[0])
    acme: sum of TRY lots is 0, entries say 5000000
    """
    replay = _Replay(books.account, tuple(holds), begin)
    for entry in entries:
        replay.take(entry)
    replay.expect("sequence", replay.number, books.sequence)
    for balance in books.balances.values():
        replay.check_balance(balance, lots)
    for unit in sorted(replay.posted.keys() - books.balances):
        replay.expect(f"balance {unit}", replay.posted[unit], "missing")
    for lot in lots:
        replay.check_lot(lot)
    known = {lot.number for lot in lots} | {DEBT}
    for number in sorted(set(replay.by_lot) - known):
        replay.expect(f"lot {number}", "a lot", "missing")
    return Audit(
        accounts=1,
        entries=replay.seen,
        balances=len(books.balances),
        lots=len(lots),
        differences=tuple(replay.differences),
    )


def replayed(
    account: str, entries: Iterable[Entry], begin: Checkpoint | None = None
) -> tuple[Difference, ...]:
    """Name what is wrong with entries in themselves, going on from ``begin``.

    >>> replayed("acme", [])
    ()
    """
    replay = _Replay(account, (), begin)
    for entry in entries:
        replay.take(entry)
    return tuple(replay.differences)


class _Replay:
    """Collect what the entries say, and where the stored facts differ."""

    def __init__(self, account: str, holds: Sequence[Hold], begin: Checkpoint | None) -> None:
        self._account = account
        self._holds = holds
        self._debts: dict[str, dict[int, int]] = defaultdict(dict)
        self.posted: dict[str, int] = defaultdict(int)
        self._granted: dict[int, int] = {}
        self.by_lot: dict[int, int] = defaultdict(int)
        self._recorded_at: datetime | None = None
        self.number = 0
        self.seen = 0
        self.differences: list[Difference] = []
        if begin is not None:
            self._go_on_from(begin)

    def _go_on_from(self, begin: Checkpoint) -> None:
        self.number, self._recorded_at = begin.entries, begin.recorded_at
        self._granted.update(begin.granted)
        for moved in begin.moved:
            self.posted[moved.unit] += moved.credited + moved.debited
            self.by_lot[moved.lot] += moved.credited + moved.debited
        for unit, number, units in begin.debts:
            self._debts[unit][number] = units

    def expect(self, subject: str, expected: object, actual: object) -> None:
        if expected != actual:
            self.differences.append(
                Difference(
                    account=self._account,
                    subject=subject,
                    expected=str(expected),
                    actual=str(actual),
                )
            )

    def take(self, entry: Entry) -> None:
        self.seen += 1
        self.expect(f"number after entry {self.number}", self.number + 1, entry.number)
        self.number = entry.number
        self.expect(f"account of entry {entry.number}", self._account, entry.account)
        if self._recorded_at is not None and entry.recorded_at < self._recorded_at:
            self.expect(
                f"recorded_at of entry {entry.number}",
                f"{self._recorded_at.isoformat()} or later",
                entry.recorded_at.isoformat(),
            )
        self._recorded_at = entry.recorded_at
        if entry.corrects is not None and not 0 < entry.corrects < entry.number:
            subject = f"what entry {entry.number} corrects"
            self.expect(subject, "an earlier entry", entry.corrects)
        self.posted[entry.unit] += entry.amount
        posted = self.posted[entry.unit]
        self.expect(f"balance after entry {entry.number}", posted, entry.balance_after)
        parts = sum(units for _, units in entry.parts)
        self.expect(f"amount of entry {entry.number}", parts, entry.amount)
        for number, units in entry.parts:
            self.by_lot[number] += units
            if number == entry.number and units > 0:
                self._granted[number] = units
            if number == DEBT:
                self._owe(entry, units)

    def _owe(self, entry: Entry, units: int) -> None:
        """Note what an entry took on credit, or paid off of what another one had taken."""
        debts = self._debts[entry.unit]
        debtor = debtor_of(entry, units)
        debts[debtor] = debts.get(debtor, 0) - units

    def check_balance(self, balance: Balance, lots: Sequence[Lot]) -> None:
        name = f"balance {balance.unit}"
        self.expect(name, self.posted[balance.unit], balance.posted)
        remaining = sum(lot.remaining for lot in lots if lot.unit == balance.unit)
        self.expect(f"sum of {balance.unit} lots", balance.posted + balance.owed, remaining)
        debts = [one for one in sorted(self._debts[balance.unit].items()) if one[1]]
        self.expect(f"debts of {name}", debts, list(balance.debts))
        held = [hold for hold in self._holds if hold.unit == balance.unit]
        self.expect(f"held of {name}", sum(hold.left for hold in held), balance.held)
        for hold in held:
            parts = sum(units for _, units in hold.pins) + hold.on_credit
            self.expect(f"parts of hold {hold.id}", hold.left if hold.open else 0, parts)

    def check_lot(self, lot: Lot) -> None:
        self.expect(f"granted of lot {lot.number}", self._granted.get(lot.number), lot.granted)
        self.expect(f"remaining of lot {lot.number}", self.by_lot[lot.number], lot.remaining)
        pinned = sum(
            units for hold in self._holds for number, units in hold.pins if number == lot.number
        )
        self.expect(f"pinned of lot {lot.number}", pinned, lot.pinned)
        if not 0 <= lot.pinned <= lot.remaining <= lot.granted:
            self.expect(f"remaining of lot {lot.number}", f"0 to {lot.granted}", lot.remaining)
