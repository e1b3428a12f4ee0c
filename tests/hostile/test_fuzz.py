"""Schemathesis asks what the OpenAPI document allows, and what it does not, of the running API.

Through the dashboard's proxy, so that both servers are asked. A 5xx or an answer that the
document does not tell of is a failure.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.explorer import ROOT, Explorer, until
from tests.hostile.names import small_job

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("hostile")]

RULES = Path(__file__).with_name("schemathesis.toml")
REAL = """
[[operations]]
include-path-regex = "^/api/v1/jobs/"
exclude-method = "DELETE"
parameters = {{ "path.id" = "{job}" }}
"""


def fuzz(explorer: Explorer, each: int, rules: Path = RULES) -> int:
    """How many requests were made and answered as they should be; at most `each` of one kind."""
    command = [
        *(str(ROOT / ".venv/bin/schemathesis"), "--no-color", "--config-file", str(rules), "run"),
        f"{explorer.url}/api/v1/openapi.json",
        *("--header", f"Authorization: Bearer {explorer.token}"),
        *("--exclude-path", "/api/v1/events"),  # it never ends; tests of its own
        *("--exclude-path", "/api/v1/import"),  # it makes no ZIPs; hostile ones: test_transfer.py
        *("--phases", "fuzzing", "--max-examples", str(each), "--continue-on-failure"),
        *("--request-timeout", "120", "--generation-database", "none", "--warnings", "off"),
        *("--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, cwd=explorer.data_dir, capture_output=True, text=True)
    calm(explorer)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found, done.stdout[-2000:]
    print(f"{found[0]}, at most {each} for each operation")
    return int(found[2])


def calm(explorer: Explorer) -> None:
    """Cancel what the fuzzer queued."""
    with explorer.client() as client:
        query = {"state": "queued,running,interrupted", "limit": "1000"}

        def idle() -> bool:
            found = client.get("/jobs", params=query).raise_for_status().json()["items"]
            for job in found:
                client.post(f"/jobs/{job['id']}/cancel").raise_for_status()
            return not found

        until(idle, 180, "the fuzzer's jobs do not end")


def test_a_few_hundred_requests(explorer: Explorer) -> None:
    assert fuzz(explorer, 8) > 150


@pytest.mark.slow
def test_thousands_of_requests(explorer: Explorer) -> None:
    assert fuzz(explorer, 250) > 5000


@pytest.mark.slow
def test_thousands_of_requests_about_a_real_job(explorer: Explorer, tmp_path: Path) -> None:
    job = small_job(explorer, "real")
    rules = tmp_path / "schemathesis.toml"
    rules.write_text(RULES.read_text() + REAL.format(job=job))
    assert fuzz(explorer, 60, rules) > 1000
