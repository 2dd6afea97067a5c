"""The noun ``schedule``: changes that are asked for now and done later."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import plan_commands
from monochat_billing.periods import BillingInterval
from monochat_billing.plans import ChangeTiming
from monochat_billing.scheduling import ScheduledChange
from monochat_billing.service.context import Context

__all__ = ["Schedule"]


@final
@attrs.frozen
class Schedule:
    """Plan a change, list what is planned, take it back."""

    _context: Context

    def change(
        self,
        account: str,
        *,
        to: str,
        interval: BillingInterval | None = None,
        timing: ChangeTiming = ChangeTiming.END_OF_PERIOD,
        at: datetime | None = None,
        key: str,
        actor: str = "",
    ) -> ScheduledChange:
        """Plan a change for the period's end, or with ``timing`` AT for an instant ahead.

        It is priced and judged when it is due. A later request for the same instant replaces it;
        a change done at once replaces whatever is pending.

        Raises:
            IllegalTransition: the subscription is past due.
            InvalidInput: the instant is not ahead, or the rule does not allow the timing.
            UnknownName: no such account, product or price, or no subscription of that family.
            IdempotencyConflict: the key was used for something else.
        """
        schedule_id = self._context.ids()
        change = self._context.change(
            account,
            "schedule.change",
            lambda state, now: plan_commands.schedule_change(
                state,
                self._context.catalog,
                schedule_id=schedule_id,
                to=to,
                interval=interval,
                timing=timing,
                at=at,
                actor=actor,
                now=now,
            ),
            key=key,
            content={
                "to": str(to),
                "interval": str(interval),
                "timing": str(timing),
                "at": str(at if at is None else at.isoformat()),
            },
        )
        return cast("ScheduledChange", change)

    def list(self, account: str) -> Sequence[ScheduledChange]:
        """Give what is pending on the account now, in order of request.

        Raises:
            UnknownName: there is no such account.
        """
        schedule = self._context.view(account).state.schedule.values()
        return tuple(
            sorted((one for one in schedule if one.pending), key=lambda one: one.requested_at)
        )

    def history(self, account: str) -> Sequence[ScheduledChange]:
        """Give every scheduled change that was stored, with what became of it.

        Raises:
            UnknownName: there is no such account.
        """
        _, found = self._context.view_with(account, lambda reader: reader.schedule(account))
        return found

    def revoke(self, account: str, scheduled_change: str, *, key: str) -> ScheduledChange:
        """Take back a scheduled change that is still pending.

        Raises:
            IllegalTransition: it is no longer pending.
            UnknownName: the account has no such scheduled change.
            IdempotencyConflict: the key was used for something else.
        """
        revoked = self._context.change(
            account,
            "schedule.revoke",
            lambda state, now: plan_commands.revoke_change(state, scheduled_change, now),
            key=key,
            content={"scheduled_change": str(scheduled_change)},
            wants={"schedule": [scheduled_change]},
        )
        return cast("ScheduledChange", revoked)
