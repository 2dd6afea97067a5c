"""The noun ``accounts``: the paying businesses."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import commands
from monochat_billing.accounts import Account, AccountState, Step, check_identity
from monochat_billing.profiles import BillingProfile
from monochat_billing.service.context import Context
from monochat_billing.service.pipeline import Command

__all__ = ["Accounts"]

_OPENING = "(open)"
"""The key under which the opening is remembered: the account's id is the caller's key."""


@final
@attrs.frozen
class Accounts:
    """Open accounts and look them up."""

    _context: Context

    def open(
        self,
        account: str,
        *,
        zone: str,
        currencies: Sequence[str],
        profile: BillingProfile | None = None,
    ) -> Account:
        """Open an account with an empty balance in each currency.

        The account's id is the idempotency key: opening it again with the same facts returns
        what the first call returned. The first currency is the one that subscriptions are paid
        in unless they name another.

        Raises:
            IdempotencyConflict: the account was opened with other facts.
            InvalidInput: the id, the zone or a currency is not valid.
        """
        check_identity(account, "account")

        def decide(_: AccountState | None, now: datetime) -> Step:
            return commands.open_account(
                account=account, zone=zone, currencies=currencies, profile=profile, now=now
            )

        content = {
            "zone": str(zone),
            "currencies": " ".join(map(str, currencies)),
            "profile": str(profile),
        }
        command = Command(
            account=account, verb="accounts.open", key=_OPENING, content=content, decide=decide
        )
        return cast("Account", self._context.run(command))

    def get(self, account: str) -> Account:
        """Give the account as it is now.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.account
