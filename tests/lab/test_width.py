"""Networks of many widths: gates, the smaller networks inside, and methods that train them."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import centred, cnn, doubled, mlp, task
from worker.contract import plan as plans
from worker.contract.spec import TrainSpec
from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, Layers
from worker.lab.core.method import Method
from worker.lab.core.model import Model
from worker.lab.core.run import Run
from worker.lab.core.slice import size, sliced
from worker.lab.core.task import Task
from worker.lab.core.width import Gate, Width, at_width, gate, gates
from worker.lab.methods.nested_dropout import Draws

IMAGES = task((2, 8, 8))
WIDTHS = [0.0625, 0.25, 0.4, 0.75, 1.0]


class Blocks(Model):
    """A residual network with loose batch norm, as before an activation."""

    plan: ClassVar[list[plans.Layer]] = [
        plans.Conv(out=6),
        plans.Residual(
            branch=[plans.BatchNorm(), plans.Relu(), plans.Conv(out=6, bias=False)],
            shortcut=[],
        ),
        plans.Residual(
            branch=[plans.BatchNorm(), plans.Relu(), plans.Conv(out=10), plans.BatchNorm()],
            shortcut=[plans.Conv(out=10, kernel=1, padding=0)],
        ),
        plans.BatchNorm(),
        plans.Relu(),
        plans.MaxPool(),
        plans.Flatten(),
        plans.Linear(out=7),
        plans.BatchNorm(),
        plans.Relu(),
        plans.Linear(out="classes"),
    ]


def blocks(on: Task) -> nn.Sequential:
    torch.manual_seed(2)
    return Blocks().build(on)


def settled(model: nn.Module) -> nn.Module:
    """In double precision, its statistics and scales those of no fresh network."""
    doubled(model)
    model(centred(IMAGES, model))
    for module in model.modules():
        if isinstance(module, BatchNorm):
            nn.init.normal_(module.weight, 1.0)
            nn.init.normal_(module.bias)
    return model.eval()


@pytest.mark.parametrize("build", [mlp, cnn, blocks])
@pytest.mark.parametrize("share", WIDTHS)
def test_the_network_at_a_width_is_the_smaller_network(build: Any, share: float) -> None:
    model = build(IMAGES)
    gate(model, groups=32)
    settled(model)
    x = centred(IMAGES, model)
    small = sliced(model, share).eval()
    with torch.no_grad(), at_width(model, share):
        assert torch.allclose(model(x), small(x), rtol=1e-10, atol=1e-10)
    assert not gates(small)
    whole = size(sliced(model, 1.0), x[:1])
    assert (size(small, x[:1]).parameters < whole.parameters) == (share < 1)
    with torch.no_grad():
        assert torch.allclose(model(x), sliced(model, 1.0)(x), rtol=1e-10)


def test_gates_change_nothing_until_they_close() -> None:
    plain, gated = settled(blocks(IMAGES)), blocks(IMAGES)
    gate(gated)
    settled(gated)
    x = centred(IMAGES, plain)
    names = [type(found).__name__ for found in gates(gated)]
    assert names.count("Follower") == 3, "one for each loose batch norm"
    torch.manual_seed(0)
    with torch.no_grad():
        twin = sliced(gated, 1.0)
        assert torch.allclose(twin(x), gated(x))
        with at_width(gated, 0.5):
            assert not torch.allclose(twin(x), gated(x))
        assert torch.allclose(twin(x), gated(x)), "and open again afterwards"


def test_groups_are_equal_or_differ_by_one() -> None:
    for channels, groups in ((64, 32), (10, 4), (6, 32), (100, 32)):
        made = Gate(channels, groups, 0, 0, Width())
        edges = [made.channels_of(k) for k in range(made.groups + 1)]
        steps = {b - a for a, b in pairwise(edges)}
        assert edges[0] == 0
        assert edges[-1] == channels
        assert max(steps) - min(steps) <= 1
    assert Gate(64, 32, 2, 0, Width()).kept(0.01) == 4, "the frozen ones stay"


def test_what_cannot_be_narrowed_is_refused() -> None:
    with pytest.raises(LabError, match="no layer"):
        gate(mlp(IMAGES, hidden=()))
    with pytest.raises(LabError, match="no layer"):
        gate(mlp(IMAGES), "later_convolutions")
    with pytest.raises(LabError, match="residual"):
        gate(blocks(IMAGES), "later_convolutions")


class Vgg11Wide(Model):
    """The network of the authors' code for CIFAR-10, of which seven convolutions are narrowed."""

    plan: ClassVar[list[plans.Layer]] = [
        layer
        for channels, pools in zip(
            (96, 192, 384, 384, 768, 768, 768, 768), (1, 1, 0, 1, 0, 1, 0, 1), strict=True
        )
        for layer in (
            plans.Conv(out=channels, bias=False),
            plans.BatchNorm(),
            plans.Relu(),
            *([plans.MaxPool()] if pools else []),
        )
    ] + [
        plans.Flatten(),
        plans.Linear(out=256),
        plans.BatchNorm(),
        plans.Relu(),
        plans.Linear(out="classes"),
    ]


@pytest.mark.parametrize(
    ("share", "millions", "mmacs"),
    [
        (1, 20.94, 343),
        (26 / 32, 13.88, 234),
        (16 / 32, 5.33, 98),
        (10 / 32, 2.13, 45),
        (7 / 32, 1.07, 26),
        (2 / 32, 0.108, 6.5),
    ],
)
def test_the_sizes_of_the_released_network(share: float, millions: float, mmacs: float) -> None:
    on = task((3, 32, 32), classes=10, count=1)
    model = vgg(on)
    small = sliced(model, share).to("meta").eval()
    parameters, macs = size(small, on.train.x.to("meta"))
    norms = [module for module in small.modules() if isinstance(module, BatchNorm)]
    parameters -= sum(2 * norm.num_features for norm in norms)  # the table leaves them out
    assert parameters / 1e6 == pytest.approx(millions, rel=0.006)
    assert macs / 1e6 == pytest.approx(mmacs, rel=0.01)


def vgg(on: Task) -> nn.Module:
    model = Vgg11Wide().build(on)
    gate(model, "later_convolutions", groups=32, frozen=2)
    return model


def prepared(method: dict[str, Any], hidden: tuple[int, ...] = (16, 12)) -> nn.Module:
    on = task()
    return Method.of(method).prepare(mlp(on, hidden), on)


@pytest.mark.parametrize("each", ["network", "layer"])
def test_nested_dropout_keeps_first_channels(each: str) -> None:
    model = prepared({"name": "nested_dropout", "each": each, "groups": 4}).train()
    seen, found = [], [module for module in model.modules() if isinstance(module, Gate)]
    for module in found:
        module.register_forward_hook(lambda _, x, out: seen.append((out != 0).any(0)))
    torch.manual_seed(0)
    for _ in range(60):
        model(torch.rand(200, 6))
    shares = []
    for mask in seen:
        assert bool((mask.int().diff() <= 0).all()), "ones, then zeros"
        shares.append(float(mask.double().mean()))
    pairs = list(zip(shares[::2], shares[1::2], strict=True))
    assert {a for a, _ in pairs} == {0.25, 0.5, 0.75, 1.0}
    assert all(a == b for a, b in pairs) == (each == "network")


def test_the_laws_of_the_index() -> None:
    torch.manual_seed(0)
    uniform, geometric = (Draws(4, law, 0.6, "network") for law in ("uniform", "geometric"))
    for draws, law in ((uniform, [0.25] * 4), (geometric, [0.4, 0.24, 0.144, 0.216])):
        count = Counter(draws.share() for _ in range(20_000))
        for k, chance in enumerate(law, 1):
            width = 4 * math.sqrt(chance * (1 - chance) / 20_000)
            assert count[k / 4] / 20_000 == pytest.approx(chance, abs=width)


def digits_run(*methods: dict[str, Any], **model: Any) -> Run:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [16], **model},
        "methods": list(methods),
    }
    return Run.build(TrainSpec.model_validate(spec), None)


def losses(run: Run) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    head = run.task.train.head(32)
    return run.look(head.x, head.y)[2], head.x, head.y


@pytest.mark.parametrize("norm", ["separate", "recalibrated"])
def test_slimmable_sums_cross_entropies_of_smaller_networks(norm: str) -> None:
    run = digits_run({"name": "slimmable", "norm": norm, "widths": [0.25, 0.5]}, batch_norm=True)
    terms, x, y = losses(run)
    for name, share in (("width_0.25", 0.25), ("width_0.5", 0.5), ("full", 1.0)):
        small = sliced(run.model, share).train()
        expected = nn.functional.cross_entropy(small(x), y, reduction="none")
        assert torch.allclose(terms[f"train/loss/slimmable/{name}"], expected, atol=1e-5), name
    parts = [value for name, value in terms.items() if name.count("/") == 3]
    assert torch.allclose(terms["train/loss/slimmable"], torch.stack(parts).sum(0))


def statistics(model: nn.Module, share: float) -> Tensor:
    (norm,) = [m for m in sliced(model, share).modules() if isinstance(m, nn.BatchNorm1d)]
    assert norm.running_mean is not None
    return norm.running_mean


def test_separate_norms_learn_each_their_own_and_one_norm_the_full_widths() -> None:
    own = digits_run({"name": "slimmable", "widths": [0.5]}, batch_norm=True, hidden=[16, 16])
    run = digits_run({"name": "slimmable", "widths": [0.5]}, batch_norm=True)
    losses(run)
    assert bool((statistics(run.model, 0.5) != 0).all())
    names = [name for name, _ in own.model.named_parameters() if "narrow" in name]
    assert len(names) == 4, "a scale and a shift for each of two layers"
    alone = digits_run({"name": "cross_entropy"}, batch_norm=True)
    both = digits_run(
        {"name": "slimmable", "widths": [0.5], "norm": "recalibrated"}, batch_norm=True
    )
    for one in (alone, both):
        losses(one)
    assert torch.equal(statistics(alone.model, 1.0), statistics(both.model, 1.0))


def test_the_sandwich_learns_the_full_widths_answers() -> None:
    run = digits_run({"name": "slimmable", "sandwich": True, "norm": "recalibrated"})
    terms, x, _ = losses(run)
    target = run.model.train()(x).detach().softmax(1)
    small = sliced(run.model, 0.25)(x)
    expected = -(target * small.log_softmax(1)).sum(1)
    assert torch.allclose(terms["train/loss/slimmable/narrowest"], expected, atol=1e-5)
    with pytest.raises(LabError, match="recalibrated"):
        digits_run({"name": "slimmable", "sandwich": True})


def test_statistics_are_those_of_the_full_width_when_training_ends() -> None:
    run = digits_run({"name": "cross_entropy"}, {"name": "nested_dropout"}, batch_norm=True)
    for _ in range(20):
        losses(run)
    mixed = statistics(run.model, 1.0).clone()
    run.finish()
    x = run.task.train.x
    entering = run.model[0:3](x).detach()  # type: ignore[index]
    parts = [part.mean(0) for part in torch.split(entering, 250)]
    assert torch.allclose(statistics(run.model, 1.0), torch.stack(parts).mean(0), atol=1e-5)
    assert run.model.training
    assert not torch.allclose(mixed, statistics(run.model, 1.0), atol=1e-5)
    assert Layers.of(run.model).names == ["layer1", "layer2"]
