"""Catalog files: a catalog as TOML or JSON that people edit, read with every mistake in one report.

It needs nothing but the standard library. Reading gives a checked
:class:`~monochat_billing.plans.Catalog`; writing one gives a file that reads back as an equal
value. A file may hold later versions too, each of which says only what changes.

>>> from monochat_billing import sample_catalog
>>> read_catalog(sample_text()) == sample_catalog()
True
"""

from monochat_billing.adapters.catalog_files.reading import (
    FileFormat,
    load_catalog,
    load_versions,
    read_catalog,
    read_versions,
)
from monochat_billing.adapters.catalog_files.schema import catalog_schema, sample_text
from monochat_billing.adapters.catalog_files.shapes import FORMAT, MAX_BYTES, SHAPES
from monochat_billing.adapters.catalog_files.writing import as_tables, write_catalog

__all__ = [
    "FORMAT",
    "MAX_BYTES",
    "SHAPES",
    "FileFormat",
    "as_tables",
    "catalog_schema",
    "load_catalog",
    "load_versions",
    "read_catalog",
    "read_versions",
    "sample_text",
    "write_catalog",
]
