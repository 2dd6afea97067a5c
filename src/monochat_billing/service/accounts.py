"""The noun ``accounts``: the paying businesses."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast, final

import attrs

from monochat_billing import commands
from monochat_billing.accounts import Account, AccountState, Step, require_account
from monochat_billing.erasure import ErasingUnit
from monochat_billing.errors import BillingError, IdempotencyConflict, InvalidInput
from monochat_billing.profiles import BillingProfile
from monochat_billing.repositories import UnitOfWork
from monochat_billing.service.context import Context
from monochat_billing.service.pipeline import Command, execute_in
from monochat_billing.texts import check_identity

__all__ = ["Accounts"]

_OPENING = "(open)"
"""The key under which the opening is remembered: the account's id is the caller's key."""


@final
@attrs.frozen
class Accounts:
    """Open accounts, look them up, and keep their billing profile."""

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
        in unless they name another, and none can be added later. Without a profile it cannot top up
        through a gateway: :meth:`update_profile` gives it one later.

        Raises:
            IdempotencyConflict: the account was opened with other facts; change them by the verb
                that does, not by opening it again.
            InvalidInput: the id, the zone or a currency is not valid.
        """
        check_identity(account, "account")

        def decide(_: AccountState | None, now: datetime) -> Step:
            return commands.open_account(
                account=account, zone=zone, currencies=currencies, profile=profile, now=now
            )

        content = {"zone": str(zone), "currencies": " ".join(map(str, currencies))}
        command = Command(
            account=account, verb="accounts.open", key=_OPENING, content=content, decide=decide
        )
        try:
            opened = cast("Account", self._context.run(command))
        except IdempotencyConflict as conflict:  # the caller's key is the account's id
            raise attrs.evolve(conflict, key=account) from None
        if opened.profile != profile:
            raise IdempotencyConflict(
                account, account, "profile", str(opened.profile), str(profile)
            )
        return opened

    def update_profile(
        self, account: str, profile: BillingProfile, *, key: str, actor: str = ""
    ) -> Account:
        """Give the account another billing profile, or its first.

        Top-ups and invoices that exist keep the profile that they were made with.

        Raises:
            UnknownName: there is no such account.
            InvalidInput: it is no billing profile.
            IdempotencyConflict: the key was used for something else.
        """
        if not isinstance(profile, BillingProfile):
            raise InvalidInput(
                "profile", type(profile).__name__, "is no billing profile", "pass BillingProfile"
            )
        updated = self._context.change(
            account,
            "accounts.update_profile",
            lambda state, now: commands.update_profile(state, profile, actor=actor, now=now),
            key=key,
            content={},
        )
        if updated.profile != profile:
            raise IdempotencyConflict(account, key, "profile", str(updated.profile), str(profile))
        return cast("Account", updated)

    def erase(self, account: str, *, key: str, actor: str = "") -> Account:
        """Erase who the account is: its billing profile, wherever it stands but on invoices.

        Top-ups and what keys remember keep a tombstone in its place; books, events and invoices
        stay. Invoices let go of their buyers by ``invoices.erase_buyers`` when the law allows it.
        A call that is repeated with a key from before, and with the old profile, is then refused.

        Raises:
            InvalidInput: the storage cannot erase.
            UnknownName: there is no such account.
            IdempotencyConflict: the key was used for something else.
        """
        check_identity(account, "account")
        check_identity(key, "key")

        def decide(state: AccountState | None, now: datetime) -> Step:
            return commands.erase_profile(require_account(state, account), actor=actor, now=now)

        command = Command(account=account, verb="accounts.erase", key=key, decide=decide)

        def work(unit: UnitOfWork) -> object:
            if not isinstance(unit, ErasingUnit):
                raise InvalidInput(
                    "storage", type(unit).__name__, "cannot erase", "use a storage that can"
                )
            (result,) = execute_in(unit, self._context.catalog, [command], self._context.now())
            if not isinstance(result, BillingError):
                unit.erase(account)
            return result

        result = self._context.storage.write(work)
        if isinstance(result, BillingError):
            raise result
        return cast("Account", result)

    def get(self, account: str) -> Account:
        """Give the account as it is now.

        Raises:
            UnknownName: there is no such account.
        """
        return self._context.view(account).state.account
