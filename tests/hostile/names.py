"""Names that ought to be nothing but text, and a small job that bears one."""

from __future__ import annotations

from typing import Any

from tests.e2e.explorer import Explorer

IMAGE = "<img src=x onerror=\"window.pwned='img'\">"
SCRIPT = "\"'></title><script>window.pwned='script'</script>"
LINK = "[go](javascript:window.pwned='link')"
TEMPLATE = "{{7*7}} ${window.pwned='template'} %s <svg/onload=window.pwned='svg'>"
PROTO = "__proto__"
CONSTRUCTOR = "constructor"
NAMES = {
    "image": IMAGE,
    "script": SCRIPT,
    "link": LINK,
    "template": TEMPLATE,
    "proto": PROTO,
    "constructor": CONSTRUCTOR,
}


def train(**more: Any) -> dict[str, Any]:
    """A job of a second or two."""
    return {
        "kind": "train",
        "spec": {
            "dataset": {"name": "moons"},
            "model": {"name": "mlp", "hidden": [4]},
            "epochs": 2,
            "diagnostics": [{"name": "accuracy"}],
        },
        **more,
    }


def small_job(explorer: Explorer, name: str, tags: tuple[str, ...] = ()) -> str:
    """The id of a finished job of this name."""
    with explorer.client() as client:
        made = client.post("/jobs", json=train(name=name, tags=list(tags))).raise_for_status()
    job = explorer.wait_job(made.json()["id"])
    assert job["state"] == "succeeded", job
    return str(job["id"])
