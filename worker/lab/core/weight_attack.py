"""The protocol of attacks on weights, and the rules that none of them can break."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Annotated, ClassVar, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.attack import Attack, Attacked, Weights, evaluating
from worker.lab.core.balls import Ball, Norm, WeightBall
from worker.lab.core.budget import WEIGHTS, Budget
from worker.lab.core.errors import LabError
from worker.lab.core.weight_victim import Found, WeightVictim


class Region(Protocol):
    """Where weights may go."""

    def contains(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> bool:
        """Whether all tensors are where they may be, up to rounding."""

    def size(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> float:
        """How much of the budget they took, in the units of eps."""

    def project(self, w: Tensor, center: Tensor) -> Tensor:
        """One tensor without what rounding left outside."""


class WeightAttack(Attack):
    """A search for one set of weights near the network's own under which it errs most.

    All examples share it: labels and gradients are those of the data it is measured on. The model
    itself is never touched; moved weights are handed to it for a look.
    """

    moves: ClassVar[Literal["inputs", "weights", "both"]] = "weights"
    unit: ClassVar[str] = "weights"
    budgets: ClassVar[tuple[Budget, ...]] = WEIGHTS

    layer: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="which weight layer moves, counted from 1; 0: all of them"
    )
    biases: bool = Field(False, description="whether the biases of these layers move too")

    def region(self, eps: float) -> Region:
        """Where the weights may go."""
        raise NotImplementedError

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        """Look for weights in the region and return the worst point, `victim.best`.

        Yields the share done after each look at the network, so that a job can tell and stop.
        """
        raise NotImplementedError

    def walk(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float | None = None,
        generator: torch.Generator | None = None,
        other: nn.Module | None = None,
    ) -> Generator[float, None, Attacked]:
        eps = self.eps if eps is None else eps
        center = self.center(model)
        copies = {name: tensor.clone() for name, tensor in center.items()}
        generator = generator or torch.Generator().manual_seed(0)
        with evaluating(model):
            victim = WeightVictim(model, x.clone(), y, copies, generator, self.inputs(eps))
            yield from victim.begin()
            found = victim.best
            if not self.idle(eps):
                found = yield from self.search(victim, eps)
            w, at = self._verified(found, eps, center, x)
            last = yield from victim.look(w, at)
        return Attacked(
            x=at,
            w=w,
            prediction=last.prediction,
            fooled=last.prediction != y,
            claimed=found.prediction != y,
            size=self._size(w, at, eps, center, x),
            loss=tuple(victim.losses),
            gradients=victim.gradients,
            zeros=victim.zeros,
            eval_mode=victim.eval_mode,
            draws=tuple(victim.draws),
        )

    def center(self, model: nn.Module) -> Weights:
        """The parameters that may move, detached: weight matrices and kernels, in the order of
        the network, and with `biases` the vectors beside them."""
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        chosen = [name for name, tensor in parameters.items() if tensor.dim() > 1]
        if self.layer > len(chosen):
            told = f"{self.name()}.layer: the network has {len(chosen)} weight layers"
            raise LabError("bad_spec", told)
        chosen = chosen[self.layer - 1 :][:1] if self.layer else chosen
        places = {name.rpartition(".")[0] for name in chosen} if self.biases else set()
        return {
            name: tensor
            for name, tensor in parameters.items()
            if name in chosen or (tensor.dim() == 1 and name.rpartition(".")[0] in places)
        }

    def _verified(
        self, found: Found, eps: float, center: Weights, x: Tensor
    ) -> tuple[Weights, Tensor]:
        """What the search returned, cut to its region; only rounding may have to be cut."""
        forms = {name: (tensor.shape, tensor.dtype) for name, tensor in center.items()}
        if {name: (t.shape, t.dtype) for name, t in found.w.items()} != forms:
            raise self.bad(f"returned other weights than {', '.join(forms)}")
        region, ball = self.region(eps), self.inputs(eps) or Ball("linf", 0.0)
        if not region.contains(found.w, center):
            size = region.size(found.w, center)
            raise self.bad(f"left its budget: the weights moved by {size:.6g} of {eps:.6g}")
        if found.x.shape != x.shape or not bool(ball.contains(found.x, x).all()):
            raise self.bad("moved inputs further than it may")
        w = {name: region.project(found.w[name].detach(), at) for name, at in center.items()}
        return w, ball.project(found.x.detach(), x)

    def _size(self, w: Weights, at: Tensor, eps: float, center: Weights, x: Tensor) -> Tensor:
        ball = self.inputs(eps)
        if ball is not None:
            return ball.size(at, x)
        return torch.full((len(x),), self.region(eps).size(w, center), device=x.device)


class WeightBallAttack(WeightAttack):
    """An attack on weights whose budget is a distance, tensor by tensor."""

    norm: Norm = Field(
        "linf",
        description="linf: the largest change of a weight; l2: the length of a tensor's change",
    )
    relative: bool = Field(
        False, description="whether eps is a share of the tensor's own norm, not a change itself"
    )

    def region(self, eps: float) -> WeightBall:
        return WeightBall(self.norm, eps, self.relative)
