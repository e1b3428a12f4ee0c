"""The loss of fixed examples as a function of the weights, all of them one long vector."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.outputs import accuracy, outputs, parts
from worker.lab.core.point import Point, look
from worker.lab.core.task import Split


class LossSurface:
    """L(w), the mean cross-entropy of `split` in nats at weights w (ω,): the trainable parameters
    in the order of `model.named_parameters()`, each flattened. Buffers stay as they are.

    The model is never changed; it should be in eval mode.
    """

    def __init__(self, model: nn.Module, split: Split) -> None:
        self.model, self.split = model, split
        self._weights = {n: w.detach() for n, w in model.named_parameters() if w.requires_grad}
        self._sizes = [weight.numel() for weight in self._weights.values()]

    @cached_property
    def here(self) -> Tensor:
        """The model's own weights, (ω,)."""
        return torch.cat([weight.flatten() for weight in self._weights.values()])

    def named(self, w: Tensor) -> dict[str, Tensor]:
        """Views of a vector (ω,), shaped and named as the parameters."""
        pieces = zip(self._weights.items(), torch.split(w, self._sizes), strict=True)
        return {name: piece.view_as(like) for (name, like), piece in pieces}

    @torch.no_grad()
    def loss(self, w: Tensor) -> Tensor:
        return F.cross_entropy(outputs(self.model, self.split, self.named(w)), self.split.y)

    def accuracy(self, w: Tensor) -> float:
        return accuracy(self.model, self.split, self.named(w))

    def gradient(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """L and ∇L (ω,)."""
        w = w.detach().requires_grad_()
        loss, total = torch.zeros((), dtype=w.dtype, device=w.device), torch.zeros_like(w)
        for part in parts(self.split):
            with torch.enable_grad():
                share = self._share(w, part)
                total += torch.autograd.grad(share, w)[0]
            loss += share.detach()
        return loss, total

    def curvature(self, w: Tensor, v: Tensor) -> Tensor:
        """H v (ω,), H the Hessian of L at w, by differentiating ∇L·v."""
        w = w.detach().requires_grad_()
        total = torch.zeros_like(w)
        for part in parts(self.split):
            with torch.enable_grad():
                (slope,) = torch.autograd.grad(self._share(w, part), w, create_graph=True)
                total += torch.autograd.grad(slope @ v, w)[0]
        return total

    def _share(self, w: Tensor, part: Split) -> Tensor:
        """What a batch adds to L, on autograd's tape."""
        logits = look(self.model, Point(part.x, self.named(w)))
        return F.cross_entropy(logits, part.y, reduction="sum") / len(self.split)
