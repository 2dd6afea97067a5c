"""Alembic's environment: migrations run on the connection that the caller passes."""
# ruff: noqa: INP001 - Alembic runs this file by its path

from alembic import context

from monochat_billing.adapters.sql.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=context.config.attributes.get("version_table") or VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
