"""The method's losses are its formula, and training by them buys certificates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.nets import digits
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.trees import CLASSES, SHAPE, points, resnet
from worker.lab.core.certify import Limits, certify
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.losses import Losses
from worker.lab.core.method import Method
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.methods.weight_perturbation import WeightPerturbation

EPS = 0.01


def step(
    model: nn.Module, on: Task, x: Tensor, y: Tensor, index: int = 99, point: Point | None = None
) -> Step:
    clean = Point(x)
    dice = torch.Generator().manual_seed(0)
    return Step(model, on, index, 100, y, clean, point or clean, dice)


def case() -> tuple[nn.Module, Task, Tensor, Tensor]:
    on = task(SHAPE, CLASSES)
    return doubled(cnn(on)), on, points(8, SHAPE), torch.arange(8) % CLASSES


@pytest.mark.parametrize("bound", ["P", "V", "I"])
def test_with_cross_entropy_it_is_robust_cross_entropy(bound: str) -> None:
    model, on, x, y = case()
    method = WeightPerturbation(bound=bound, eps=EPS, kappa=0.3)
    both = Losses([Method.of({"name": "cross_entropy"}), method])
    roots, terms = both.terms(step(model, on, x, y))
    tau = certify(model, x, y, Limits.even(Layers.of(model), EPS), bound).tau
    clean, robust = (F.cross_entropy(f, y, reduction="none") for f in (model(x), model(x) + tau))
    wanted = (0.7 * clean + 0.3 * robust).detach()
    assert torch.allclose(sum(loss.detach() for loss, _ in roots), wanted)
    assert torch.allclose(sum(terms.values()), wanted)
    assert float((robust - clean).detach().min()) > 0.01


def test_the_theory_loss_is_lambda_times_tau_and_mu_times_norms() -> None:
    model, on, x, y = case()
    method = WeightPerturbation(bound="P", eps=EPS, kappa=0, penalty=0.2, norms=0.1)
    roots, terms = Losses([method]).terms(step(model, on, x, y))
    tau = certify(model, x, y, Limits.even(Layers.of(model), EPS), "P").tau
    others = tau.masked_fill(F.one_hot(y, CLASSES).bool(), -torch.inf)
    wanted = 0.2 * others.amax(1) + 0.1 * norms(model)
    assert torch.allclose(terms["train/loss/weight_perturbation"], wanted.detach())
    assert torch.allclose(terms["train/loss/weight_perturbation/norms"], 0.1 * norms(model))
    assert [root.dim() for root, _ in roots] == [1, 1, 0]


def norms(model: nn.Module) -> Tensor:
    """Σ R + C, output by output and input by input."""
    total = torch.zeros((), dtype=torch.double)
    for weight in Layers.of(model).weights:
        rows = [row.abs().sum() for row in weight]
        columns = [weight[:, b].abs().sum() for b in range(weight.shape[1])]
        total = total + torch.stack(rows).max() + torch.stack(columns).max()
    return total.detach()


def test_eps_grows_over_the_ramp_and_stays() -> None:
    model, on, x, y = case()
    method = WeightPerturbation(bound="P", eps=EPS, eps_x=0.02, kappa=0, penalty=1.0, ramp=0.5)

    def at(index: int) -> Tensor:
        return method.data_loss(step(model, on, x, y, index))["bound"].detach()

    whole = Limits.even(Layers.of(model), EPS, inputs=0.02)
    for index, share in ((0, 0.02), (24, 0.5), (49, 1.0), (80, 1.0)):
        tau = certify(model, x, y, whole.times(share), "P").tau.amax(1)
        assert torch.allclose(at(index), tau.detach())
    sudden = method.model_copy(update={"ramp": 0.0})
    first = sudden.data_loss(step(model, on, x, y, 0))["bound"].detach()
    assert torch.equal(first, at(80))


def test_where_another_method_moved_the_weights_it_speaks_of_these() -> None:
    """And gradients still reach the network's own."""
    model, on, x, y = case()
    method = WeightPerturbation(eps=EPS)
    moved = Point(x, {name: w + 0.3 * w.detach() for name, w in model.named_parameters()})
    found = method.data_loss(step(model, on, x, y, point=moved))["robust"]
    found.sum().backward()
    assert all(bool(w.grad.any()) for w in model.parameters() if w.grad is not None)
    assert sum(w.grad is not None for w in model.parameters()) >= 4
    with torch.no_grad():
        for w in model.parameters():
            w.mul_(1.3)
    again = method.data_loss(step(model, on, x, y))["robust"]
    assert torch.allclose(found, again)


def test_batch_statistics_are_left_alone_in_training() -> None:
    model, x, y = resnet(norm=True).train(), points(8, SHAPE), torch.arange(8) % CLASSES
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    method = WeightPerturbation(eps=EPS, penalty=0.1, norms=0.1)
    on = task(SHAPE, CLASSES)
    roots, _ = Losses([method]).terms(step(model, on, x, y))
    torch.autograd.backward(*zip(*roots, strict=True))
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())
    gains = [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(gain.grad is not None and bool(gain.grad.any()) for gain in gains)


def test_a_network_without_a_certificate_is_refused_before_training() -> None:
    on = task()
    method = WeightPerturbation()
    assert isinstance(method.prepare(mlp(on), on), nn.Sequential)
    with pytest.raises(LabError, match="GELU"):
        method.prepare(nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 4)), on)


def fitted(*methods: Method) -> tuple[nn.Module, float]:
    """Digits, 20 epochs of Adam: the network, and its test accuracy."""
    data = digits()
    model = mlp(data, (48, 32))
    losses = Losses([Method.of({"name": "cross_entropy"}), *methods])
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    dice = torch.Generator().manual_seed(0)
    index, steps = 0, 20 * 12
    for _ in range(20):
        for rows in torch.randperm(len(data.train), generator=dice).split(100):
            at = Point(data.train.x[rows])
            now = Step(model, data, index, steps, data.train.y[rows], at, at, dice)
            roots, _ = losses.terms(now)
            optimizer.zero_grad()
            torch.autograd.backward(*zip(*roots, strict=True))
            optimizer.step()
            index += 1
    right = (model(data.test.x).argmax(1) == data.test.y).float().mean()
    return model, float(right)


@pytest.mark.parametrize("eps_x", [0.0, 0.01], ids=["weights", "joint"])
def test_training_by_it_buys_certificates(eps_x: float) -> None:
    plain, usual = fitted()
    method = WeightPerturbation(bound="I", eps=0.005, eps_x=eps_x)
    robust, accuracy = fitted(method)
    limits, data = Limits.even(Layers.of(plain), 0.005, inputs=eps_x), digits().test
    shares = [
        float(certify(model, data.x, data.y, limits, "I").holds.float().mean())
        for model in (plain, robust)
    ]
    assert usual > 0.95
    assert accuracy > 0.9
    assert shares[1] > shares[0] + 0.2
