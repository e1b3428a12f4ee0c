"""An installation with something of everything in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, text

from backend.store import audit, dump, jobs, record, sweeps, tokens
from backend.store.engine import Store
from worker.contract.events import AnyEvent, Teller, to_json
from worker.contract.measurement import Curve
from worker.contract.wire import artifact_path

SPEC = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [128, 128]}}
CURVE = Curve(x=[0.0, 1.0], y=[1.0, "inf"], x_label="eps", y_label="é")
HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
TENSORS = len(HEADER).to_bytes(8, "little") + HEADER + bytes(8)
"""A small file of safetensors."""


def populate(store: Store, data_dir: Path) -> None:
    """Jobs that ended and that wait, points with NaN and infinity, files, tokens, a log."""
    with store.write() as connection:
        grid = {"spec.seed": [0, 1]}
        sweep = {"id": "s", "name": "two seeds", "base": {}, "grid": grid, "created_at": 1.5}
        sweeps.add(connection, sweep)
        for id, more in (("trained", {"tags": ["x", "é"], "sweep": "s"}), ("waits", {})):
            new = {"id": id, "kind": "train", "name": id, "tags": [], "spec": SPEC, "owner": "a"}
            jobs.add(connection, {**new, **more})
        assert tokens.make(connection, "alice", "submit", "0" * 64)
        audit.note(connection, audit.Deed("alice", "submit", "POST /api/v1/jobs", "trained", 201))
    tell = Teller("trained", 1)
    path = artifact_path(data_dir, "trained", 1, "final.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(TENSORS)
    values = {"train/loss": float("nan"), "norm": float("inf"), "-": float("-inf"), "c": CURVE}
    sha = hashlib.sha256(TENSORS).hexdigest()
    told = [
        tell.started("cpu", 10, 1.0, "hash"),
        *(tell.measured(step, step / 10, {"train/loss": 1 / (step + 1)}) for step in range(9)),
        tell.measured(9, 0.9, values),
        tell.saved("checkpoint", "final.safetensors", len(TENSORS), sha, 10),
        tell.finished(10),
    ]
    write(store, "trained", *told)


def write(store: Store, job: str, *events: AnyEvent) -> None:
    with store.write() as connection:
        row = record.locked(connection, job)
        assert row is not None
        record.write(connection, record.gather(row, [to_json(e) for e in events]), "7-0", {})


def contents(store: Store) -> dict[str, list[Any]]:
    """Every row of every table, as text, so that NaN and infinity can be compared."""
    with store.read() as connection:
        return {table.name: _rows(connection, table) for table in dump.tables(connection)}


def _rows(connection: Connection, table: Any) -> list[Any]:
    rows = connection.execute(select(table).order_by(*table.primary_key)).mappings()
    return [sorted((name, repr(value)) for name, value in row.items()) for row in rows]


def files(data_dir: Path) -> dict[str, bytes]:
    folder = data_dir / "artifacts"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def numbering(store: Store) -> tuple[int, int]:
    """The ids that the next series and the next entry of the log get."""
    with store.write() as connection:
        audit.note(connection, audit.Deed("bob", "admin", "looked", None, 0))
        last = connection.execute(text("SELECT max(id) FROM audit")).scalar_one()
    write(store, "waits", Teller("waits").measured(0, 0.0, {"n": 1.0}))
    with store.read() as connection:
        return last, connection.execute(text("SELECT max(id) FROM series")).scalar_one()
