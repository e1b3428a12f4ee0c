"""A small catalogue, and the parts of an application on a real store and a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from backend.app import create_app
from backend.queue import Queue
from backend.store.engine import Store
from worker.contract.catalog import Catalog, Entry
from worker.contract.settings import Settings
from worker.contract.spec import TrainSpec

TOKEN = "a-token-for-these-tests"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
DIAGNOSTICS = [one.name for one in TrainSpec.model_fields["diagnostics"].get_default()]

MLP_PLAN: list[dict[str, Any]] = [
    {"op": "flatten"},
    {
        "op": "each",
        "of": "hidden",
        "layers": [{"op": "linear", "out": "item", "bias": True}, {"op": "relu"}],
    },
    {"op": "linear", "out": "classes", "bias": True},
]
CNN_PLAN: list[dict[str, Any]] = [
    {
        "op": "each",
        "of": "channels",
        "layers": [
            {"op": "conv", "out": "item", "kernel": 3, "stride": 1, "padding": 1, "bias": True},
            {"op": "relu"},
            {"op": "max_pool", "size": 2},
        ],
    },
    {"op": "flatten"},
    {"op": "linear", "out": "classes", "bias": True},
]


def number(default: float | None = None, **bounds: Any) -> dict[str, Any]:
    return {"type": "number", **({} if default is None else {"default": default}), **bounds}


def integer(default: int, **bounds: Any) -> dict[str, Any]:
    return {"type": "integer", "default": default, **bounds}


def ints(default: list[int], maximum: int) -> dict[str, Any]:
    items = {"type": "integer", "minimum": 1, "maximum": maximum}
    return {"type": "array", "items": items, "default": default, "minItems": 1, "maxItems": 16}


def entry(kind: Any, name: str, facts: dict[str, Any] | None = None, **parameters: Any) -> Entry:
    schema = {"properties": parameters} if parameters else {}
    return Entry(
        kind=kind, name=name, title=name, summary=name, help="", schema=schema, facts=facts or {}
    )


def attack(passes: str, **facts: Any) -> dict[str, Any]:
    """The facts of an attack."""
    plain = {"unit": "input units", "most": 1000.0, "transfers": False}
    return {**plain, "passes": [passes], **facts}


def catalogue() -> Catalog:
    """Like the lab's own, but its facts stay what the tests' sums were made for."""
    digits = {
        "shape": [1, 8, 8],
        "classes": [str(digit) for digit in range(10)],
        "layout": "image",
        "train": 1437,
        "test": 360,
    }
    moons = {"shape": [2], "classes": ["a", "b"], "layout": "points", "train": "n", "test": 200}
    rate = {"lr": number(0.1, exclusiveMinimum=0, maximum=100)}
    steps = integer(1, minimum=1)
    entries = [
        entry("dataset", "digits", digits),
        entry("dataset", "moons", moons, n=integer(800, minimum=10, maximum=100_000)),
        entry("model", "mlp", {"plan": MLP_PLAN}, hidden=ints([128, 128], 1_000_000)),
        entry("model", "cnn", {"plan": CNN_PLAN}, channels=ints([16, 32], 4096)),
        entry("method", "cross_entropy", {"learns": True}),
        entry("method", "trades", {"learns": True}),
        entry("method", "weight_rescaling", {"needs": ["batch_norm"]}),
        entry("method", "weissi", strength=number(0.001, minimum=0, maximum=1000)),
        entry("optimizer", "sgd", **rate, momentum=number(0.9, minimum=0, exclusiveMaximum=1)),
        entry("optimizer", "adamw", **rate),
        entry("attack", "fgsm", attack("1")),
        entry("attack", "pgd", attack("steps*restarts"), steps=steps, restarts=steps),
        entry("attack", "transfer", attack("steps", transfers=True), steps=steps),
        entry("attack", "corruptions", attack("1", unit="severity", most=5.0)),
        entry("probe", "example", index=integer(0, minimum=0)),
        *(entry("diagnostic", name) for name in DIAGNOSTICS),
        entry("diagnostic", "effective_learning_rate", {"needs": ["batch_norm"]}),
    ]
    return Catalog.of(entries)


@contextmanager
def calling(settings: Settings, store: Store, queue: Queue) -> Iterator[TestClient]:
    """A caller of the application with the right token."""
    app = create_app(settings, store, queue, catalogue(), TOKEN)
    with TestClient(
        app, base_url="http://127.0.0.1/api/v1", headers=AUTH, raise_server_exceptions=False
    ) as client:
        yield client


def train(**spec: Any) -> dict[str, Any]:
    """The body of a request for a training job."""
    return {"kind": "train", "spec": {"dataset": {"name": "digits"}, "model": MLP, **spec}}


MLP = {"name": "mlp", "hidden": [128, 128]}
