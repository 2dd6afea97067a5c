"""A host with Django: its own connection, its own ``transaction.atomic``.

``python examples/hosts/django_host.py`` uses ``host.db``; in a project, the settings stand where
they always stand, and only ``billing`` is new. One service is made for the whole process: it asks
Django for the connection of the thread that calls.
"""

import sys

import django
from django.conf import settings
from django.db import connection, models, transaction

from monochat_billing import Billing, InsufficientFunds, InvalidInput, money, sample_catalog
from monochat_billing.adapters.sql import JoinedStorage, SqlStorage
from monochat_billing.money import amount_text


def current() -> object:
    """Give the driver's connection that Django uses in this thread."""
    connection.ensure_connection()
    return connection.connection


billing = Billing(catalog=sample_catalog(), storage=JoinedStorage(current), group_commit=None)


def configure(database: dict[str, object]) -> type[models.Model]:
    """Set Django up as a project's settings would, with one model."""
    settings.configure(DATABASES={"default": database}, USE_TZ=True)
    django.setup()

    class Export(models.Model):  # type: ignore[misc] # Django has no types
        name = models.CharField(max_length=100)

        class Meta:
            app_label = "host"

        def __str__(self) -> str:
            return str(self.name)

    with connection.schema_editor() as editor:
        editor.create_model(Export)
    return Export


@transaction.atomic  # type: ignore[untyped-decorator] # as above
def order(export: type[models.Model], name: str, *, broken: bool = False) -> None:
    """Write the host's row and take the money for it: both, or neither."""
    row = export._default_manager.create(name=name)  # noqa: SLF001 - Django's own name for it
    billing.balances.debit(
        "acme", money("10", "TRY"), reason="export", reference=name, key=f"export-{row.pk}"
    )
    if broken:
        raise RuntimeError("the host cannot write the file")


def main(url: str = "sqlite:///host.db", engine: str = "", host: str = "", name: str = "") -> None:
    """Order three exports with money for two, and lose one to an error of the host's own."""
    with SqlStorage(url) as storage:
        storage.upgrade()
    export = configure(
        {"ENGINE": f"django.db.backends.{engine}", "HOST": host, "NAME": name, "USER": "billing"}
        if engine
        else {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    )
    with transaction.atomic():
        billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
        billing.balances.credit("acme", money("25", "TRY"), reason="opening", key="opening")
    order(export, "january")
    try:
        order(export, "february", broken=True)
    except RuntimeError as error:
        print(f"rolled back: {error}")
    order(export, "march")
    try:
        order(export, "april")
    except InsufficientFunds as refusal:
        print(f"refused: {refusal}")
    names = export._default_manager.order_by("pk").values_list("name", flat=True)  # noqa: SLF001 - as above
    print("exports:", ", ".join(names))
    with transaction.atomic():
        print("left:", amount_text(billing.balances.entries("acme")[-1].balance_money), "TRY")
        print("sound:", billing.verify().sound)
    try:
        billing.balances.debit("acme", money("1", "TRY"), reason="export", key="alone")
    except InvalidInput as mistake:
        print(f"outside of atomic: {mistake}")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
