"""The logarithm of the intrinsic norm, and its gradient in closed form.

Of a chain, log ν = Σ_l log ‖Ŵ_l‖_F and ∂ log ν / ∂Ŵ_l = Ŵ_l / ‖Ŵ_l‖². With residual blocks, only
the tree of a few norms is differentiated (derived here): g_l = ∂ log ν / ∂ log ‖Ŵ_l‖ is the gate
cP / (c_s s + cP) of every block that holds layer l, multiplied, and ∂ log ν / ∂Ŵ_l =
g_l Ŵ_l / ‖Ŵ_l‖². A folded batch normalisation, Ŵ = diag(γ / √(σ² + ε)) W, passes the gradient on
to W and to γ, so that scale cannot escape into γ; σ² is a constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from worker.lab.core.layers import Layers, slope, spread
from worker.lab.core.penalty import Term, numbers, total, whole

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
        if layers.plain:  # with their graph, where they are computed from something else
            return cls(layers, layers.weights, max(floor, TINY))
        with torch.no_grad():
            return cls(layers, layers.folded, max(floor, TINY))

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
    def norms(self) -> list[float]:
        """‖Ŵ_l‖_F, L of them. This and all below is called without autograd's tape."""
        return numbers(torch._foreach_norm(self.folded))

    @property
    def log(self) -> float:
        """log ν, with the constants of core/layers.py inside residual blocks."""
        return self._tree[0]

    @cached_property
    def _sizes(self) -> list[float]:
        """Norms, and the slopes of loose batch norms."""
        return [*self.norms, *self.layers.slopes().tolist()] if self.layers.loose else self.norms

    @cached_property
    def _tree(self) -> tuple[float, list[float]]:
        """log ν, and its derivatives by the logarithms of sizes: the gates, 1 in a chain."""
        logs = [math.log(max(size, self.floor)) for size in self._sizes]
        if self.layers.plain:
            return sum(logs), [1.0] * len(logs)
        with torch.enable_grad():
            sizes = torch.tensor(logs, dtype=torch.float64, requires_grad=True)
            total = self.layers.log_reach(sizes)
            (gates,) = torch.autograd.grad(total, sizes)
        return float(total), gates.tolist()

    def gradients(self, scale: float) -> list[Term]:
        """scale · ∂ log ν / ∂parameters."""
        pairs = list(zip(self._tree[1], self._sizes, strict=True))
        gates = [scale * gate if size > self.floor else 0.0 for gate, size in pairs]
        factors = [g / max(s, self.floor) ** 2 for g, s in zip(gates, self._sizes, strict=True)]
        count = len(self.norms)
        found = self.pull([(self.folded, factors[:count])])
        if not self.layers.loose:
            return found
        return [whole([*total(found), *self._loose(gates[count:])])]

    def pull(self, terms: list[Term]) -> list[Term]:
        """From gradients in Ŵ_l to those in W_l and γ."""
        layers = self.layers
        if layers.plain:
            return terms
        gradients = total(terms)
        gains: list[Tensor] = []
        for place, (weight, fold) in enumerate(zip(layers.weights, layers.folds, strict=True)):
            if fold is not None:
                gradient = gradients[place]
                gains.append((gradient * weight.detach()).flatten(1).sum(1) / spread(fold))
                wide = slope(fold).detach().view(-1, *[1] * (weight.dim() - 1))
                gradients[place] = gradient * wide
        return [whole([*gradients, *gains])]

    def _loose(self, gates: list[float]) -> list[Tensor]:
        """By γ of every loose batch norm: only its steepest channel matters."""
        found = []
        for norm, gate in zip(self.layers.loose, gates, strict=True):
            gain = norm.weight.detach()
            steepest = slope(norm).detach().abs().argmax()
            gradient = torch.zeros_like(gain)
            if gate:
                gradient[steepest] = gate / gain[steepest]
            found.append(gradient)
        return found
