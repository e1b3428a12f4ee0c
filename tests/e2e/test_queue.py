"""Whose turn it is, seen at a real worker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]


def job(name: str, epochs: int, priority: str) -> dict[str, Any]:
    spec = {"dataset": {"name": "moons"}, "model": {"name": "mlp"}, "epochs": epochs}
    return {"kind": "train", "name": name, "priority": priority, "spec": spec}


def test_a_high_priority_overtakes_what_waits(explorer: Explorer) -> None:
    with explorer.client() as client:

        def post(*asked: Any) -> str:
            id: str = client.post("/jobs", json=job(*asked)).raise_for_status().json()["id"]
            return id

        first = post("runs", 100_000, "normal")
        look = f"/jobs/{first}"
        until(lambda: client.get(look).json()["state"] == "running", 120, "it does not run")
        lows = [post(f"low {n}", 1, "low") for n in range(3)]
        high = post("high", 1, "high")
        client.post(f"{look}/cancel").raise_for_status()
        ended = {id: explorer.wait_job(id, 180) for id in (first, *lows, high)}
    assert {ended[id]["state"] for id in (*lows, high)} == {"succeeded"}
    began = {id: ended[id]["started_at"] for id in (*lows, high)}
    order = sorted(began, key=lambda id: began[id])
    assert order == [lows[0], high, *lows[1:]], "only what was at the broker already came first"
