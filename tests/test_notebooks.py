"""The notebooks run from top to bottom, and show what they promise."""

import ast
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
PROMISED = {
    "choose-a-plan": ("21,990.00 TRY", 5),
    "plan-a-price-change": ("unused time: Growth: -725.32 TRY → -773.71 TRY", 2),
}
"""What each says, and how many charts it draws."""


def read(name: str) -> Any:  # noqa: ANN401 - nbformat has no types
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", PROMISED)
def test_its_cells_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell runs in this process; the answer is said, charts and tables are the last lines."""
    names: dict[str, Any] = {}
    shown: list[Any] = []
    for cell in read(name).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), names)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            found = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307 - as above
            shown += [] if found is None else [found]
    said, charts = PROMISED[name]
    assert said in capsys.readouterr().out
    drawn = [one for one in shown if type(one).__name__ == "LayerChart"]
    assert len(drawn) == charts
    assert all("$schema" in one.to_dict() for one in drawn)
    assert any("<table" in one._repr_html_() for one in shown if one not in drawn)


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", PROMISED)
def test_a_kernel_shows_it(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Jupyter runs it: every cell runs, and charts and tables come out as HTML."""
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = read(name)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs: list[Any] = [
        output for cell in notebook.cells for output in getattr(cell, "outputs", [])
    ]
    shown = [output.get("data", {}).get("text/html", "") for output in outputs]
    assert sum("vega" in one for one in shown) == PROMISED[name][1]
    assert any("<table" in one for one in shown)
    assert PROMISED[name][0] in "".join(output.get("text", "") for output in outputs)
