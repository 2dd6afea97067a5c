"""The statement that reads everything that accounts have at the moment.

Five statements would be five times the way to the database's executor and back. So their rows come
as one, each with its kind: four texts and nine integers, of which every kind uses what it needs.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Table,
    Text,
    cast,
    literal_column,
    not_,
    null,
    select,
    union_all,
)

from monochat_billing.adapters.sql import schema
from monochat_billing.subscriptions import ENDED

BALANCE, LOT, HOLD, SUBSCRIPTION, CHANGE = range(5)
"""The kinds, in the order in which they are read."""

_TEXTS: Final = 4
_INTEGERS: Final = 9


def state_of(values: Iterable[str]) -> Callable[["Column[str]"], ColumnElement[bool]]:
    """Compare a column with constants, as the partial indexes have them."""
    listed: list[ColumnElement[str]] = [literal_column(f"'{one}'") for one in sorted(values)]
    return lambda column: column.in_(listed) if len(listed) > 1 else column == listed[0]


ended: Final = state_of(ENDED)


def holdings(among: Callable[["Column[str]"], ColumnElement[bool]]) -> "CompoundSelect[Any]":
    """Read what accounts have; ``among`` says of which accounts."""
    s = schema
    balances, lots, holds = s.BALANCES.c, s.LOTS.c, s.HOLDS.c
    held, changes = s.SUBSCRIPTIONS.c, s.SCHEDULE.c
    return union_all(
        _arm(
            s.BALANCES,
            BALANCE,
            among,
            (balances.unit, balances.debts, balances.state),
            (
                balances.position,
                balances.scale,
                balances.posted,
                balances.held,
                balances.credit_limit,
            ),
        ),
        _arm(
            s.LOTS,
            LOT,
            among,
            (lots.unit, lots.origin, lots.pays_for, lots.source),
            (
                lots.number,
                lots.granted,
                lots.remaining,
                lots.granted_at,
                lots.expires_at,
                lots.priority,
                lots.effective_at,
                lots.waiting,
                lots.pinned,
            ),
            lots.open == literal_column("1"),
        ),
        _arm(
            s.HOLDS,
            HOLD,
            among,
            (holds.id, holds.document),
            (holds.placed_at,),
            state_of(["OPEN"])(holds.state),
        ),
        _arm(
            s.SUBSCRIPTIONS,
            SUBSCRIPTION,
            among,
            (held.id, held.document),
            (held.position,),
            not_(ended(held.state)),
        ),
        _arm(
            s.SCHEDULE,
            CHANGE,
            among,
            (changes.id, changes.document),
            (changes.requested_at,),
            state_of(["PENDING"])(changes.state),
        ),
    )


def _arm(
    table: Table,
    kind: int,
    among: Callable[["Column[str]"], ColumnElement[bool]],
    texts: Sequence["Column[Any]"],
    integers: Sequence["Column[Any]"],
    *also: ColumnElement[bool],
) -> Any:  # noqa: ANN401 - a select
    padding = [cast(null(), Text)] * (_TEXTS - len(texts))
    more = [cast(null(), BigInteger)] * (_INTEGERS - len(integers))
    account = table.c.account_id
    columns = (account, literal_column(str(kind)), *texts, *padding, *integers, *more)
    return select(*columns).where(among(account), *also)
