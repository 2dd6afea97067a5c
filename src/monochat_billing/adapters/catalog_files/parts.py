"""The parts of a catalog file: products, prices, limits, packs and rules.

*Owns* how each table becomes a value.
*Does not own* the version that they stand in (``reading``).
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final

from monochat_billing.adapters.catalog_files.cursor import Report, Table
from monochat_billing.change_rules import (
    AnchorRule,
    ChangeRule,
    ChangeTiming,
    IntervalChange,
)
from monochat_billing.dunning import AfterGrace, DunningPolicy
from monochat_billing.errors import InvalidInput
from monochat_billing.instants import check_zone
from monochat_billing.intervals import MONTH, BillingInterval
from monochat_billing.limits import Allowance, Limit, LimitKind, OverageTier, unlimited
from monochat_billing.money import Money, check_currency, money
from monochat_billing.pack_terms import NO_REFUND, PackScope, RefundBasis, RefundPolicy
from monochat_billing.prices import OneOffPrice, Price, PriceReach
from monochat_billing.products import Direction, Family, Feature, Grant, OneOff, Product
from monochat_billing.proration_policies import DEFAULT_POLICY
from monochat_billing.rating import MessageCategory
from monochat_billing.rollovers import NO_ROLLOVER, AllowanceChange, Rollover
from monochat_billing.tax import KDV, DatedRate, Pricing, TaxTable, TaxTreatment
from monochat_billing.tax_regimes import TaxRegime

__all__ = ["Parts"]

_HUNDRED: Final = 100


class Parts:
    """Read products, packs and rules, and note what cannot be read.

    ``unread`` and ``unlimited`` are the ids of what has prices or limits that could not be read.

    ``zone``, ``pricing`` and ``tax_class`` are what holds where a table says nothing else.
    """

    def __init__(self, report: Report) -> None:
        self.zone = "UTC"
        self.pricing = Pricing.INCLUSIVE
        self.tax_class = "standard"
        self.unread: set[str] = set()
        self.unlimited: set[str] = set()
        self._report = report

    def product(self, path: str, row: Any) -> Product | None:  # noqa: ANN401 - a file's value
        """Read a product; of one that has mistakes, what others need to be judged."""
        table = Table(row, path, "product", self._report)
        identity, family = table.text("id"), table.choice("family", Family)
        rank = table.count("rank")
        if rank is None and family is not None and family.ladder and "rank" not in table.raw:
            table.report.say(
                f"{path}.rank", None, "is missing", "say its place on the ladder: 0 is the lowest"
            )
        fields: dict[str, Any] = {
            "names": table.texts("names"),
            "descriptions": table.texts("descriptions"),
            "trial": table.interval("trial"),
            "prices": self._all(table, "prices", self._price),
            "limits": tuple(self._limits(table)),
            "allowances": self._all(table, "allowances", self._allowance),
            "features": tuple(self._features(table)),
            "least_quantity": 1 if (least := table.count("least_quantity")) is None else least,
            "most_quantity": self._most(table, 1),
        }
        if identity is None or family is None:
            self.unread.update(() if identity is None else (identity,))
            return None
        made = self._report.build(
            path, lambda: Product(id=identity, family=family, rank=rank or 0, **fields)
        )
        if self._lost(table, "prices", fields["prices"]):
            self.unread.add(identity)
        if self._lost(table, "limits", fields["limits"]):
            self.unlimited.add(identity)
        if made is not None:
            return made
        return Product(
            id=identity,
            family=family,
            rank=rank or 0,
            names={},
            prices=tuple({(one.interval, one.currency): one for one in fields["prices"]}.values()),
            limits=tuple({one.name: one for one in fields["limits"]}.values()),
            allowances=tuple({one.meter: one for one in fields["allowances"]}.values()),
        )

    def one_off(self, path: str, row: Any) -> OneOff | None:  # noqa: ANN401 - a file's value
        """Read a pack or a one-off add-on."""
        table = Table(row, path, "one_off", self._report)
        identity = table.text("id")
        grant = None
        if "grant" in table.raw:
            inner = Table(table.raw["grant"], f"{path}.grant", "grant", self._report)
            meter, units = inner.text("meter") or "", inner.count("units")
            valid_for, scope = inner.interval("valid_for"), self._scope(inner)
            if inner.sound and units is not None:
                grant = self._report.build(
                    inner.path,
                    lambda: Grant(meter=meter, units=units, valid_for=valid_for, scope=scope),
                )
        names, descriptions = table.texts("names"), table.texts("descriptions")
        prices = self._all(table, "prices", self._one_off_price)
        most, refund = self._most(table, None), self._refund(table)
        if identity is None:
            return None
        made = self._report.build(
            path,
            lambda: OneOff(
                id=identity,
                names=names,
                descriptions=descriptions,
                prices=prices,
                grant=grant,
                refund=refund,
                most_quantity=most,
            ),
        )
        if self._lost(table, "prices", prices):
            self.unread.add(identity)
        return made

    @staticmethod
    def _lost(table: Table, key: str, read: Sequence[object]) -> bool:
        """Tell whether some of a list could not be read."""
        given = table.raw.get(key, ())
        return not isinstance(given, list | dict | tuple) or len(given) != len(read)

    @staticmethod
    def _all(table: Table, key: str, read: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a reader
        found = (read(path, row) for path, row in table.rows(key))
        return tuple(one for one in found if one is not None)

    @staticmethod
    def _most(table: Table, default: int | None) -> int | None:
        if "most_quantity" not in table.raw:
            return default
        return None if table.raw["most_quantity"] == "any" else table.count("most_quantity")

    def _money(self, table: Table, key: str, currency: str | None) -> Money | None:
        given = table.amount(key)
        if given is None or currency is None:
            return None
        return self._report.build(table.path, lambda: _named(key, money, given, currency))

    def _currency(self, table: Table) -> str | None:
        code = table.text("currency")
        if code is None:
            return None
        try:
            check_currency(code)
        except InvalidInput as error:
            table.sound = False
            self._report.say(f"{table.path}.currency", code, error.problem, error.remedy)
            return None
        return code

    def _dated(self, table: Table) -> dict[str, Any]:
        amount = self._money(table, "amount", self._currency(table))
        return {
            "amount": amount,
            "effective_at": table.instant("from", self.zone),
            "until_at": table.instant("until", self.zone),
            "pricing": table.choice("pricing", Pricing) or self.pricing,
            "tax_class": table.text("tax_class") or self.tax_class,
        }

    def _price(self, path: str, row: Any) -> Price | None:  # noqa: ANN401 - a file's value
        table = Table(row, path, "price", self._report)
        interval = table.interval("interval")
        fields = self._dated(table)
        reach = table.choice("reach", PriceReach) or PriceReach.NEVER
        reaches_at = table.instant("reaches", self.zone)
        if not table.sound or interval is None or fields["amount"] is None:
            return None
        return self._report.build(
            path, lambda: Price(interval=interval, reach=reach, reaches_at=reaches_at, **fields)
        )

    def _one_off_price(self, path: str, row: Any) -> OneOffPrice | None:  # noqa: ANN401
        table = Table(row, path, "one_off_price", self._report)
        fields = self._dated(table)
        if not table.sound or fields["amount"] is None:
            return None
        return self._report.build(path, lambda: OneOffPrice(**fields))

    def _limits(self, table: Table) -> list[Limit]:
        found: list[Limit | None] = []
        for path, name, value in table.pairs("limits"):
            if value == "unlimited":
                found.append(self._report.build(path, partial(unlimited, name)))
            elif type(value) is int:
                found.append(self._limit(path, name, value, ()))
            elif isinstance(value, dict):
                inner = Table(value, path, "limit", self._report)
                most = inner.count("most")
                overage = self._overage(inner)
                if inner.sound and overage:
                    found.append(self._limit(path, name, most, overage))
            else:
                self._report.say(
                    path, value, "is no limit", "write a whole number, 'unlimited', or a table"
                )
        return [limit for limit in found if limit is not None]

    def _limit(
        self, path: str, name: str, most: int | None, overage: tuple[OverageTier, ...]
    ) -> Limit | None:
        kind = LimitKind.SOFT if overage else LimitKind.HARD
        before = f"limits.{name}"
        try:
            return Limit(name=name, kind=kind, most=most, overage=overage)
        except InvalidInput as error:
            where = path + error.field.removeprefix(before)
            self._report.say(where, error.value, error.problem, error.remedy)
            return None

    def _overage(self, table: Table) -> tuple[OverageTier, ...]:
        tiers: list[OverageTier] = []
        for path, code, value in table.pairs("overage"):
            rows = value if isinstance(value, list) else [{"rate": value}]
            for place, row in enumerate(rows):
                where = f"{path}[{place}]" if isinstance(value, list) else path
                tier = self._tier(where, code, row)
                if tier is None:
                    table.sound = False
                else:
                    tiers.append(tier)
        return tuple(tiers)

    def _tier(self, path: str, code: str, row: Any) -> OverageTier | None:  # noqa: ANN401
        table = Table(row, path, "tier", self._report)
        first = 1 if "from" not in table.raw else table.count("from")
        last = table.count("to")
        given = table.amount("rate")
        if not table.sound or given is None or first is None:
            return None
        return self._report.build(
            path,
            lambda: OverageTier(rate=_named("rate", money, given, code), first=first, last=last),
        )

    def _allowance(self, path: str, row: Any) -> Allowance | None:  # noqa: ANN401 - as above
        table = Table(row, path, "allowance", self._report)
        meter, units = table.text("meter"), table.count("units")
        per = table.interval("per") or MONTH
        overage, rollover = self._overage(table), self._rollover(table)
        on_change = table.choice("on_change", AllowanceChange) or AllowanceChange.PRORATED
        if meter is None or units is None or not table.sound:
            return None
        return self._report.build(
            path,
            lambda: Allowance(
                meter=meter,
                units=units,
                per=per,
                overage=overage,
                rollover=rollover,
                on_change=on_change,
            ),
        )

    def _rollover(self, table: Table) -> Rollover:
        if "rollover" not in table.raw:
            return NO_ROLLOVER
        inner = Table(table.raw["rollover"], f"{table.path}.rollover", "rollover", self._report)
        least, most = inner.count("minimum") or 0, inner.count("maximum")
        made = self._report.build(inner.path, lambda: Rollover(minimum=least, maximum=most))
        table.sound = table.sound and inner.sound and made is not None
        return made or NO_ROLLOVER

    def _scope(self, table: Table) -> PackScope | None:
        if "scope" not in table.raw:
            return None
        inner = Table(table.raw["scope"], f"{table.path}.scope", "scope", self._report)
        category, market = inner.choice("category", MessageCategory), inner.text("market")
        made = None
        if category is not None and market is not None:
            made = self._report.build(
                inner.path, lambda: PackScope(category=category, market=market)
            )
        table.sound = table.sound and made is not None
        return made

    def _refund(self, table: Table) -> RefundPolicy:
        if "refund" not in table.raw:
            return NO_REFUND
        inner = Table(table.raw["refund"], f"{table.path}.refund", "refund", self._report)
        basis, within = inner.choice("basis", RefundBasis), inner.interval("within")
        if basis is None or not inner.sound:
            return NO_REFUND
        made = self._report.build(inner.path, lambda: RefundPolicy(basis=basis, within=within))
        return made or NO_REFUND

    def _features(self, table: Table) -> list[Feature]:
        found: list[Feature | None] = []
        for path, name, value in table.pairs("features"):
            texts = {} if value is True else value
            if isinstance(texts, dict) and all(type(one) is str for one in texts.values()):
                feature = partial(Feature, id=name, texts=texts)
                found.append(self._report.build(path, feature))
            else:
                self._report.say(
                    path, value, "describes no feature", "write true, or texts by language"
                )
        return [feature for feature in found if feature is not None]

    def rule(self, path: str, row: Any) -> ChangeRule | None:  # noqa: ANN401 - a file's value
        """Read a rule of change; one that has mistakes too, while it is known what it matches."""
        table = Table(row, path, "rule", self._report)
        allows = {word for word in table.words("allows") if word in ChangeTiming.__members__}
        for word in table.words("allows"):
            if word not in allows:
                known = ", ".join(ChangeTiming)
                self._report.say(f"{path}.allows", word, "is unknown", f"use one of {known}")
                table.sound = False
        name, timing = table.text("name"), table.choice("timing", ChangeTiming)
        anchor = table.choice("anchor", AnchorRule)
        conditions: dict[str, Any] = {
            "family": table.choice("family", Family),
            "from_product": table.text("from_product"),
            "to_product": table.text("to_product"),
            "direction": table.choice("direction", Direction),
            "interval_change": table.choice("interval_change", IntervalChange),
            "from_interval": table.interval("from_interval"),
            "to_interval": table.interval("to_interval"),
            "from_free": table.flag("from_free"),
            "in_trial": table.flag("in_trial"),
        }
        proration = table.text("proration") or DEFAULT_POLICY.name
        readable = all(
            name not in table.raw or value is not None for name, value in conditions.items()
        )
        if not readable:
            return None
        wanted = frozenset(ChangeTiming(word) for word in allows) or frozenset(ChangeTiming)
        return ChangeRule(
            name=name or path,
            timing=timing or ChangeTiming.IMMEDIATE,
            anchor=anchor or AnchorRule.KEEP,
            proration=proration,
            allows=wanted,
            **conditions,
        )

    def dunning(self, path: str, row: Any) -> DunningPolicy | None:  # noqa: ANN401 - a file's value
        """Read what follows a renewal that cannot be paid."""
        table = Table(row, path, "dunning", self._report)
        name = table.text("name")
        fields: dict[str, Any] = {
            "family": table.choice("family", Family),
            "product": table.text("product"),
            "grace": table.interval("grace"),
            "retries": self._lengths(table, "retries"),
            "anchor": table.choice("anchor", AnchorRule) or AnchorRule.KEEP,
            "then": table.choice("then", AfterGrace) or AfterGrace.WAIT,
            "to": table.text("to"),
            "gives_up": table.interval("gives_up"),
        }
        if name is None or not table.sound:
            return None
        return self._report.build(path, lambda: DunningPolicy(name=name, **fields))

    def tax(self, path: str, row: Any) -> TaxRegime | None:  # noqa: ANN401 - a file's value
        """Read which tax is owed; KDV is known by its name, another table brings its rates."""
        table = Table(row, path, "tax", self._report)
        name, country = table.text("table"), table.text("country")
        abroad = table.choice("abroad", TaxTreatment) or TaxTreatment.TAXED
        reason = table.text("reason") or ""
        rates = [self._rate(*one) for one in table.rows("rates")]
        if name is None or country is None or not table.sound or None in rates:
            return None
        if not rates and name != KDV.name:
            self._report.say(
                f"{path}.table", name, "is not known", f"use {KDV.name}, or give its rates"
            )
            return None
        rows = tuple(one for one in rates if one is not None)
        return self._report.build(
            path,
            lambda: TaxRegime(
                table=TaxTable(name=name, rows=rows) if rows else KDV,
                country=country,
                abroad=abroad,
                reason=reason,
            ),
        )

    def _rate(self, path: str, row: Any) -> DatedRate | None:  # noqa: ANN401 - a file's value
        table = Table(row, path, "tax_rate", self._report)
        band, percent = table.text("band"), table.amount("percent")
        since = table.instant("from", self.zone)
        if band is None or percent is None or since is None:
            return None
        day = since.astimezone(check_zone(self.zone)).date()
        return self._report.build(
            path,
            lambda: DatedRate(band=band, rate=Fraction(percent) / _HUNDRED, effective_on=day),
        )

    def _lengths(self, table: Table, key: str) -> tuple[BillingInterval, ...]:
        found: list[BillingInterval] = []
        for place, text in enumerate(table.words(key)):
            try:
                found.append(BillingInterval.parse(text))
            except InvalidInput as error:
                table.sound = False
                where = f"{table.path}.{key}[{place}]"
                self._report.say(where, text, error.problem, error.remedy)
        return tuple(found)


def _named(field: str, make: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any maker
    """Call a maker and name its errors after a key of the file."""
    try:
        return make(*args, **kwargs)
    except InvalidInput as error:
        key = "currency" if error.field == "currency" else field
        remedy = "write fewer decimals" if "decimals" in error.problem else error.remedy
        raise InvalidInput(f"file.{key}", error.value, error.problem, remedy) from None
