"""Whatever comes in is read, or refused with a reason: specs, bodies, cursors, checkpoints."""

from __future__ import annotations

import json
import struct
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from backend.cursor import Cursor, format_many, parse_many
from backend.errors import Problem
from backend.reading import json_value
from backend.requests import Requests, validated
from backend.routes import events
from backend.store import jobs
from worker.contract import catalog
from worker.lab import checkpoint, states
from worker.lab.core.errors import LabError

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
REQUESTS = Requests(catalog.load())
MANY = settings(max_examples=300, deadline=None)
WITH_FILES = settings(MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.sampled_from(["name", "kind", "spec", "dataset", "model", "methods", "hidden", "seed"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NAMES
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=20,
)
VALID: dict[str, Any] = {
    "kind": "train",
    "name": "a",
    "tags": ["b"],
    "spec": {
        "dataset": {"name": "moons"},
        "model": {"name": "mlp", "hidden": [8, 8]},
        "methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.1}],
        "optimizer": {"name": "sgd", "lr": 0.1},
        "epochs": 3,
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every value within a document."""
    if not isinstance(value, dict | list):
        return [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def part(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(path: tuple[Any, ...], by: Any) -> Any:
    """The valid request with another value at one place."""
    document = json.loads(json.dumps(VALID))
    if not path:
        return by
    part(document, path[:-1])[path[-1]] = by
    return document


def tried(call: Callable[[], T], refusal: type[E]) -> tuple[T | None, E | None]:
    """What a call returns, or the refusal that it raises; anything else is a failure."""
    try:
        return call(), None
    except refusal as error:
        return None, error


def read(value: Any) -> None:
    """422 that names its fields, or a job that means the same when it is read again."""
    asked, problem = tried(lambda: validated(REQUESTS.job, value), Problem)
    if problem is not None:
        assert problem.status == 422
        assert problem.errors
        assert all(field and message for field, message in problem.errors)
        return
    assert asked is not None
    assert validated(REQUESTS.job, json.loads(asked.model_dump_json())) == asked


@given(JSON)
@MANY
def test_any_value_is_a_job_or_a_reason(value: Any) -> None:
    read(value)


@given(st.sampled_from(places(VALID)), JSON)
@MANY
def test_a_job_with_one_odd_value(path: tuple[Any, ...], by: Any) -> None:
    read(replaced(path, by))


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@MANY
def test_any_bytes_are_json_or_a_reason(body: bytes) -> None:
    _, problem = tried(lambda: json_value("application/json", body), Problem)
    assert problem is None or problem.status in (400, 422)


CURSORS = st.builds(Cursor, st.integers(1, 10**9 - 1), st.integers(0, 10**15 - 1))
IDS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=12, max_size=12)


@given(st.dictionaries(IDS, CURSORS | st.just(Cursor()), min_size=1, max_size=20))
@MANY
def test_cursors_say_the_same_when_read_again(cursors: dict[str, Cursor]) -> None:
    assert parse_many(format_many(cursors)) == cursors


@given(st.text() | st.from_regex(r"[a-z:,.0-9]{0,40}", fullmatch=True))
@MANY
def test_any_text_is_a_cursor_or_a_reason(text: str) -> None:
    for read_it in (events._cursors, events._states_place):
        _, problem = tried(lambda: read_it("after", text), Problem)  # noqa: B023
        assert problem is None or (problem.status, problem.errors[0][0]) == (422, "after")
    cursors, _ = tried(lambda: parse_many(text), ValueError)
    assert cursors is None or parse_many(format_many(cursors)) == cursors


CURSOR_LIKE = JSON.map(
    lambda value: urlsafe_b64encode(json.dumps(["name", value, "a"]).encode()).decode().rstrip("=")
)


@given(st.text(max_size=60) | CURSOR_LIKE)
@MANY
def test_any_text_is_a_listings_cursor_or_none(text: str) -> None:
    found, _ = tried(lambda: jobs._decoded(text, "name"), jobs.BadCursor)
    assert found is None or all(isinstance(one, str) for one in found)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint as a training leaves it."""
    path = tmp_path_factory.mktemp("whole") / "final.safetensors"
    checkpoint.save(network(), path, {"spec": "{}"})
    return path.read_bytes()


def refused(path: Path, content: bytes) -> None:
    """Refused with its reason by all that read checkpoints, or read as it is."""
    path.write_bytes(content)
    for look in (checkpoint.metadata, states.read):
        _, error = tried(partial(look, path), LabError)
        assert error is None or error.code == "bad_checkpoint"
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    _, error = tried(lambda: checkpoint.restore(model, path), LabError)
    if error is not None:
        assert error.code == "bad_checkpoint"
        assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


HEADERS = JSON | st.dictionaries(
    st.sampled_from(["weight", "bias", "__metadata__"]),
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F64", "I64", "BOOL", "X9"]),
            "shape": st.lists(st.integers(-1, 2**63), max_size=3),
            "data_offsets": st.lists(st.integers(-1, 2**63), min_size=2, max_size=2),
        }
    ),
)


@given(HEADERS, st.binary(max_size=64), st.sampled_from([0, 1, -1, 2**20, 2**40, 2**63]))
@WITH_FILES
def test_any_header_is_refused_before_anything_is_allocated(
    tmp_path: Path, header: Any, data: bytes, more: int
) -> None:
    text = json.dumps(header).encode()
    length = struct.pack("<Q", max(0, len(text) + more) % 2**64)
    refused(tmp_path / "any.safetensors", length + text + data)


@given(st.data())
@WITH_FILES
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(whole)))
    patch = data.draw(st.binary(max_size=12))
    at = data.draw(st.integers(0, len(whole)))
    damaged = (whole[:at] + patch + whole[at + len(patch) :])[:cut]
    refused(tmp_path / "damaged.safetensors", damaged)
