"""The checks bite: in a copy of the repository, each kind of damage makes the right check fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE = ("README.md", "conftest.py", "pyproject.toml")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Copy what the checks read, so that it can be damaged."""
    unread = shutil.ignore_patterns("__pycache__", "*.db")
    for name in ("src", "tests/house"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=unread)
    for name in BESIDE:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(house: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one check inside the copy, on the copy's code."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        command,
        cwd=house,
        env=inherited | {"PYTHONPATH": str(house / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    """Check the floors of the copy."""
    return run(house, LINT_IMPORTS, "--no-cache", "--no-logo")


def pytest_run(house: Path, *what: str) -> subprocess.CompletedProcess[str]:
    """Run some of the copy's tests, alone and in order."""
    quiet = ("-q", "-n0", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-cov")
    return run(house, sys.executable, "-m", "pytest", *quiet, *what)


def add_to(file: Path, text: str) -> None:
    """Write more at the end of a file."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(text)


def replace_in(file: Path, old: str, new: str) -> None:
    """Replace a text that has to be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


class TestTheFloors:
    """import-linter refuses an import that the house does not allow."""

    def test_they_hold_as_they_are(self, house: Path) -> None:
        """Undamaged, the copy passes, so what fails below fails because of the damage."""
        result = lint_imports(house)
        assert result.returncode == 0, result.stdout
        assert " 0 broken" in result.stdout

    @pytest.mark.parametrize(
        ("module", "line", "broken"),
        [
            pytest.param(
                "money.py",
                "import sqlalchemy",
                "monochat_billing.money is not allowed to import sqlalchemy",
                id="a-domain-module-imports-sqlalchemy",
            ),
            pytest.param(
                "scheduling.py",
                "def f() -> None:\n    import os",
                "monochat_billing.scheduling is not allowed to import os",
                id="a-domain-module-imports-os-inside-a-function",
            ),
            pytest.param(
                "balance.py",
                "import monochat_billing.plans",
                "monochat_billing.balance is not allowed to import monochat_billing.plans",
                id="balance-imports-plans",
            ),
            pytest.param(
                "plans.py",
                "import monochat_billing.subscriptions",
                "monochat_billing.plans is not allowed to import monochat_billing.subscriptions",
                id="a-lower-floor-imports-a-higher-one",
            ),
            pytest.param(
                "subscriptions.py",
                "import monochat_billing.balance",
                "monochat_billing.subscriptions is not allowed to import monochat_billing.balance",
                id="neighbors-on-one-floor-meet",
            ),
            pytest.param(
                "newcomer.py",
                "import monochat_billing.errors",
                "- monochat_billing.newcomer",
                id="a-new-module-has-no-floor",
            ),
            pytest.param(
                "newcomer.py",
                "import sqlalchemy",
                "monochat_billing.newcomer is not allowed to import sqlalchemy",
                id="a-new-module-is-pure-before-it-is-placed",
            ),
        ],
    )
    def test_they_break(self, house: Path, module: str, line: str, broken: str) -> None:
        """One forbidden import breaks a contract that names both ends."""
        add_to(house / "src" / "monochat_billing" / module, f"\n{line}\n")
        result = lint_imports(house)
        assert result.returncode == 1
        assert broken in result.stdout, result.stdout


class TestTheDocuments:
    """Code that a reader would copy is run."""

    def test_a_broken_readme_snippet_fails(self, house: Path) -> None:
        """The README passes as it is, and fails with one wrong line more."""
        assert pytest_run(house, "README.md").returncode == 0
        add_to(house / "README.md", "\n```python\n>>> 2 + 2\n5\n```\n")
        result = pytest_run(house, "README.md")
        assert result.returncode == 1
        assert "Expected:\n    5\nGot:\n    4" in result.stdout

    def test_a_broken_docstring_example_fails(self, house: Path) -> None:
        """An example in a docstring is held to what it shows."""
        module = house / "src" / "monochat_billing" / "errors.py"
        replace_in(module, "'grwth' is not in the catalog; use", "'grwth' is in the catalog; use")
        result = pytest_run(house, "src/monochat_billing/errors.py")
        assert result.returncode == 1
        assert "1 failed" in result.stdout

    def test_one_docstring_does_not_lean_on_another(self, house: Path) -> None:
        """A name that another docstring made is unknown in this one."""
        module = house / "src" / "monochat_billing" / "errors.py"
        template = 'def {name}():\n    """{name}.\n\n    {example}\n    """\n'
        add_to(module, template.format(name="_first", example=">>> left_behind = 1"))
        assert pytest_run(house, "src/monochat_billing/errors.py").returncode == 0
        add_to(module, template.format(name="_second", example=">>> print(left_behind)\n    1"))
        result = pytest_run(house, "src/monochat_billing/errors.py")
        assert result.returncode == 1
        assert "NameError: name 'left_behind' is not defined" in result.stdout


class TestTheNames:
    """A public name without its docstring fails, and so does an unlisted one."""

    def test_a_missing_docstring_fails(self, house: Path) -> None:
        """Taking one public docstring away is noticed by name."""
        replace_in(
            house / "src" / "monochat_billing" / "errors.py",
            'class BillingError(Exception):\n    """',
            'class BillingError(Exception):\n    pass\n    """',
        )
        result = pytest_run(house, "tests/house/test_api.py", "-k", "monochat_billing.errors")
        assert result.returncode == 1
        assert "monochat_billing.errors.BillingError: has no docstring" in result.stdout

    def test_an_unlisted_public_name_fails(self, house: Path) -> None:
        """What begins without an underscore is public, so it has to be listed."""
        add_to(house / "src" / "monochat_billing" / "errors.py", "\nBELIEVED_PRIVATE = 1\n")
        result = pytest_run(house, "tests/house/test_api.py", "-k", "monochat_billing.errors")
        assert result.returncode == 1
        assert "['BELIEVED_PRIVATE']: list in __all__, or begin with _" in result.stdout


class TestThePurity:
    """A domain module that is not pure fails."""

    def test_an_ambient_clock_fails(self, house: Path) -> None:
        """The line and the remedy are named."""
        module = house / "src" / "monochat_billing" / "balance.py"
        add_to(module, "\nfrom datetime import datetime as dt\n\nAT = dt.now()\n")
        last = len(module.read_text(encoding="utf-8").splitlines())
        result = pytest_run(house, "tests/house/test_purity.py", "-k", "balance")
        assert result.returncode == 1
        assert f"balance.py:{last}: `dt.now`; take `now` as an argument" in result.stdout
