"""Statements about counters and metered usage, compiled beside the others."""

from typing import TYPE_CHECKING, final

from sqlalchemy import BigInteger, bindparam, select, tuple_

from monochat_billing.adapters.sql import schema

if TYPE_CHECKING:
    from monochat_billing.adapters.sql._statements import Statements


@final
class MeteredStatements:
    """Hold the statements about counters and metered usage, compiled for one database."""

    def __init__(self, statements: "Statements") -> None:
        s = schema
        self.asked_counters = statements.of_pairs(s.COUNTERS, s.COUNTERS.c.bucket)
        self.asked_records = statements.of_pairs(s.METERED, s.METERED.c.id)
        self.replace_counters = statements.replace(s.COUNTERS, "document")
        self.replace_records = statements.replace(s.METERED, "document")
        at, identity = s.METERED.c.occurred_at, s.METERED.c.id
        since = bindparam("since", type_=BigInteger)
        self.records = statements.compiled(
            select(s.METERED)
            .where(
                s.METERED.c.account_id == bindparam("account"),
                tuple_(at, identity) > tuple_(since, bindparam("after")),
                at < bindparam("until", type_=BigInteger),
            )
            .order_by(at, identity)
            .limit(bindparam("limit", type_=BigInteger))
        )
