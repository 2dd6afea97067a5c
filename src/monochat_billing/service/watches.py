"""The verbs of ``balances`` that watch thresholds."""

from collections.abc import Sequence
from typing import cast

import attrs

from monochat_billing import watch_commands
from monochat_billing.alerts import ThresholdRule
from monochat_billing.service.statements import BalanceStatements
from monochat_billing.watches import Watch

__all__ = ["BalanceWatches"]


@attrs.frozen
class BalanceWatches(BalanceStatements):
    """Watch balances; what crosses a threshold becomes an event of the command that did it."""

    def watch(
        self, account: str, currency: str, rule: ThresholdRule, *, name: str, key: str
    ) -> Watch:
        """Report from now on what the balance crosses, under a name of the caller's choice.

        It starts from the balance as it stands: nothing is reported of what lies behind it, and
        :attr:`~monochat_billing.watches.Watch.passed` says where that is. A watch of the same
        name gives way.

        Raises:
            InvalidInput: the rule is in another currency or finer than the balance, or the
                account has too many watches.
            UnknownName: there is no such account or balance.
            IdempotencyConflict: the key was used for something else.
        """
        watch = self._context.change(
            account,
            "balances.watch",
            lambda state, now: watch_commands.watch(state, currency, rule, name=name, now=now),
            key=key,
            content={"currency": str(currency), "rule": str(rule), "name": str(name)},
        )
        return cast("Watch", watch)

    def unwatch(self, account: str, name: str, *, key: str) -> Watch:
        """Report no more under a name; give the watch as it was.

        Raises:
            UnknownName: there is no such account, or it has no watch of that name.
            IdempotencyConflict: the key was used for something else.
        """
        watch = self._context.change(
            account,
            "balances.unwatch",
            lambda state, _: watch_commands.unwatch(state, name),
            key=key,
            content={"name": str(name)},
        )
        return cast("Watch", watch)

    def watches(self, account: str) -> Sequence[Watch]:
        """Give the account's watches as they are now, the latest last.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.account.watches
