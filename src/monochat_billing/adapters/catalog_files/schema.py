"""The published JSON Schema of catalog files, and the sample catalog as such a file."""

import json
from importlib import resources
from typing import Any

__all__ = ["catalog_schema", "sample_text"]


def catalog_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that describes a catalog file, for editors and other tools.

    It says what a file may look like. What has to hold between its parts, one price for every
    instant for instance, only reading it tells.

    >>> catalog_schema()["$schema"]
    'https://json-schema.org/draft/2020-12/schema'
    """
    schema: dict[str, Any] = json.loads(_data("catalog.schema.json"))
    return schema


def sample_text() -> str:
    """Return the sample catalog as the text of a TOML file, to copy and edit.

    >>> sample_text().splitlines()[0]
    'format = 1'
    """
    return _data("monochat-sample.toml")


def _data(name: str) -> str:
    found = resources.files("monochat_billing").joinpath("data", name)
    return found.read_text(encoding="utf-8")
