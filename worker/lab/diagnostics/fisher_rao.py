"""The length of the weights as the loss feels them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import parts
from worker.lab.core.task import Split


class FisherRao(Diagnostic):
    """The Fisher–Rao norm: how strongly the loss reacts to scaling all weights together.

    ‖θ‖²_fr = E[⟨θ, ∇_θ ℓ⟩²] over training examples with their labels, ℓ the cross-entropy, θ all
    trainable parameters; `diagnostic/fisher_rao/norm` is ‖θ‖_fr. Without biases and batch
    normalisation J_θ f θ = n_w f, n_w being the number of weight layers, and the norm is n_w
    √E[(Σ_k p_k f_k − f_y)²]. Shifts of scale leave it as it is.
    """

    title: ClassVar[str] = "Fisher–Rao norm"
    paper: ClassVar[str] = "Liang, Poggio, Rakhlin, Stokes, arXiv:1711.01530"
    invariant: ClassVar[bool | None] = True

    limit: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="training examples looked at"
    )

    def survey(self, view: View) -> Iterator[Reading]:
        split = view.task.train.head(self.limit)
        squares = torch.cat([_reaction(view.model, part).square() for part in parts(split)])
        yield "diagnostic/fisher_rao/norm", squares.mean().sqrt()


def _reaction(model: nn.Module, part: Split) -> Tensor:
    """⟨θ, ∇_θ ℓ⟩ of every example, (B,): Σ_i u_i ⟨θ, ∇_θ ℓ_i⟩ is linear in u, differentiate it."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.enable_grad():
        loss = F.cross_entropy(model(part.x), part.y, reduction="none")
        u = torch.ones_like(loss, requires_grad=True)
        slopes = torch.autograd.grad(loss, weights, u, create_graph=True)
        along = torch.stack([(w.detach() * g).sum() for w, g in zip(weights, slopes, strict=True)])
        (reaction,) = torch.autograd.grad(along.sum(), u)
    return reaction
