from __future__ import annotations

import math
from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from worker.lab.core.balls import Ball
from worker.lab.core.budget import Budget
from worker.lab.core.errors import LabError
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.victim import Victim

LEVELS = {
    "gaussian_noise": (0.0, 0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.0, 0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (1.0, 0.75, 0.5, 0.4, 0.3, 0.15),
}
"""By severity 0 to 5: standard deviation; width in pixels; the share of contrast that is left."""

GRID = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)


class Corruptions(InputAttack):
    """Noise, blur or lost contrast in five severities: no adversary, a bad camera.

    gaussian_noise: x + σ n with n ~ N(0, 1) at every input, σ = 0.04 … 0.10; blur: convolution with
    a Gaussian, σ = 0.4 … 1 pixels; contrast: (x − mean) c + mean by channel, c = 0.75 … 0.15; all
    cut to [0, 1]. The values are those of CIFAR-10-C in the paper's released code, whatever the
    data set; between whole severities they are interpolated [derived].

    worst: an example counts only if it is right under all three. The severity is the budget; the
    size of a change is its largest entry. Blur and contrast need images.
    """

    title: ClassVar[str] = "Corruptions"
    paper: ClassVar[str] = (
        "arXiv:1903.12261 Benchmarking Neural Network Robustness to Common Corruptions and "
        "Perturbations"
    )
    adversarial: ClassVar[bool] = False
    unit: ClassVar[str] = "severity"
    most: ClassVar[float] = 5.0
    budgets: ClassVar[tuple[Budget, ...]] = (
        Budget("severity of gaussian noise", GRID, {"corruption": "gaussian_noise"}),
        Budget("severity of blur", GRID, {"corruption": "blur"}),
        Budget("severity of lost contrast", GRID, {"corruption": "contrast"}),
        Budget("severity, worst of three corruptions", GRID, {"corruption": "worst"}),
    )
    passes: ClassVar[tuple[str, ...]] = ("1",)

    eps: Annotated[float, Field(ge=0, le=5)] = Field(
        3.0, description="severity, where no grid of budgets is given"
    )
    corruption: Literal["gaussian_noise", "blur", "contrast", "worst"] = Field(
        "gaussian_noise", description="which one, or the worst of all three for each example"
    )

    def ball(self, eps: float) -> Ball:
        return Ball("linf", float(eps > 0))

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        chosen = list(LEVELS) if self.corruption == "worst" else [self.corruption]
        if victim.x.dim() < 4 and chosen != ["gaussian_noise"]:
            raise LabError("bad_spec", "corruptions.corruption: only images blur or lose contrast")
        rows = torch.arange(len(victim.y), device=victim.y.device)
        found = victim.x
        for index, name in enumerate(chosen):
            x = _corrupted(name, victim)
            wrong = victim.ask(rows, x).argmax(1) != victim.y
            keep = wrong if index else torch.ones_like(wrong)
            found = torch.where(keep.view(-1, *[1] * (x.dim() - 1)), x, found)
            yield (index + 1) / (len(chosen) + 1)
        victim.ask(rows, found)
        return found


def _corrupted(name: str, victim: Victim) -> Tensor:
    below, levels = min(int(victim.asked), 4), LEVELS[name]
    level = levels[below] + (victim.asked - below) * (levels[below + 1] - levels[below])
    if name == "gaussian_noise":
        noise = torch.randn(victim.x.shape, generator=victim.generator)
        return (victim.x + level * noise.to(victim.x)).clamp(0, 1)
    if name == "blur":
        return _blurred(victim.x, level).clamp(0, 1)
    mean = victim.x.mean((2, 3), keepdim=True)
    return ((victim.x - mean) * level + mean).clamp(0, 1)


def _blurred(x: Tensor, width: float) -> Tensor:
    """(B, C, H, W) under a Gaussian cut at four widths; the border's pixels go on beyond it."""
    reach = math.ceil(4 * width)
    if not reach:
        return x
    at = torch.arange(-reach, reach + 1, device=x.device)
    kernel = torch.softmax(-at.square() / (2 * width * width), 0).to(x)
    channels = x.shape[1]
    for form in ((1, 1, -1, 1), (1, 1, 1, -1)):
        both = kernel.view(form).expand(channels, 1, *kernel.view(form).shape[2:])
        pad = (0, 0, reach, reach) if form[2] == -1 else (reach, reach, 0, 0)
        x = F.conv2d(F.pad(x, pad, mode="replicate"), both, groups=channels)
    return x
