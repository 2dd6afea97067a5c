"""Watch commands: begin and end to watch a balance, as functions from state to step.

*Owns* the judgment of the request.
*Does not own* comparing: every step of an account is compared where it is taken
(:func:`monochat_billing.accounts.noticed`).
"""

from datetime import datetime

import attrs

from monochat_billing.accounts import AccountState, Step
from monochat_billing.alerts import ThresholdRule
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.texts import check_identity, one_of
from monochat_billing.watches import Watch, with_watch

__all__ = ["unwatch", "watch"]


def watch(
    state: AccountState, currency: str, rule: ThresholdRule, *, name: str, now: datetime
) -> Step:
    """Watch a balance from now on; a watch of the same name gives way and its memory goes.

    Raises:
        InvalidInput: the rule is in another unit or finer than the balance, or the account
            has too many watches.
        UnknownName: the account has no such balance.
    """
    check_identity(name, "name")
    if not isinstance(rule, ThresholdRule):
        raise InvalidInput("rule", rule, "is no rule", "pass ThresholdRule(thresholds=[...])")
    balance = state.books.balance(currency)
    if rule.unit != currency:
        raise InvalidInput(
            "rule", str(rule), f"is not in {currency}", f"name thresholds in {currency}"
        )
    begun = Watch.start(name, rule, balance, now)
    account = attrs.evolve(state.account, watches=with_watch(state.account.watches, begun))
    return Step(attrs.evolve(state, account=account), result=begun)


def unwatch(state: AccountState, name: str) -> Step:
    """Watch no more under ``name``; what it remembered is forgotten.

    Raises:
        UnknownName: the account has no watch of that name.
    """
    watches = state.account.watches
    ended = next((one for one in watches if one.name == name), None)
    if ended is None:
        remedy = one_of([one.name for one in watches], "it has none: watch first")
        raise UnknownName("name", name, "is no watch of this account", remedy)
    account = attrs.evolve(state.account, watches=tuple(one for one in watches if one is not ended))
    return Step(attrs.evolve(state, account=account), result=ended)
