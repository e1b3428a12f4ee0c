"""By how much the right class leads, and how that changes with the inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worker.lab.core import attack_loss
from worker.lab.core.outputs import parts
from worker.lab.core.task import Split


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """f_y − max_{k≠y} f_k of every example, (B,): negative where the answer is wrong."""
    return -attack_loss.margin(logits, y)


def margins_and_gradients(model: nn.Module, split: Split) -> tuple[Tensor, Tensor]:
    """The margin γ (N,) of every example and ∇ₓγ (N, *shape)."""
    found = [_both(model, part) for part in parts(split)]
    margins, gradients = zip(*found, strict=True)
    return torch.cat(margins), torch.cat(gradients)


def _both(model: nn.Module, part: Split) -> tuple[Tensor, Tensor]:
    x = part.x.detach().requires_grad_()
    with torch.enable_grad():
        found = margin(model(x), part.y)
        (gradient,) = torch.autograd.grad(found.sum(), x)
    return found.detach(), gradient
