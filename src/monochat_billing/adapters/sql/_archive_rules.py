"""Which entries may be archived: a prefix that nothing open, live or to come refers to.

Owns the rule, as :mod:`monochat_billing.adapters.sql.archiving` tells it.
Does not own what becomes of the entries.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, select

from monochat_billing.account_state import AccountState
from monochat_billing.adapters.sql import _rows, schema
from monochat_billing.adapters.sql._rows import each
from monochat_billing.adapters.sql._unit import SqlReader
from monochat_billing.checkpoints import Checkpoint
from monochat_billing.errors import CorruptBooks, InvalidInput
from monochat_billing.lots import DEBT
from monochat_billing.top_ups import DisputeState

KEPT: Final = timedelta(days=90)
"""How long an entry stays at least: what reversals, refunds and averages of usage look back on."""


def last_of_prefix(
    reader: SqlReader, state: AccountState, begin: Checkpoint | None, before: datetime
) -> tuple[int, str]:
    """Find the last entry that may be archived, and what the next one is kept for.

    Raises:
        InvalidInput: ``before`` is less than :data:`KEPT` before what the account has seen.
    """
    account = state.account
    if before > account.as_of - KEPT:
        raise InvalidInput(
            "before",
            before.isoformat(),
            f"is less than {KEPT.days} days before the latest instant of {account.id!r}",
            f"pass {(account.as_of - KEPT).isoformat()} or an earlier instant",
        )
    session, ask = reader.session, reader.session.statements.archives
    gone = begin.entries if begin else 0
    values = ask.first_from.values(account=account.id, before=_rows.ticks(before))
    of_age = session.rows("archive", ask.first_from, values)[0][0]
    values = ask.uninvoiced.values(account=account.id)
    uninvoiced = [row[0] for row in session.rows("archive", ask.uninvoiced, values)]
    needed = [(int(of_age), "")] if of_age is not None else []
    needed += _referred_to(reader, state)
    needed += [(int(one), "an invoice to come") for one in uninvoiced if one is not None]
    stop, kept_for = min((one for one in needed if one[0] > gone), default=(0, ""))
    if not stop:
        return state.books.sequence, ""
    values = ask.recorded_at.values(account=account.id, number=stop)
    at = session.rows("archive", ask.recorded_at, values)
    if not at:
        raise CorruptBooks("archive", f"entry {stop} of {account.id!r} is missing")
    values = ask.first_recorded.values(account=account.id, before=at[0][0], number=stop)
    return int(session.rows("archive", ask.first_recorded, values)[0][0]) - 1, kept_for


def _referred_to(reader: SqlReader, state: AccountState) -> list[tuple[int, str]]:
    """List the entries that what is open or live refers to by number, each with its reason."""
    found = [
        (number, "an open debt")
        for balance in state.books.balances.values()
        for number, _ in balance.debts
    ]
    found += [
        (number, "an open hold")
        for hold in state.holds.values()
        if hold.open
        for number, _ in hold.pins
        if number != DEBT
    ]
    found += [
        (charge.entry, "a live charge")
        for one in state.subscriptions.values()
        if one.live
        for charge in (one.charge, *one.earlier)
        if charge.entry is not None
    ]
    top_ups = schema.TOP_UPS
    disputed = select(top_ups).where(
        top_ups.c.account_id == bindparam("account"), top_ups.c.document.like("%opened_at%")
    )
    statement = reader.session.statements.compiled(disputed)
    values = statement.values(account=state.account.id)
    for top_up in each(top_ups, reader.session.rows("archive", statement, values), _rows.top_up):
        found += [
            (dispute.entry, "an open dispute")
            for dispute in top_up.disputes
            if dispute.state is DisputeState.OPEN and dispute.entry is not None
        ]
    return found
