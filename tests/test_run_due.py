"""A run over due accounts leaves one that contradicts itself alone, and says so."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monochat_billing import MONTH, CorruptBooks
from monochat_billing.adapters.sql import SqlStorage
from tests.desk import PROFILE, Clock, Desk, build


class TestCorruptBooks:
    """One account's damage is not the others'."""

    def test_is_named_and_the_others_advance(self, tmp_path: Path) -> None:
        """The damaged account is charged nothing; a second run names it again and does no more."""
        path = tmp_path / "billing.db"
        with SqlStorage(f"sqlite:///{path}") as storage:

            def again() -> Desk:
                return build(storage, Clock(), again)

            desk = again()
            for name in ("anna", "bert", "cleo"):
                desk.billing.accounts.open(name, zone="UTC", currencies=["TRY"], profile=PROFILE)
                desk.billing.subscriptions.subscribe(name, "basic", MONTH, key="s")
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(
                    "UPDATE billing_subscriptions SET document = '{}' WHERE account_id = 'bert'"
                )
            desk.clock.advance(days=40)
            first = desk.billing.run_due()
            assert (first.accounts, first.events) == (2, 4)  # a renewal and an allowance that ended
            ((account, error),) = first.failed
            assert account == "bert"
            assert isinstance(error, CorruptBooks)
            second = desk.billing.run_due()
            assert (second.accounts, [name for name, _ in second.failed]) == (0, ["bert"])
            assert desk.event_names("bert") == ["AccountOpened", "SubscriptionStarted"]
            with pytest.raises(CorruptBooks):
                desk.billing.overview("bert")
            audit = desk.billing.verify()
            assert audit.accounts == 3
            assert [one.account for one in audit.differences] == ["bert"]
