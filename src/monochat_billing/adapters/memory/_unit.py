"""The unit of work: what is loaded together, and what may be saved.

Owns which save is refused, and what an erasure takes off.
Does not own reading (``_reading``) or when what was saved can be seen (``_pending``).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, final

import attrs

from monochat_billing.adapters.memory._invoices import Invoices
from monochat_billing.adapters.memory._outbox import Outbox
from monochat_billing.adapters.memory._reading import MemoryReader
from monochat_billing.erasure import erased
from monochat_billing.errors import StorageMisuse
from monochat_billing.messages import BusinessNumber, SetAsideStatus
from monochat_billing.repositories import Changes, Loaded, Wanted


@final
class Unit(MemoryReader, Outbox, Invoices):
    """Load accounts, and collect what is to be saved of them."""

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        return {one.account: self._load(one) for one in wanted}

    def _load(self, wanted: Wanted) -> Loaded:
        self._loaded.add(wanted.account)
        kept = self._shelf.accounts.get(wanted.account)
        if kept is None:
            return Loaded(None)
        keys = {key: kept.keys[key] for key in wanted.keys if key in kept.keys}
        if not (
            wanted.usage
            or wanted.top_ups
            or wanted.schedule
            or wanted.holds
            or wanted.entries
            or wanted.ended
        ):
            return Loaded(kept.in_sight(kept.state, wanted), keys)
        asked = {key: kept.schedule[key] for key in wanted.schedule if key in kept.schedule}
        holds = {key: kept.holds[key] for key in wanted.holds if key in kept.holds}
        entries = kept.with_corrections(wanted.entries)
        state = attrs.evolve(
            kept.state,
            books=kept.with_lots_of(entries.values()),
            subscriptions=dict(kept.subscriptions) if wanted.ended else kept.state.subscriptions,
            entries=entries,
            holds={**holds, **kept.state.holds},
            schedule={**asked, **kept.state.schedule},
            top_ups={key: kept.top_ups[key] for key in wanted.top_ups if key in kept.top_ups},
            known_usage=frozenset(key for key in wanted.usage if key in kept.usage),
        )
        return Loaded(kept.in_sight(state, wanted), keys)

    def register(self, numbers: Sequence[BusinessNumber]) -> None:
        shelf = self._shelf
        nobody = [one.account for one in numbers if one.account not in shelf.accounts]
        if nobody:
            self._failure = StorageMisuse("register", f"account {nobody[0]!r} does not exist")
            raise self._failure
        before = dict(shelf.numbers)
        self._undo.append(lambda: setattr(shelf, "numbers", before))
        shelf.numbers = {**before, **{one.id: one for one in numbers}}

    def set_aside(self, statuses: Sequence[SetAsideStatus], settled: Sequence[str] = ()) -> None:
        shelf = self._shelf
        before = dict(shelf.asides)
        self._undo.append(lambda: setattr(shelf, "asides", before))
        shelf.put_aside(statuses, settled)

    def erase(self, account: str) -> None:
        kept = self._shelf.accounts[account]
        for part in (kept.top_ups, kept.keys):
            before: dict[str, Any] = dict(part)
            self._undo.append(partial(part.update, before))
            part.update({name: erased(one) for name, one in before.items()})

    def save(self, changes: Sequence[Changes]) -> None:
        shelf, seen = self._shelf, set[str]()
        for one in changes:
            account = one.after.account.id
            if account in seen or one.after.top_ups:  # it may be about what was saved just before
                shelf = self._shelf
            wrong = "was not loaded" if account not in self._loaded else shelf.misfit(one)
            if wrong:
                self._failure = StorageMisuse("save", f"account {account!r} {wrong}")
                raise self._failure
            self._saved.append(one)
            seen.add(account)
