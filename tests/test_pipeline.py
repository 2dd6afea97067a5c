"""The pipeline: what a batch of commands asks of the storage, at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from hypothesis import given, strategies as st

from monochat_billing.accounts import AccountState, Step, require_account
from monochat_billing.plans import sample_catalog
from monochat_billing.repositories import Loaded, UnitOfWork, Wanted
from monochat_billing.service.pipeline import Command, execute_in

NOW = datetime(2026, 10, 5, tzinfo=UTC)
CATALOG = sample_catalog()

KINDS = ("usage", "top_ups", "schedule", "holds", "messages", "tallies", "counters", "metered")
IDS = st.frozensets(st.sampled_from("pqrs"), max_size=2)
COMMANDS = st.lists(
    st.builds(
        lambda account, key, wants, entries, ended: command(
            account, key, {**wants, "entries": entries}, ended=ended
        ),
        st.sampled_from(["acme", "zeta"]),
        st.none() | st.sampled_from("kl"),
        st.dictionaries(st.sampled_from(KINDS), IDS),
        st.frozensets(st.integers(1, 3), max_size=2),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


class Nobody:
    """Be a unit of work in which no account exists, and write down what was asked."""

    def __init__(self) -> None:
        self.asked: Sequence[Wanted] = ()

    def load(self, wanted: Sequence[Wanted]) -> Mapping[str, Loaded]:
        self.asked = wanted
        return {one.account: Loaded(None) for one in wanted}


def command(
    account: str, key: str | None, wants: Mapping[str, frozenset[Any]], *, ended: bool
) -> Command:
    def decide(state: AccountState | None, now: datetime) -> Step:
        raise AssertionError(require_account(state, account), now)

    return Command(account, "test", decide, key=key, wants=wants, ended=ended)


class TestWhatIsLoaded:
    """One load fetches what all commands need, and nothing else."""

    @given(commands=COMMANDS)
    def test_is_the_union_of_what_each_wants(self, commands: list[Command]) -> None:
        unit = Nobody()
        results = execute_in(cast("UnitOfWork", unit), CATALOG, commands, NOW)
        assert len(results) == len(commands)
        accounts = [one.account for one in unit.asked]
        assert accounts == sorted({one.account for one in commands})
        for wanted in unit.asked:
            mine = [one for one in commands if one.account == wanted.account]
            assert wanted.keys == {one.key for one in mine if one.key is not None}
            assert wanted.ended == any(one.ended for one in mine)
            for kind in (*KINDS, "entries"):
                named = frozenset[Any]().union(*(one.wants.get(kind, ()) for one in mine))
                assert getattr(wanted, kind) == named
