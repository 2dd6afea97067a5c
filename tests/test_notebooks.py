"""The notebooks run from top to bottom, and show what they promise."""

from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["choose-a-plan", "plan-a-price-change"])
def test_a_notebook_runs(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every cell runs, the answer is there, and charts and tables are shown."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs: list[Any] = [
        output for cell in notebook.cells for output in getattr(cell, "outputs", [])
    ]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    assert any("vega" in one for one in shown)
    assert any("<table" in one for one in shown)
    said = "".join(output.get("text", "") for output in outputs)
    expected = {"choose-a-plan": "21,990.00 TRY", "plan-a-price-change": "PACK_FEE"}
    assert expected[name] in said
