"""The JSON API in ``examples/api`` does what its OpenAPI document says, whatever it is sent."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from hypothesis import settings

from examples.api.app import create_app
from monochat_billing import Billing, sample_catalog
from monochat_billing.adapters.memory import MemoryStorage

ROOT: Final = Path(__file__).parents[1]
ALONE: Final = ["-q", "-n0", "--no-cov", "-p", "no:randomly"]


def test_every_operation_keeps_to_its_schema() -> None:
    """No server error, no undocumented status, no answer of another shape, no bad data taken."""
    profile = f"--hypothesis-profile={settings.get_current_profile_name()}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *ALONE, profile, "tests/api_schema_cases.py"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    app = create_app(Billing(catalog=sample_catalog(), storage=MemoryStorage()))
    operations = sum(len(ways) for ways in app.openapi()["paths"].values())
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) == operations
