"""How much noise the weights bear."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.loss_surface import LossSurface

LOWEST, HIGHEST = 1e-4, 10.0
"""Where σ is looked for, in logarithms."""

Draw = Callable[[float, Tensor], Tensor]
"""σ and standard normal z (ω,) ↦ the noise on the weights."""


class PacBayes(Diagnostic):
    """The largest weight noise that costs little accuracy, and PAC-Bayes measures from it.

    σ is the largest with E_u[accuracy(w + u)] ≥ accuracy(w) − `drop`, by bisection in log σ between
    1e-4 and 10 with the same draws at every σ: `isotropic`, u ~ N(0, σ²I), and `magnitude_aware`,
    u_i ~ N(0, σ²w_i² + ε²), all trainable parameters. Readings `diagnostic/pac_bayes/isotropic/…`
    and `…/magnitude_aware/…`: `sigma`; `inverse_variance`, 1/σ²; `complexity`, with m training
    examples, D = ‖w − w(0)‖² and ω parameters: D / 4σ² + log(m/σ) + 10, or ¼ Σ log[(ε² + (σ²+1)D/ω)
    / (ε² + σ²(w_i − w_i(0))²)] + log(m/σ) + 10. A widely used code draws with the variance as
    standard deviation and reports √σ for σ; this one does not. Shifts of scale change the isotropic
    ones; only ε makes the magnitude-aware σ not quite invariant.

    Takes about 11 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "PAC-Bayes flatness"
    paper: ClassVar[str] = "Jiang et al., arXiv:1912.02178"
    invariant: ClassVar[bool | None] = False
    looks: ClassVar[tuple[str, ...]] = ("bisections*samples*examples*2",)

    drop: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="accuracy that may be lost")
    eps: Annotated[float, Field(ge=0, le=1)] = Field(
        1e-3, description="ε, the noise that a weight of zero gets too"
    )
    samples: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="draws of noise at each σ"
    )
    bisections: Annotated[int, Field(ge=1, le=60)] = Field(12, description="halvings of log σ")
    examples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="training examples that accuracy is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        surface = LossSurface(view.model, view.task.train.head(self.examples))
        seed = int(torch.randint(2**31, (), generator=view.generator))
        w, m = surface.here, len(view.task.train)
        scale, eps = w.square(), self.eps
        kinds: dict[str, Draw] = {
            "isotropic": lambda sigma, z: sigma * z,
            "magnitude_aware": lambda sigma, z: (sigma**2 * scale + eps**2).sqrt() * z,
        }
        moved = _moved(surface, w, view.initial)
        for kind, draw in kinds.items():
            sigma = self._largest(partial(self._accuracy, surface, draw, seed), surface.accuracy(w))
            yield f"diagnostic/pac_bayes/{kind}/sigma", sigma
            yield f"diagnostic/pac_bayes/{kind}/inverse_variance", sigma**-2
            if moved is not None:
                cost = isotropic(moved, sigma) if kind == "isotropic" else aware(moved, sigma, eps)
                total = cost + math.log(m / sigma) + 10
                yield f"diagnostic/pac_bayes/{kind}/complexity", total

    def _largest(self, accuracy: Callable[[float], float], clean: float) -> float:
        low, high = math.log(LOWEST), math.log(HIGHEST)
        for _ in range(self.bisections):
            middle = (low + high) / 2
            if accuracy(math.exp(middle)) >= clean - self.drop:
                low = middle
            else:
                high = middle
        return math.exp(low)

    def _accuracy(self, surface: LossSurface, draw: Draw, seed: int, sigma: float) -> float:
        """The mean over the draws, which only σ scales."""
        generator = torch.Generator().manual_seed(seed)
        total = 0.0
        for _ in range(self.samples):
            z = torch.randn(len(surface.here), generator=generator).to(surface.here)
            total += surface.accuracy(surface.here + draw(sigma, z))
        return total / self.samples


def isotropic(moved: Tensor, sigma: float) -> float:
    """‖w − w(0)‖² / 4σ²."""
    return float(moved.square().sum()) / (4 * sigma**2)


def aware(moved: Tensor, sigma: float, eps: float) -> float:
    """¼ Σ log[(ε² + (σ²+1)‖w − w(0)‖²/ω) / (ε² + σ²(w_i − w_i(0))²)]."""
    squares = moved.double().square()
    above = eps**2 + (sigma**2 + 1) * squares.mean()
    return float((above / (eps**2 + sigma**2 * squares)).log().sum()) / 4


def _moved(surface: LossSurface, w: Tensor, initial: Mapping[str, Tensor]) -> Tensor | None:
    """w − w(0), where every parameter's beginning is known."""
    names = surface.named(w)
    if not names.keys() <= initial.keys():
        return None
    return w - torch.cat([initial[name].flatten() for name in names]).to(w)
