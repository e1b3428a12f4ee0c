from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.lab.nets import digits, trained
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint
from worker.lab.core.errors import LabError
from worker.lab.core.model import Model

SPEC = TrainSpec.model_validate(
    {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}}
)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, nn.Module]:
    task = digits()
    model = Model.of(SPEC.model).build(task)
    path = tmp_path / "final.safetensors"
    checkpoint.save(model, path, {"spec": SPEC.model_dump_json()})
    return path, model


def refused(path: Path, model: nn.Module) -> str:
    with pytest.raises(LabError) as error:
        checkpoint.restore(model, path)
    assert error.value.code == "bad_checkpoint"
    return error.value.message


def test_what_is_loaded_is_what_was_saved(saved):
    path, model = saved
    state = torch.get_rng_state()
    loaded, task = checkpoint.load(path, SPEC, None)
    assert torch.equal(torch.get_rng_state(), state)
    assert not loaded.training
    assert task.name == "digits"
    there = model.state_dict()
    assert all(torch.equal(there[name], value) for name, value in loaded.state_dict().items())
    assert json.loads(checkpoint.metadata(path)["spec"])["model"]["hidden"] == [16]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_network_that_is_not_finite_is_not_looked_at(saved, number):
    path, model = saved
    last = list(model.state_dict())[-1]
    model.state_dict()[last].view(-1)[0] = number
    checkpoint.save(model, path, {"spec": SPEC.model_dump_json()})
    with pytest.raises(LabError, match=f"'{last}' that is not finite") as error:
        checkpoint.load(path, SPEC, None)
    assert error.value.code == "bad_checkpoint"


def test_the_file_is_whole_alone_and_hashed(tmp_path):
    path = tmp_path / "new" / "final.safetensors"
    written = checkpoint.save(trained(), path, {})
    again = checkpoint.save(trained(), path, {})
    data = path.read_bytes()
    assert (written.bytes, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert again == written
    assert [found.name for found in path.parent.iterdir()] == ["final.safetensors"]


def test_tied_weights_are_saved(tmp_path):
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    checkpoint.save(net, tmp_path / "tied.safetensors", {})
    fresh = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    checkpoint.restore(fresh, tmp_path / "tied.safetensors")
    assert torch.equal(fresh[1].weight, net[0].weight)


def test_another_architecture_is_refused_by_name_and_left_alone(saved):
    path, _ = saved
    wider = Model.of({"name": "mlp", "hidden": [17]}).build(digits())
    before = copy.deepcopy(wider.state_dict())
    assert "(16, 64)" in refused(path, wider)
    assert all(torch.equal(before[name], value) for name, value in wider.state_dict().items())
    deeper = Model.of({"name": "mlp", "hidden": [16, 16]}).build(digits())
    assert "lacks tensor" in refused(path, deeper)
    assert "F32" in refused(path, Model.of(SPEC.model).build(digits()).double())


@pytest.mark.parametrize("damage", ["cut", "header", "empty", "pickle", "missing"])
def test_a_damaged_file_is_refused(saved, damage):
    path, model = saved
    data = path.read_bytes()
    if damage == "pickle":
        torch.save(model.state_dict(), path)
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-5], "header": b"\xff" * 8 + data[8:], "empty": b""}[damage])
    assert "cannot be read" in refused(path, model)
    with pytest.raises(LabError):
        checkpoint.metadata(path)
