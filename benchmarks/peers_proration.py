"""Compute one upgrade with each peer package; run by bench_proration.py under their interpreter.

Reads ``[old, new, days_left, days]`` grids as JSON on standard input and writes, for each package,
its answers, its microseconds per change, or why it could not be asked.
"""

import json
import statistics
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Grid = list[list[Any]]
ROUNDS = 5
START = datetime(2026, 6, 1, tzinfo=UTC)


def timed(call: Callable[[], object], loops: int) -> float:
    """Return the median microseconds per call."""
    rounds = [timeit.timeit(call, number=loops) / loops * 1e6 for _ in range(ROUNDS)]
    return statistics.median(rounds)


def larzsubscription(grid: Grid) -> dict[str, Any]:
    """Ask ``Subscription.change_plan``."""
    from larzsubscription import Plan, Subscription  # type: ignore[import-not-found]  # noqa: PLC0415

    def change(old: str, new: str, left: int, days: int) -> str:
        subscription = Subscription(Plan("old", old, interval_days=days), start=START)
        at = START + timedelta(days=days - left)
        return str(subscription.change_plan(Plan("new", new, interval_days=days), now=at))

    answers = [change(*row) for row in grid]
    old, new = Plan("old", "20"), Plan("new", "50")
    subscription = Subscription(old, start=START)
    at = START + timedelta(days=15)

    def once() -> None:
        subscription.plan = old
        subscription.invoices.clear()
        subscription.change_plan(new, now=at)

    return {"answers": answers, "us": timed(once, 2000)}


def boilpayment(grid: Grid) -> dict[str, Any]:
    """Ask ``proration_fraction`` and ``scale_minor``, its arithmetic."""
    from boilpayment_core.money import scale_minor  # type: ignore[import-not-found]  # noqa: PLC0415
    from boilpayment_core.period import Period, proration_fraction  # type: ignore[import-not-found]  # noqa: PLC0415

    def change(old: str, new: str, left: int, days: int) -> str:
        period = Period(start=START, end=START + timedelta(days=days))
        num, den = proration_fraction(period, period.end - timedelta(days=left), "actual_days")
        cents = int((Decimal(new) - Decimal(old)) * 100)
        return str(Decimal(scale_minor(cents, num, den)) / 100)

    answers = [change(*row) for row in grid]
    period = Period(start=START, end=START + timedelta(days=30))
    at = START + timedelta(days=15)

    def once() -> None:
        scale_minor(3000, *proration_fraction(period, at, "actual_days"))

    return {"answers": answers, "us": timed(once, 2000)}


def django_plans(grid: Grid) -> dict[str, Any]:
    """Ask ``PlanChangePolicy.get_change_price`` on an in-memory SQLite."""
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes", "ordered_model", "sequences",
            "plans",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        PLANS_CURRENCY="EUR", PLANS_INVOICE_ISSUER={}, USE_TZ=True,
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from plans.models import Plan, PlanPricing, Pricing  # type: ignore[import-not-found]  # noqa: PLC0415
    from plans.plan_change import PlanChangePolicy  # type: ignore[import-not-found]  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    policy = PlanChangePolicy()

    def plan(name: str, price: str, days: int) -> Any:  # noqa: ANN401 - a Django model
        slug = f"{name}-{Plan.objects.count()}"
        made = Plan.objects.create(name=slug, slug=slug, available=True, created=START)
        pricing, _ = Pricing.objects.get_or_create(name=f"{days} days", period=days)
        PlanPricing.objects.create(plan=made, pricing=pricing, price=Decimal(price))
        return made

    answers = []
    for old, new, left, days in grid:
        price = policy.get_change_price(plan("old", old, days), plan("new", new, days), left)
        answers.append(str(price))
    old, new = plan("old", "20", 30), plan("new", "50", 30)
    return {"answers": answers, "us": timed(lambda: policy.get_change_price(old, new, 15), 50)}


def main() -> None:
    """Answer the grid on standard input."""
    grid: Grid = json.load(sys.stdin)
    found: dict[str, Any] = {}
    for ask in (larzsubscription, boilpayment, django_plans):
        try:
            found[ask.__name__] = ask(grid)
        except Exception as error:  # noqa: BLE001 - one peer's failure is a line of the table
            found[ask.__name__] = {"error": f"{type(error).__name__}: {error}"}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
