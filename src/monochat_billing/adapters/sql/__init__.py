"""A storage in SQL databases: SQLite embedded in the host's process, PostgreSQL for a service.

Needs the extra ``[sql]``. See ``docs/storage.md`` for what each database guarantees.

>>> from monochat_billing.adapters.sql import SqlStorage
>>> with SqlStorage("sqlite://") as storage:
...     storage.read(lambda reader: list(reader.accounts()))
[]
"""

from monochat_billing.errors import MissingExtra

try:
    import alembic as _alembic  # noqa: F401 - asked for here, so that what is missing is missed now
    import cattrs as _cattrs  # noqa: F401 - as above
    import sqlalchemy as _sqlalchemy  # noqa: F401 - as above
except ImportError as _missing:
    raise MissingExtra("monochat_billing.adapters.sql", "sql") from _missing

from monochat_billing.adapters.sql.joined import JoinedStorage
from monochat_billing.adapters.sql.schema import HEAD, VERSION_TABLE
from monochat_billing.adapters.sql.storage import SqlStorage

__all__ = ["HEAD", "VERSION_TABLE", "JoinedStorage", "SqlStorage"]
