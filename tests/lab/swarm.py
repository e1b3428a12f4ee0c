"""An adversary with a copy of all weights for every network, climbing on the margin itself."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from worker.lab.core.certify import Limits
from worker.lab.core.layers import Layers

Named = dict[str, Tensor]


@dataclass(frozen=True)
class Swarm:
    """Networks of one architecture, each with one input x (N, *), label y and rival class j."""

    nets: Sequence[nn.Module]
    x: Tensor
    y: Tensor
    j: Tensor

    def attack(self, limits: Limits, steps: int = 20, restarts: int = 2, seed: int = 0) -> Tensor:
        """The largest f^j − f^y found for each network, (N,)."""
        best = torch.full((len(self.nets),), -torch.inf, dtype=self.x.dtype)
        for restart in range(restarts):
            generator = torch.Generator().manual_seed(seed + restart)
            best = torch.maximum(best, self._climb(limits, steps, restart, generator))
        return best

    def _climb(self, limits: Limits, steps: int, restart: int, dice: torch.Generator) -> Tensor:
        params, buffers = stack_module_state(list(self.nets))
        eps = {name: _like(eps, params[name]) for name, eps in self._eps(limits).items()}
        center = {name: params[name].detach() for name in eps}
        low = {"x": (self.x - limits.inputs).clamp_min(0), **_add(center, eps, -1)}
        high = {"x": (self.x + limits.inputs).clamp_max(1), **_add(center, eps, 1)}
        now = {"x": self.x.clone(), **center}
        if restart:  # from a random corner
            sides = {k: torch.rand(v.shape, generator=dice) < 0.5 for k, v in now.items()}
            now = {k: torch.where(sides[k], low[k], high[k]) for k in now}
        best = torch.full((len(self.nets),), -torch.inf, dtype=self.x.dtype)
        for step in range(steps + 1):
            now = {k: v.detach().requires_grad_() for k, v in now.items()}
            gap = self._gap({**params, **now}, buffers)
            best = torch.maximum(best, gap.detach())
            found = torch.autograd.grad(gap.sum(), list(now.values()), materialize_grads=True)
            rate = 2.0 if step == 0 else 0.4 * (1 - step / steps)
            for (k, v), gradient in zip(list(now.items()), found, strict=True):
                moved = v.detach() + rate * 0.5 * (high[k] - low[k]) * gradient.sign()
                now[k] = torch.minimum(torch.maximum(moved, low[k]), high[k])
        return best

    def _gap(self, values: Named, buffers: Named) -> Tensor:
        base = copy.deepcopy(self.nets[0])

        def logits(params: Named, others: Named, x: Tensor) -> Tensor:
            out: Tensor = functional_call(base, (params, others), (x[None],))[0]
            return out

        params = {k: v for k, v in values.items() if k != "x"}
        found = vmap(logits)(params, buffers, values["x"])
        rows = torch.arange(len(self.nets))
        gap: Tensor = found[rows, self.j] - found[rows, self.y]
        return gap

    def _eps(self, limits: Limits) -> dict[str, float]:
        """What may move, by name: the weights and biases of weight layers."""
        layers = Layers.of(self.nets[0])
        names = {module: name for name, module in self.nets[0].named_modules()}
        found: dict[str, float] = {}
        for module, eps, eta in zip(layers.modules, limits.weights, limits.biases, strict=True):
            found[f"{names[module]}.weight"] = eps
            if module.bias is not None:
                found[f"{names[module]}.bias"] = eta
        return found


def _like(eps: float, tensor: Tensor) -> Tensor:
    return torch.full_like(tensor, eps)


def _add(center: Named, eps: Named, sign: int) -> Named:
    return {name: value + sign * eps[name] for name, value in center.items()}
