"""What the nouns share: catalog, storage, gateways, clock, ids, and one way to run a command."""

import enum
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, final

import attrs

from monochat_billing.accounts import (
    AccountState,
    Step,
    catch_up,
    require_account,
)
from monochat_billing.errors import InvalidInput, UnknownName
from monochat_billing.invoicing import InvoicePolicy
from monochat_billing.message_told import MessageChannel
from monochat_billing.money import checked_text
from monochat_billing.payments import PaymentGateway
from monochat_billing.periods import utc
from monochat_billing.plans import AnyCatalog, UsageReader
from monochat_billing.rating import RateCards
from monochat_billing.repositories import Loaded, Reader, Storage, Wanted
from monochat_billing.service.group_commit import Runner
from monochat_billing.service.pipeline import NOTHING_ELSE, Command, execute, make_command
from monochat_billing.texts import check_identity, one_of
from monochat_billing.top_up_policies import TopUpPolicy
from monochat_billing.units import Amount, Units

__all__ = [
    "Context",
    "fingerprint_of",
    "instant_text",
    "maybe_amount",
    "named",
    "new_id",
    "utc_now",
]

E = TypeVar("E", bound=enum.StrEnum)
T = TypeVar("T")


def utc_now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a fresh random id."""
    return uuid.uuid4().hex


def fingerprint_of(amount: Amount, field: str = "amount") -> str:
    """Give an amount's canonical text: equal amounts have equal texts.

    Raises:
        InvalidInput: it is no exact amount of money or units.
    """
    if isinstance(amount, Units):
        return str(amount)
    return f"{checked_text(amount, field=field)} {amount.currency.code}"


def maybe_amount(amount: Amount | None, field: str = "amount") -> str:
    """Give the canonical text of an amount that may be left out.

    Raises:
        InvalidInput: it is no exact amount of money or units.
    """
    return "" if amount is None else fingerprint_of(amount, field)


def named(kind: type[E], value: object, field: str) -> E:
    """Give a member of an enum for itself or for its name.

    Raises:
        InvalidInput: there is no such member.
    """
    if type(value) is kind:
        return value
    try:
        return kind(str(value))
    except ValueError:
        names = ", ".join(one.value for one in kind)
        raise InvalidInput(field, value, "is not known", f"use one of {names}") from None


def instant_text(at: datetime | None, field: str = "at") -> str:
    """Give the canonical text of an instant that may be left out: equal instants, equal texts.

    Raises:
        InvalidInput: it is naive.
    """
    return "" if at is None else utc(at, field=field).isoformat()


@final
@attrs.frozen(kw_only=True)
class Context:
    """Hold what every noun of the service needs."""

    catalog: AnyCatalog
    storage: Storage
    gateways: Mapping[str, PaymentGateway]
    rates: RateCards | None
    clock: Callable[[], datetime]
    ids: Callable[[], str]
    usage_reader: UsageReader | None = None
    channel: MessageChannel | None = None
    top_up_policy: TopUpPolicy = attrs.field(factory=TopUpPolicy)
    invoicing: InvoicePolicy | None = None
    lane: Runner | None = attrs.field(default=None, eq=False, repr=False)

    def now(self) -> datetime:
        """Ask the clock.

        Raises:
            InvalidInput: the clock returned a naive datetime.
        """
        return utc(self.clock(), field="clock")

    def run(self, command: Command) -> Any:  # noqa: ANN401 - every verb has its own result
        """Run one command; give its result or raise its error."""
        if self.lane is None:
            (result,) = self.execute([command])
        else:
            result = self.lane.run(command, self.execute)
        if isinstance(result, BaseException):
            raise result
        return result

    def execute(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one unit of work; give a result or an error for each."""
        return execute(self.storage, self.catalog, commands, self.now())

    def change(
        self,
        account: str,
        verb: str,
        decide: Callable[[AccountState, datetime], Step],
        *,
        key: str | None = None,
        content: Mapping[str, str] | None = None,
        wants: Mapping[str, Iterable[Any]] | None = None,
        ended: bool = False,
    ) -> Any:  # noqa: ANN401 - every verb has its own result
        """Run one command on an account that must exist.

        With ``content``, the request field by field, it is remembered under ``key``, which must
        then be given; without, it is safe to repeat by itself.
        ``wants`` names, by kind (``usage``, ``top_ups``, ``schedule``, ``holds``, ``entries``),
        what to load beside the account's live state, ``ended`` says that it needs the
        subscriptions that have ended, too.
        """
        check_identity(account, "account")
        if content is not None:
            check_identity(key, "key")

        def on_existing(state: AccountState | None, now: datetime) -> Step:
            return decide(require_account(None, account) if state is None else state, now)

        beside = NOTHING_ELSE
        if wants is not None:
            beside = {kind: frozenset(ids) for kind, ids in wants.items()}
        return self.run(make_command(account, verb, on_existing, key, content or {}, beside, ended))

    def load(self, wanted: Wanted) -> Loaded:
        """Read one account as it is stored."""
        check_identity(wanted.account, "account")
        return self.storage.read(lambda reader: reader.load([wanted])[wanted.account])

    def view(self, account: str, *, ended: bool = False) -> Step:
        """Read one account as it is now: with everything that is due applied, nothing stored.

        With ``ended`` the subscriptions that have ended are in it, too.

        Raises:
            UnknownName: there is no such account.
        """
        step, _ = self.view_with(account, lambda _: None, ended=ended)
        return step

    def view_with(
        self, account: str, look: Callable[[Reader], T], *, ended: bool = False
    ) -> tuple[Step, T]:
        """Read one account as it is now, and whatever ``look`` reads, from one consistent view.

        Raises:
            UnknownName: there is no such account.
        """
        check_identity(account, "account")

        def read(reader: Reader) -> tuple[AccountState, T]:
            wanted = Wanted(account, ended=ended)
            state = require_account(reader.load([wanted])[account].state, account)
            return state, look(reader)

        state, found = self.storage.read(read)
        return catch_up(state, self.catalog, self.now()), found

    def gateway(self, name: str) -> PaymentGateway:
        """Give the gateway of that name.

        Raises:
            UnknownName: the service was built without it.
        """
        try:
            return self.gateways[name]
        except KeyError:
            raise UnknownName(
                "gateway",
                name,
                "is not configured",
                one_of(self.gateways, "pass it in gateways to Billing"),
            ) from None
