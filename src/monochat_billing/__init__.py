"""Prepaid billing as a library: balances, plans, proration, scheduling and message fees.

Import what a host needs from here; adapters (storage, gateways, WhatsApp) are imported by path::

    from monochat_billing import Billing, MONTH, money, sample_catalog
    from monochat_billing.adapters.sql import SqlStorage

A name is fetched from its module when it is first asked for, so importing the package alone costs
next to nothing; type checkers read the imports below.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from monochat_billing.accounts import Account
    from monochat_billing.alerts import ThresholdRule
    from monochat_billing.audit import Audit, Difference
    from monochat_billing.balance import (
        Balance,
        BalanceMove,
        BalanceState,
        Batch,
        DebitMode,
        Entry,
        EntryKind,
        Terms,
    )
    from monochat_billing.balance_commands import BatchReport, ClosingReport, TransferReport
    from monochat_billing.campaigns import CampaignPart, Estimate, affordable, estimate
    from monochat_billing.cancellations import CancelMode
    from monochat_billing.counters import MeteredUsage, MeterRecord
    from monochat_billing.due_work import DuePayment, first_dues
    from monochat_billing.errors import (
        BillingError,
        CorruptBooks,
        ForgedCallback,
        GatewayError,
        IdempotencyConflict,
        IllegalTransition,
        InfrastructureError,
        InsufficientFunds,
        InvalidCatalog,
        InvalidInput,
        LimitExceeded,
        MissingExtra,
        Rejected,
        SchemaMismatch,
        StaleQuote,
        StorageError,
        StorageMisuse,
        StoreBusy,
        StoreUnreachable,
        UnknownName,
    )
    from monochat_billing.fees import FeeBase, OwnFee
    from monochat_billing.forecast import Forecast, upcoming
    from monochat_billing.forecast_lines import ForecastLine
    from monochat_billing.gateways import Buyer
    from monochat_billing.hold_commands import HoldReport
    from monochat_billing.holds import Hold, HoldState, Rest
    from monochat_billing.intervals import MONTH, YEAR, BillingInterval
    from monochat_billing.lots import ChargeKind, Lot, LotOrigin
    from monochat_billing.message_commands import MessageReport
    from monochat_billing.message_estimates import MessageEstimate
    from monochat_billing.message_pricing import MessageRates, PlannedMessage
    from monochat_billing.message_terms import MessageTax, MessageTerms, Payer, StopRule
    from monochat_billing.message_tiers import MessageCounts
    from monochat_billing.message_windows import MessageWindows
    from monochat_billing.messages import Message, MessageState
    from monochat_billing.meters import Aggregation, Meter
    from monochat_billing.money import Money, allocate, money
    from monochat_billing.overview import Overview
    from monochat_billing.pack_terms import PackScope, RefundBasis
    from monochat_billing.packs import PackHolding, PackPurchase, PackRefund
    from monochat_billing.payments import Checkout, Payment, PaymentGateway, TopUp
    from monochat_billing.periods import BillingAnchor, BillingPeriod
    from monochat_billing.permissions import Permission, may_use
    from monochat_billing.plan_commands import ChangeResult
    from monochat_billing.plans import (
        TURKEY,
        AfterGrace,
        AfterTerm,
        Agreement,
        Allowance,
        Catalog,
        CatalogVersions,
        ChangeRule,
        ChangeTiming,
        DunningPolicy,
        Family,
        Feature,
        Grant,
        Limit,
        LimitCheck,
        NegotiatedPrice,
        OneOff,
        OneOffPrice,
        Price,
        PriceReach,
        Product,
        TaxRegime,
        UsageReader,
        sample_catalog,
    )
    from monochat_billing.profiles import Address, BillingProfile, TaxId, TaxIdKind
    from monochat_billing.proration import (
        ProrationLine,
        ProrationPolicy,
        prorate,
        prorate_change,
        split,
    )
    from monochat_billing.quotes import ChangeQuote, quote_change
    from monochat_billing.rating import MessageCategory, RateCard, RateCards, UsageRecord
    from monochat_billing.readings import Reading
    from monochat_billing.refusals import explain_refusal
    from monochat_billing.rollovers import AllowanceChange, Rollover
    from monochat_billing.runways import Burn, Runway, runway
    from monochat_billing.schedule_commands import Phase
    from monochat_billing.scheduling import ScheduleAction, ScheduledChange
    from monochat_billing.send_commands import SentMessage
    from monochat_billing.service import Billing, GroupCommit, Reconciliation, RunReport
    from monochat_billing.starts import Alignment
    from monochat_billing.statements import Statement
    from monochat_billing.subscription_commands import CancelReport
    from monochat_billing.subscriptions import Subscription
    from monochat_billing.top_up_commands import PaymentReceipt, RefundReceipt
    from monochat_billing.top_up_policies import (
        BonusSlab,
        ChargebackPolicy,
        RefundPolicy,
        TopUpLimits,
        TopUpPolicy,
    )
    from monochat_billing.top_ups import Resolution
    from monochat_billing.units import Amount, Units
    from monochat_billing.usage_breakdowns import UsageBreakdown
    from monochat_billing.usage_commands import MeterReport, UsageReport

__all__ = [
    "MONTH",
    "TURKEY",
    "YEAR",
    "Account",
    "Address",
    "AfterGrace",
    "AfterTerm",
    "Aggregation",
    "Agreement",
    "Alignment",
    "Allowance",
    "AllowanceChange",
    "Amount",
    "Audit",
    "Balance",
    "BalanceMove",
    "BalanceState",
    "Batch",
    "BatchReport",
    "Billing",
    "BillingAnchor",
    "BillingError",
    "BillingInterval",
    "BillingPeriod",
    "BillingProfile",
    "BonusSlab",
    "Burn",
    "Buyer",
    "CampaignPart",
    "CancelMode",
    "CancelReport",
    "Catalog",
    "CatalogVersions",
    "ChangeQuote",
    "ChangeResult",
    "ChangeRule",
    "ChangeTiming",
    "ChargeKind",
    "ChargebackPolicy",
    "Checkout",
    "ClosingReport",
    "CorruptBooks",
    "DebitMode",
    "Difference",
    "DuePayment",
    "DunningPolicy",
    "Entry",
    "EntryKind",
    "Estimate",
    "Family",
    "Feature",
    "FeeBase",
    "Forecast",
    "ForecastLine",
    "ForgedCallback",
    "GatewayError",
    "Grant",
    "GroupCommit",
    "Hold",
    "HoldReport",
    "HoldState",
    "IdempotencyConflict",
    "IllegalTransition",
    "InfrastructureError",
    "InsufficientFunds",
    "InvalidCatalog",
    "InvalidInput",
    "Limit",
    "LimitCheck",
    "LimitExceeded",
    "Lot",
    "LotOrigin",
    "Message",
    "MessageCategory",
    "MessageCounts",
    "MessageEstimate",
    "MessageRates",
    "MessageReport",
    "MessageState",
    "MessageTax",
    "MessageTerms",
    "MessageWindows",
    "Meter",
    "MeterRecord",
    "MeterReport",
    "MeteredUsage",
    "MissingExtra",
    "Money",
    "NegotiatedPrice",
    "OneOff",
    "OneOffPrice",
    "Overview",
    "OwnFee",
    "PackHolding",
    "PackPurchase",
    "PackRefund",
    "PackScope",
    "Payer",
    "Payment",
    "PaymentGateway",
    "PaymentReceipt",
    "Permission",
    "Phase",
    "PlannedMessage",
    "Price",
    "PriceReach",
    "Product",
    "ProrationLine",
    "ProrationPolicy",
    "RateCard",
    "RateCards",
    "Reading",
    "Reconciliation",
    "RefundBasis",
    "RefundPolicy",
    "RefundReceipt",
    "Rejected",
    "Resolution",
    "Rest",
    "Rollover",
    "RunReport",
    "Runway",
    "ScheduleAction",
    "ScheduledChange",
    "SchemaMismatch",
    "SentMessage",
    "StaleQuote",
    "Statement",
    "StopRule",
    "StorageError",
    "StorageMisuse",
    "StoreBusy",
    "StoreUnreachable",
    "Subscription",
    "TaxId",
    "TaxIdKind",
    "TaxRegime",
    "Terms",
    "ThresholdRule",
    "TopUp",
    "TopUpLimits",
    "TopUpPolicy",
    "TransferReport",
    "Units",
    "UnknownName",
    "UsageBreakdown",
    "UsageReader",
    "UsageRecord",
    "UsageReport",
    "affordable",
    "allocate",
    "estimate",
    "explain_refusal",
    "first_dues",
    "may_use",
    "money",
    "prorate",
    "prorate_change",
    "quote_change",
    "runway",
    "sample_catalog",
    "split",
    "upcoming",
]

_OFFERS: Final = {
    "accounts": "Account",
    "alerts": "ThresholdRule",
    "audit": "Audit Difference",
    "balance": "Balance BalanceMove BalanceState Batch DebitMode Entry EntryKind Terms",
    "balance_commands": "BatchReport ClosingReport TransferReport",
    "campaigns": "CampaignPart Estimate affordable estimate",
    "cancellations": "CancelMode",
    "counters": "MeteredUsage MeterRecord",
    "due_work": "DuePayment first_dues",
    "errors": (
        "BillingError CorruptBooks ForgedCallback GatewayError IdempotencyConflict "
        "IllegalTransition InfrastructureError InsufficientFunds InvalidCatalog InvalidInput "
        "LimitExceeded MissingExtra Rejected SchemaMismatch StaleQuote StorageError "
        "StorageMisuse StoreBusy StoreUnreachable UnknownName"
    ),
    "fees": "FeeBase OwnFee",
    "forecast": "Forecast upcoming",
    "forecast_lines": "ForecastLine",
    "gateways": "Buyer",
    "hold_commands": "HoldReport",
    "holds": "Hold HoldState Rest",
    "intervals": "MONTH YEAR BillingInterval",
    "lots": "ChargeKind Lot LotOrigin",
    "message_commands": "MessageReport",
    "message_estimates": "MessageEstimate",
    "message_pricing": "MessageRates PlannedMessage",
    "message_terms": "MessageTax MessageTerms Payer StopRule",
    "message_tiers": "MessageCounts",
    "message_windows": "MessageWindows",
    "messages": "Message MessageState",
    "meters": "Aggregation Meter",
    "money": "Money allocate money",
    "overview": "Overview",
    "pack_terms": "PackScope RefundBasis",
    "packs": "PackHolding PackPurchase PackRefund",
    "payments": "Checkout Payment PaymentGateway TopUp",
    "periods": "BillingAnchor BillingPeriod",
    "permissions": "Permission may_use",
    "plan_commands": "ChangeResult",
    "plans": (
        "TURKEY AfterGrace AfterTerm Agreement Allowance Catalog CatalogVersions ChangeRule "
        "ChangeTiming DunningPolicy Family Feature Grant Limit LimitCheck NegotiatedPrice "
        "OneOff OneOffPrice Price PriceReach Product TaxRegime UsageReader sample_catalog"
    ),
    "profiles": "Address BillingProfile TaxId TaxIdKind",
    "proration": "ProrationLine ProrationPolicy prorate prorate_change split",
    "quotes": "ChangeQuote quote_change",
    "rating": "MessageCategory RateCard RateCards UsageRecord",
    "readings": "Reading",
    "refusals": "explain_refusal",
    "rollovers": "AllowanceChange Rollover",
    "runways": "Burn Runway runway",
    "schedule_commands": "Phase",
    "scheduling": "ScheduleAction ScheduledChange",
    "send_commands": "SentMessage",
    "service": "Billing GroupCommit Reconciliation RunReport",
    "starts": "Alignment",
    "statements": "Statement",
    "subscription_commands": "CancelReport",
    "subscriptions": "Subscription",
    "top_up_commands": "PaymentReceipt RefundReceipt",
    "top_up_policies": "BonusSlab ChargebackPolicy RefundPolicy TopUpLimits TopUpPolicy",
    "top_ups": "Resolution",
    "units": "Amount Units",
    "usage_breakdowns": "UsageBreakdown",
    "usage_commands": "MeterReport UsageReport",
}
"""The modules, and the names that each of them offers here."""

_HOMES: Final = {name: module for module, names in _OFFERS.items() for name in names.split()}


if not TYPE_CHECKING:  # else every misspelled name would pass for an object

    def __getattr__(name: str) -> object:
        """Fetch a name from its module, once."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    class _Package(ModuleType):
        """Keep the function ``money``, which is called as its module is.

        The interpreter puts a module into its package under the module's name, whoever imports it.
        """

        def __setattr__(self, name: str, value: object) -> None:
            called_as_its_module = name == "money" and isinstance(value, ModuleType)
            super().__setattr__(name, value.money if called_as_its_module else value)

    import_module(__name__).__class__ = _Package


def __dir__() -> list[str]:
    """List what there is and what can be fetched."""
    return sorted({*globals(), *__all__})
