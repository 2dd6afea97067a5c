"""What is shipped, and what of it works with nothing but the core's own dependencies."""

import json
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "monochat_billing"
CORE = ("attrs", "python-dateutil", "py-moneyed")
OPTIONAL = (
    "alembic",
    "cattrs",
    "greenlet",
    "httpx",
    "opentelemetry",
    "phonenumbers",
    "psycopg",
    "sqlalchemy",
    "stripe",
)
EXTRAS = {
    "async": "service.asynchronous",
    "columns": "adapters.columns",
    "iyzico": "adapters.iyzico",
    "opentelemetry": "adapters.telemetry",
    "paytr": "adapters.paytr",
    "pytest": "testing.pytest_plugin",
    "sql": "adapters.sql",
    "stripe": "adapters.stripe",
    "tax-ids": "adapters.tax_ids",
    "testing": "testing.storage_kit",
    "whatsapp": "adapters.whatsapp.numbers",
}
"""Each extra, and what needs it."""

AN_ACCOUNT_WITHOUT_FUNDS = """
from monochat_billing import MONTH, InsufficientFunds, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage
from monochat_billing.service import Billing

billing = Billing(catalog=sample_catalog(), storage=MemoryStorage())
billing.accounts.open("acme", zone="Europe/Istanbul", currencies=["TRY"])
subscription = billing.subscriptions.subscribe("acme", "basic", MONTH, key="signup")
print(subscription.state.value, subscription.product)
quote = billing.subscriptions.preview("acme", to="growth", interval=MONTH)
try:
    billing.subscriptions.change(quote)
except InsufficientFunds as refusal:
    print("refused, short of what the quote asks:", refusal.shortfall == refusal.requested)
sound = billing.verify().sound
print("still basic, sound:", sound)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, as a release does."""
    folder = tmp_path_factory.mktemp("dist")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


def _needs_an_extra(path: Path) -> bool:
    """Say whether a source file is what needs an extra, or lies in it."""
    place = ".".join(path.relative_to(SOURCE).with_suffix("").parts) + "."
    needing = (*EXTRAS.values(), "service.strands", "testing.__main__")
    return any(place.startswith(f"{module}.") for module in needing)


def _closure(names: tuple[str, ...]) -> set[str]:
    """Return distributions and all that they require on this machine, extras aside."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


@pytest.fixture(scope="module")
def core_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay out a folder with the unpacked wheel and the core's dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    with ZipFile(wheel) as archive:
        archive.extractall(folder)  # noqa: S202 - the wheel that was built just now
    for name in _closure(CORE):
        site = Path(str(metadata.distribution(name).locate_file("")))
        for top in {file.parts[0] for file in metadata.files(name) or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(site / top)
    return folder


def run_alone(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code that can import the standard library and what lies in one folder."""
    return subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestTheWheel:
    """A release holds the library, its data and its license, and nothing else."""

    def test_holds_every_file_of_the_package_and_no_other(self, wheel: Path) -> None:
        """What lies under src is shipped as it is."""
        with ZipFile(wheel) as archive:
            shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
        present = {
            path.relative_to(SOURCE.parent).as_posix()
            for path in SOURCE.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert shipped == present

    def test_holds_only_the_kinds_of_file_that_a_library_needs(self, wheel: Path) -> None:
        """Code, its type marker, and data: no notebook, database or editor's backup."""
        with ZipFile(wheel) as archive:
            names = archive.namelist()
        package = [name for name in names if ".dist-info/" not in name]
        assert {Path(name).suffix or Path(name).name for name in package} <= {
            ".json",
            ".mako",
            ".mo",
            ".po",
            ".py",
            ".pyi",
            "py.typed",
            ".toml",
            ".typed",
        }
        assert "monochat_billing/py.typed" in package
        assert any(name.startswith("monochat_billing/data/") for name in package)
        assert any("/migrations/versions/" in name for name in package)
        described = {name.split(".dist-info/")[1] for name in names if ".dist-info/" in name}
        license_file = "licenses/LICENSE"
        assert described == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", license_file}


class TestTheSourceRelease:
    """Who gets the source without its history can still run every check."""

    def test_holds_what_the_checks_need(self, tmp_path: Path) -> None:
        """Whatever the Makefile and pyproject.toml name is in it."""
        (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
        with tarfile.open(built) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {
            "CONTRIBUTING.md",
            "LICENSE",
            "Makefile",
            "README.md",
            "conftest.py",
            "constraints.txt",
            "docs/adr/0002-floors.md",
            "examples/demo/__main__.py",
            "pyproject.toml",
            "src/monochat_billing/py.typed",
            "tests/house/test_package.py",
            "tools/venv.sh",
        } <= names
        assert not [name for name in names if name.endswith((".db", ".pyc"))]


class TestTheCoreAlone:
    """The core needs attrs, python-dateutil and py-moneyed; the rest are extras."""

    def test_only_the_core_is_importable_there(self, core_only: Path) -> None:
        """The folder that these tests run in really lacks the extras."""
        for name in OPTIONAL:
            result = run_alone(core_only, f"import {name}")
            assert f"No module named '{name}'" in result.stderr

    def test_every_module_but_those_with_an_extra_is_importable(self, core_only: Path) -> None:
        """Nothing but what has an extra of its own needs one."""
        names = [
            ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(
                ".__init__"
            )
            for path in sorted(SOURCE.rglob("*.py"))
            if not _needs_an_extra(path)
        ]
        code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        result = run_alone(core_only, f"{code}print('imported', len({names!r}))")
        assert result.stdout == f"imported {len(names)}\n", result.stderr

    def test_it_works(self, core_only: Path) -> None:
        """An account subscribes, is refused what it cannot pay, and its books agree."""
        result = run_alone(core_only, AN_ACCOUNT_WITHOUT_FUNDS)
        assert result.stdout.splitlines() == [
            "ACTIVE basic",
            "refused, short of what the quote asks: True",
            "still basic, sound: True",
        ], result.stderr

    @pytest.mark.parametrize(("extra", "module"), sorted(EXTRAS.items()), ids=sorted(EXTRAS))
    def test_an_adapter_names_its_extra(self, core_only: Path, extra: str, module: str) -> None:
        """Asking for it says what to install."""
        result = run_alone(
            core_only,
            "from monochat_billing.errors import MissingExtra\n"
            f"try: import monochat_billing.{module}\n"
            "except MissingExtra as missing: print(missing.extra, '|', missing)",
        )
        assert result.stdout == (
            f"{extra} | monochat_billing.{module} needs the extra [{extra}]: "
            f"pip install 'monochat-billing[{extra}]'\n"
        ), result.stderr

    def test_importing_the_library_imports_no_extra(self) -> None:
        """Where the extras are installed, the core still does not touch them."""
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                "import json, sys, monochat_billing; print(json.dumps(list(sys.modules)))",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        loaded = {name.partition(".")[0] for name in json.loads(result.stdout)}
        assert "monochat_billing" in loaded
        assert loaded.isdisjoint(OPTIONAL)

    @pytest.mark.parametrize(
        ("statement", "own"),
        [
            ("import monochat_billing", {"monochat_billing"}),
            (
                "from monochat_billing import money",
                {
                    f"monochat_billing{rest}"
                    for rest in ("", ".money", ".currencies", ".errors", ".rounding")
                },
            ),
        ],
        ids=["package", "money"],
    )
    def test_importing_a_name_imports_what_it_stands_on(
        self, statement: str, own: set[str]
    ) -> None:
        """The package alone loads no module of its own, and neither attrs nor moneyed."""
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                f"{statement}\nimport json, sys; print(json.dumps([*sys.modules]))",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        loaded = set(json.loads(result.stdout))
        assert {name for name in loaded if name.startswith("monochat_billing")} == own
        assert loaded.isdisjoint({"attrs", "dateutil", "moneyed"}) or len(own) > 1

    @pytest.mark.parametrize(
        "before",
        ["", "import monochat_billing.money", "from monochat_billing.money import total"],
        ids=["first", "after-its-module", "after-a-name-of-its-module"],
    )
    def test_money_is_the_function_whoever_came_first(self, before: str) -> None:
        """The package's ``money`` is called, although a module of it has that name."""
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                f"{before}\nfrom monochat_billing import money\nmoney('1', 'TRY')",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
