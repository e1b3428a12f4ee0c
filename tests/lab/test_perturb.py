"""Several methods may move the point in turn; looking ahead leaves no trace."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.lab.textbook import assert_same, at_worse, batch, plainly, started, trained
from worker.lab.core.perturb import stretched
from worker.lab.core.point import Point, look

CE = {"name": "cross_entropy"}


def test_the_second_mover_starts_where_the_first_ended() -> None:
    """SAM after AWP looks uphill from w + v, and the step is taken at w + v + e."""
    run = started(CE, {"name": "awp", "gamma": 0.2}, {"name": "sam", "rho": 0.4})

    def awp(model: nn.Module) -> None:
        for p in model.parameters():
            if p.dim() > 1 and p.grad is not None:
                p.add_(0.2 * p.norm() * p.grad / p.grad.norm())

    def sam(model: nn.Module, x: Tensor, y: Tensor) -> None:
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(look(model, Point(x), ahead=True), y)
            slopes = torch.autograd.grad(loss, list(model.parameters()))
        length = torch.sqrt(sum((slope**2).sum() for slope in slopes))
        for p, slope in zip(model.parameters(), slopes, strict=True):
            p.add_(0.4 * slope / length)

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        def both(net: nn.Module) -> None:
            awp(net)
            sam(net, x, y)

        at_worse(model, x, y, both)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_a_second_mover_of_weights_sees_inputs_that_the_first_moved() -> None:
    run = started(CE, {"name": "input_gradient"}, {"name": "awp"})
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    assert step.point.x.requires_grad
    assert torch.equal(step.point.x, x)
    assert step.point.w


def test_gradients_reach_the_parameters_and_their_grad_is_not_touched() -> None:
    run = started(CE, {"name": "sam"}, {"name": "weight_noise"}, {"name": "awp"})
    x, y = batch(run)
    run.look(x, y, ahead=True)
    assert all(parameter.grad is None for parameter in run.model.parameters())
    run.gradients(x, y)
    assert all(parameter.grad is not None for parameter in run.model.parameters())


def test_a_pass_of_training_counts_once_in_the_running_statistics() -> None:
    plain, moved = started(CE), started(CE, {"name": "sam"}, {"name": "awp", "steps": 3})
    for run in (plain, moved):
        run.gradients(*batch(run))
    for name, buffer in plain.model.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert int(buffer) == int(moved.model.get_buffer(name)) == 1


def test_stretched_has_its_length_over_all_tensors_together() -> None:
    way = {"a": torch.randn(3, 4), "b": torch.randn(5)}
    found = stretched(way, 0.7)
    assert torch.cat([t.flatten() for t in found.values()]).norm().isclose(torch.tensor(0.7))
    nothing = stretched({"a": torch.zeros(3)}, 0.7)
    assert float(nothing["a"].abs().max()) == 0
