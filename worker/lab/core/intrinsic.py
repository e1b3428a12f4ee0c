"""The logarithm of the intrinsic norm, and its gradient in closed form.

Of a chain, log ν = Σ_l log ‖Ŵ_l‖_F and ∂ log ν / ∂Ŵ_l = Ŵ_l / ‖Ŵ_l‖². With residual blocks, only
the tree of a few norms is differentiated (derived here): g_l = ∂ log ν / ∂ log ‖Ŵ_l‖ is the gate
cP / (c_s s + cP) of every block that holds layer l, multiplied, and ∂ log ν / ∂Ŵ_l =
g_l Ŵ_l / ‖Ŵ_l‖². A folded batch normalisation, Ŵ = diag(γ / √(σ² + ε)) W, passes the gradient on
to W and to γ, so that scale cannot escape into γ; σ² is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from worker.lab.core.layers import Layers, slope, spread
from worker.lab.core.penalty import scaled

TINY = 1e-12
"""The least norm: its square is a float32 still."""


@dataclass(frozen=True)
class Intrinsic:
    """Of one network at its present weights; norms below `floor` count as `floor`."""

    layers: Layers
    folded: list[Tensor]
    floor: float

    @classmethod
    def of(cls, layers: Layers, floor: float = 0.0) -> Intrinsic:
        plain = layers.weights  # with their graph, where they are computed from something else
        with torch.no_grad():
            return cls(layers, plain if layers.plain else layers.folded, max(floor, TINY))

    @property
    def pulled(self) -> list[Tensor]:
        """What `pull` gives gradients of: every W_l, and γ of every fold."""
        gains = [fold.weight for fold in self.layers.folds if fold is not None]
        return [*self.layers.weights, *gains]

    @property
    def parameters(self) -> list[Tensor]:
        """What `gradients` gives gradients of: γ of loose batch norms too."""
        return [*self.pulled, *(norm.weight for norm in self.layers.loose)]

    @cached_property
    def norms(self) -> Tensor:
        """‖Ŵ_l‖_F, (L,)."""
        with torch.no_grad():
            return torch.stack(torch._foreach_norm(self.folded))

    @cached_property
    def log(self) -> Tensor:
        """log ν, with the constants of core/layers.py inside residual blocks."""
        return self._tree[0]

    @cached_property
    def _tree(self) -> tuple[Tensor, Tensor]:
        """log ν, and its derivatives by the logarithms of norms and slopes: the gates."""
        sizes = self.norms
        if self.layers.loose:
            sizes = torch.cat([sizes, self.layers.slopes()])
        logs = sizes.clamp_min(self.floor).log()
        above = (sizes > self.floor).to(logs)
        if self.layers.plain:
            return logs.sum(), above
        with torch.enable_grad():
            total = self.layers.log_reach(logs.requires_grad_())
            (gates,) = torch.autograd.grad(total, logs)
        return total.detach(), gates * above

    def gradients(self, scale: Tensor) -> list[Tensor]:
        """scale · ∂ log ν / ∂parameters."""
        gates = scale * self._tree[1]
        if not self.layers.loose:
            return self.pull(scaled(self.folded, gates / self._squares))
        count = len(self.norms)
        found = scaled(self.folded, gates[:count] / self._squares)
        return [*self.pull(found), *self._loose(gates[count:])]

    @property
    def _squares(self) -> Tensor:
        return self.norms.square().clamp_min(TINY**2)

    def pull(self, gradients: list[Tensor]) -> list[Tensor]:
        """From gradients in Ŵ_l to those in W_l and γ."""
        layers = self.layers
        if layers.plain:
            return gradients
        gains: list[Tensor] = []
        for place, (weight, fold) in enumerate(zip(layers.weights, layers.folds, strict=True)):
            if fold is not None:
                whole = gradients[place]
                gains.append((whole * weight.detach()).flatten(1).sum(1) / spread(fold))
                wide = slope(fold).detach().view(-1, *[1] * (weight.dim() - 1))
                gradients[place] = whole * wide
        return [*gradients, *gains]

    def _loose(self, gates: Tensor) -> list[Tensor]:
        """By γ of every loose batch norm: only its steepest channel matters."""
        found = []
        for norm, gate in zip(self.layers.loose, gates.unbind(), strict=True):
            gain = norm.weight.detach()
            steepest = slope(norm).detach().abs().argmax()
            gradient = torch.zeros_like(gain)
            gradient[steepest] = torch.where(gate != 0, gate / gain[steepest], 0.0)
            found.append(gradient)
        return found
