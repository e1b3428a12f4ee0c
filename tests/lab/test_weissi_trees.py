"""WEISSI on residual networks and with batch normalisation folded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import task
from tests.lab.trees import CLASSES, SHAPE, points, preact, residual_mlp, resnet
from worker.lab.core.layers import Layers
from worker.lab.core.model import Residual
from worker.lab.methods.weissi import Weissi

ON = task(SHAPE, CLASSES)
FORMS = [
    Weissi(strength=0.7, floor=0),
    Weissi(strength=0.7, form="product", floor=0),
    Weissi(strength=0.0, direction=0.3),
]


def value(method: Weissi, model: nn.Module) -> Tensor:
    return torch.stack(list(method.weight_loss(model, ON).values())).sum()


def number(method: Weissi, model: nn.Module) -> float:
    return float(value(method, model).detach())


def fold(conv: nn.Module, norm: nn.Module) -> Tensor:
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    return conv.weight * (norm.weight / (norm.running_var + norm.eps).sqrt()).view(-1, 1, 1, 1)


def folded(model: nn.Module) -> list[Tensor]:
    """Every layer with its batch norm, in the order of the forward pass, a branch before its
    shortcut: written out for `preact`, pairs in the others."""
    links = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    if isinstance(links[1], nn.BatchNorm2d) and len(links) == 7:
        stem, _, first, norm, second, _, head = links
        return [stem.weight, fold(first, norm), second.weight, head.weight]
    layers = [m for m in links if not isinstance(m, nn.BatchNorm2d)]
    norms = [m for m in links if isinstance(m, nn.BatchNorm2d)]
    pairs = zip(layers, norms, strict=False)
    return [*(fold(*pair) for pair in pairs), *(m.weight for m in layers[len(norms) :])]


def resnet_log(norms: list[Tensor]) -> Tensor:
    """Constants written down by hand: 3 for 3×3 at stride 1, 2 at stride 2, 1 for 1×1."""
    stem, a, b, c, d, short, head = norms
    blocks = (1 + 9 * a * b).log() + (short + 2 * 3 * c * d).log()
    return stem.log() + blocks + head.log()


def preact_log(norms: list[Tensor], model: nn.Module) -> Tensor:
    stem, a, b, head = norms
    loose = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    slopes = [(m.weight / (m.running_var + m.eps).sqrt()).abs().max() for m in loose]  # type: ignore[operator]
    return stem.log() + (1 + slopes[0] * 9 * a * b).log() + slopes[2].log() + head.log()


def reference(method: Weissi, model: nn.Module) -> Tensor:
    weights = folded(model)
    norms = [weight.norm() for weight in weights]
    tree = resnet_log if len(norms) == 7 else lambda found: preact_log(found, model)
    if method.direction:
        terms = [w.abs().sum() / w.norm() for w in weights]
        return method.direction * torch.stack(terms).sum()
    if method.form == "log":
        return method.strength * tree(norms)
    first = [torch.tensor((len(weight) / 3) ** 0.5, dtype=torch.double) for weight in weights]
    if len(norms) == 7:
        start = resnet_log(first)
    else:
        start = first[0].log() + (1 + 9 * first[1] * first[2]).log() + first[3].log()
    return method.strength * (tree(norms) - start).exp()


@pytest.mark.parametrize("kind", ["residual", "batch norm", "batch norm first"])
@pytest.mark.parametrize("method", FORMS, ids=str)
def test_closed_form_gradients_are_autograds(method: Weissi, kind: str) -> None:
    """In weights and in the gains of batch normalisation."""
    model = preact() if kind == "batch norm first" else resnet(kind == "batch norm")
    assert number(method, model) == pytest.approx(
        float(reference(method, model).detach()), rel=1e-6
    )
    names = [name for name, _ in model.named_parameters()]
    mine = torch.autograd.grad(value(method, model), [*model.parameters()], materialize_grads=True)
    theirs = torch.autograd.grad(
        reference(method, model), [*model.parameters()], materialize_grads=True
    )
    moved = [name for name, gradient in zip(names, theirs, strict=True) if gradient.any()]
    assert len(moved) >= (7 if kind == "residual" else 4)
    for name, a, b in zip(names, mine, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-12), name


def test_a_chain_is_differentiated_as_before() -> None:
    """The gates of a chain are one: λ W / ‖W‖²."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    value(Weissi(strength=0.7), model).backward()
    for layer in (model[0], model[2]):
        assert isinstance(layer, nn.Linear)
        assert layer.weight.grad is not None
        wanted = 0.7 * layer.weight / layer.weight.square().sum()
        assert torch.allclose(layer.weight.grad, wanted.detach(), rtol=1e-12)


@torch.no_grad()
def scale(layer: nn.Module, factor: float, bias: float) -> None:
    assert isinstance(layer, nn.Linear)
    layer.weight.mul_(factor)
    layer.bias.mul_(bias)


@pytest.mark.parametrize("factor", [0.1, 4.0])
@pytest.mark.parametrize("where", ["branch", "stem and head"])
def test_shifts_that_keep_a_residual_network_keep_every_form(where: str, factor: float) -> None:
    """Inside a branch; and between stem and head, all inner biases scaled alike."""
    model, x = residual_mlp(), points(20, (4,))
    logits, before = model(x), [number(method, model) for method in FORMS]
    blocks = [module for module in model if isinstance(module, Residual)]
    if where == "branch":
        scale(blocks[0].branch[0], factor, factor)
        scale(blocks[0].branch[2], 1 / factor, 1)
    else:
        scale(model[0], factor, factor)
        for block in blocks:
            scale(block.branch[0], 1, factor)
            scale(block.branch[2], 1, factor)
        scale(model[6], 1 / factor, 1)
    assert torch.allclose(model(x), logits, rtol=1e-9, atol=1e-12)
    assert [number(method, model) for method in FORMS] == pytest.approx(before, rel=1e-9)


def test_scale_cannot_be_moved_from_a_branch_to_the_head() -> None:
    """It changes the function, and the penalty sees it, which a sum of logarithms does not."""
    model, x = residual_mlp(bias=False), points(20, (4,))
    logits, before = model(x), number(FORMS[0], model)
    block, head = model[2], model[6]
    assert isinstance(block, Residual)
    with torch.no_grad():
        block.branch[0].weight.mul_(4)  # type: ignore[operator, union-attr]
        head.weight.div_(4)  # type: ignore[operator, union-attr]
    assert float((model(x) - logits).detach().abs().max()) > 0.01
    assert abs(number(FORMS[0], model) - before) > 0.1


def test_the_gate_takes_the_force_from_a_vanishing_branch() -> None:
    """P / (s + P) · 1 / ‖W‖ stays bounded as ‖W‖ → 0, where a chain's 1 / ‖W‖ does not."""
    model = residual_mlp(bias=False)
    block = model[2]
    assert isinstance(block, Residual)
    first, second = block.branch[0], block.branch[2]
    with torch.no_grad():
        first.weight.mul_(1e-6 / first.weight.norm())  # type: ignore[operator, union-attr]
    value(Weissi(strength=1.0, floor=0), model).backward()
    force = float(first.weight.grad.norm())  # type: ignore[union-attr, operator]
    assert force == pytest.approx(float(second.weight.detach().norm()), rel=1e-4)  # type: ignore[union-attr, operator]


def test_scale_can_hide_neither_before_batch_norm_nor_in_its_gain() -> None:
    """W → aW with σ → aσ is the same function and the same value; γ → aγ adds λ log a."""
    model = resnet(norm=True)
    stem, norm = model[1], model[2]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    method = Weissi(strength=1.0)
    before = number(method, model)
    with torch.no_grad():
        stem.weight.mul_(10)  # type: ignore[operator, union-attr]
        norm.running_var.mul_(100).add_(99 * norm.eps)
    assert number(method, model) == pytest.approx(before, rel=1e-9)
    with torch.no_grad():
        norm.weight.mul_(3)
    assert number(method, model) == pytest.approx(before + torch.tensor(3.0).log().item(), rel=1e-6)


def test_gains_shrink_under_the_penalty() -> None:
    model = resnet(norm=True)
    before = number(Weissi(strength=1.0), model)
    gains = [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    optimizer = torch.optim.SGD(gains, 0.05)
    for _ in range(20):
        optimizer.zero_grad()
        value(Weissi(strength=1.0), model).backward()
        optimizer.step()
    assert number(Weissi(strength=1.0), model) < before - 0.5


def test_a_branch_that_starts_at_zero_has_finite_gradients() -> None:
    model = resnet(norm=True)
    last = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)][2]
    nn.init.zeros_(last.weight)
    for method in (*FORMS, Weissi(floor=0)):
        value(method, model).backward()
        for parameter in model.parameters():
            assert parameter.grad is None or bool(parameter.grad.isfinite().all())


def test_a_very_deep_network_does_not_overflow() -> None:
    """Eighty blocks of norm about 100: the product is no number, its logarithm is."""
    layer = nn.Linear(100, 100, bias=False)
    nn.init.normal_(layer.weight)
    blocks = [Residual(nn.Sequential(layer), nn.Sequential()) for _ in range(80)]
    model = nn.Sequential(*blocks)
    loss = value(Weissi(strength=1.0), model)
    loss.backward()
    assert 300 < float(loss.detach()) < 400
    assert layer.weight.grad is not None
    assert bool(layer.weight.grad.isfinite().all())
    assert float(Layers.of(model).norms()[0]) > 90
