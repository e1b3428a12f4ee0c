"""Weight normalization: the function it starts from, and the gradients of its formulas."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.lab.textbook import started, trained
from tests.lab.theory import centred, cnn, doubled, mlp, task, weighted
from worker.contract.events import Measured, Saved
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint, fit
from worker.lab.core.layers import Layers
from worker.lab.fit import FINAL
from worker.lab.methods.weight_normalization import WeightNormalization

CE = {"name": "cross_entropy"}


@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_it_starts_at_the_same_function_with_the_gradients_of_the_paper(net: str) -> None:
    on = task() if net == "mlp" else task((1, 8, 8))
    plain = doubled(mlp(on) if net == "mlp" else cnn(on))
    model = WeightNormalization().prepare(copy.deepcopy(plain), on)
    x = centred(on, model)
    y = torch.randint(4, (len(x),), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(x), plain(x), rtol=1e-12)
    F.cross_entropy(plain(x), y).backward()
    F.cross_entropy(model(x), y).backward()
    for layer, own in zip(weighted(model), weighted(plain), strict=True):
        g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
        assert own.weight.grad is not None
        for row in range(len(v)):
            way, slope = v[row].detach().flatten(), own.weight.grad[row].flatten()
            unit = way / way.norm()
            assert torch.allclose(g.grad[row].flatten(), slope @ unit, rtol=1e-9)
            across = slope - unit * (unit @ slope)
            wanted = g[row].detach().flatten() / way.norm() * across
            assert torch.allclose(v.grad[row].flatten(), wanted, rtol=1e-9, atol=1e-15)
            assert float(v.grad[row].flatten() @ way) == pytest.approx(0, abs=1e-14)


def test_directions_only_grow_under_descent_and_layers_see_the_weights_as_they_are() -> None:
    run = started(CE, {"name": "weight_normalization"}, batch_norm=False)
    lengths = [length(layer) for layer in run.layers.modules]
    norms = run.layers.norms()
    trained(run, 3)
    for layer, before in zip(run.layers.modules, lengths, strict=True):
        assert length(layer) > before
    assert not torch.allclose(run.layers.norms(), norms)
    assert torch.equal(run.layers.norms(), Layers.of(run.model).norms())
    assert all(isinstance(layer, nn.Linear) for layer in run.layers.modules)


def length(layer: nn.Module) -> float:
    return float(layer.parametrizations.weight.original1.detach().norm())


def test_a_penalty_on_the_weights_reaches_length_and_direction() -> None:
    """λ/2 ‖w‖² = λ/2 g²: its gradient is λ g for the length and zero for the direction."""
    run = started(CE, {"name": "weight_normalization"}, {"name": "lp", "strength": 0.3})
    for parameter in run.model.parameters():
        parameter.grad = None
    (loss,) = run.losses._closed[0].weight_loss(run.model, run.task).values()
    loss.backward()
    for layer in run.layers.modules:
        g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
        assert torch.allclose(g.grad, 0.3 * g)
        assert float(v.grad.abs().max()) < 1e-12


def test_a_checkpoint_holds_lengths_and_directions(tmp_path: Path) -> None:
    spec = {
        "dataset": {"name": "digits", "examples": 128},
        "model": {"name": "mlp", "hidden": [8]},
        "methods": [CE, {"name": "weight_normalization"}],
        "epochs": 1,
        "diagnostics": [{"name": "accuracy"}],
    }
    events = list(fit(spec, folder=tmp_path))
    told = [e.values["test/accuracy"] for e in events if isinstance(e, Measured)]
    (saved,) = (e for e in events if isinstance(e, Saved) and e.name == FINAL)
    model, on = checkpoint.load(tmp_path / saved.name, TrainSpec.model_validate(spec), None)
    assert any(name.endswith("original0") for name in model.state_dict())
    accuracy = (model(on.test.x).argmax(1) == on.test.y).float().mean()
    assert float(accuracy) == pytest.approx(told[-1], abs=1e-6)
