"""Networks whose channels are ordered by how certain they are to be there."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core import downhill
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.monte_carlo import Average, Dice, MonteCarlo
from worker.lab.core.noisy import Noisy, NoisyConv2d, add_noise, keep_within, log_uniform, released
from worker.lab.core.ordering import Ordered, ordered
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.core.width import Gated, gate, settle

RELEASED = 1e-5
"""By what the authors' code multiplies its KL."""
LOG_ALPHA = -1.0
"""Where the noise starts: α = 0.37."""


class BayesianNested(Method):
    """Variational nested dropout: learned chances that each next group of channels is needed.

    Channels of a layer are cut into `groups`; the first `frozen` are always open. Gate i stays
    open with chance β_i if i − 1 is open, so masks are (1, …, 1, 0, …, 0), with the distribution q
    of the last open one. Downhill sampling: e ~ Gumbel-softmax(log q, tau), z_i = 1 − Σ_{j<i} e_j,
    one draw a layer and batch. Weights have noise: w ~ N(μ, α μ²), α a weight's own (local
    reparameterisation). KL added to the data loss: Σ_layers KL(q ‖ p) + Σ_c P(z_c = 1) KL_c, p
    being the chain with the constant chance `prior`.

    In evaluation: the mean over `samples` draws of the noise, the same at every look, with the
    first share `width` of every layer open. See `widths`. When training ends, batch normalisation
    is re-estimated at that width, as the authors do.

    As the authors' code, but: gates stand behind batch normalisation, not before it, so that a
    narrow network is a true smaller one. The code samples with q in the place of log q
    (`sampling` as_released): its draws are nearly uniform whatever β is. Its KL takes the mean
    over a filter's weights, not the sum, times 1e-5, and another prior (`kl` as_released); `elbo`
    sums, with a log-uniform prior, over N training examples: kl_weight below 1 is a cold posterior.
    No bound is known of noise: `bound_tightness` shows infinity.

    Measured on MNIST (10,000 images, MLP with batch normalisation, five epochs of SGD, one seed;
    right answers at 1/16, 1/4 and all of the channels): 89.6, 94.0, 94.9 %; sampling as_released
    86.1, 93.9, 95.0; elbo with kl_weight 0.01 91.9, 93.7, 94.0, with 1 92.1, 90.3, 84.6; kl
    as_released with kl_weight 0 or 100 as with 1, with 1000 92.1, 91.8, 90.7.
    """

    title: ClassVar[str] = "Bayesian nested network"
    paper: ClassVar[str] = "arXiv:2101.11353; code github.com/ralphc1212/variational_nested_dropout"
    invariant: ClassVar[bool | None] = True
    passes: ClassVar[tuple[str, ...]] = ("2",)
    needs: ClassVar[tuple[str, ...]] = ("hidden",)
    excludes: ClassVar[dict[str, str]] = {
        "weight_normalization": "noise is of weights that are parameters themselves",
        "weight_perturbation": "its certificate knows no noise",
    }

    gated: Gated = Field("hidden", description="which layers have gates; the last has none")
    groups: Annotated[int, Field(ge=1, le=1024)] = Field(32, description="of a layer's channels")
    frozen: Annotated[int, Field(ge=0, le=1024)] = Field(2, description="groups always open")
    sampling: Literal["log_q", "as_released"] = Field("log_q", description="logits of the draw")
    tau: Annotated[float, Field(gt=0, le=100)] = Field(2.0, description="temperature of the draw")
    hard: bool = Field(True, description="masks of 0 and 1, their gradient that of soft ones")
    prior: Annotated[float, Field(ge=0.01, le=0.99)] = Field(
        0.95, description="chance that the next group is needed too"
    )
    kl: Literal["elbo", "as_released"] = Field("as_released", description="how it is summed")
    kl_weight: Annotated[float, Field(ge=0, le=1e6)] = Field(1.0, description="times the KL")
    samples: Annotated[int, Field(ge=0, le=256)] = Field(
        8, description="draws in evaluation; 0: the mean weights"
    )
    average: Average = Field("logits", description="what the draws' mean is of")
    width: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="open in evaluation")

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        if not isinstance(model, nn.Sequential):
            raise LabError("bad_spec", "bayesian_nested needs a network that is a chain of layers")
        dice, layers = Dice(), Layers.of(model).modules
        for _, made in gate(model, self.gated, self.groups, self.frozen, Ordered):
            assert isinstance(made, Ordered)
            made.width.rest, made.tau, made.hard = self.width, self.tau, self.hard
            made.released = self.sampling == "as_released"
        for index, layer in enumerate(layers):
            if index or self.gated == "hidden":
                add_noise(layer, LOG_ALPHA, dice, index)
        return MonteCarlo(model, dice, self.samples, self.average)

    def weight_loss(self, model: nn.Module, task: Task) -> dict[str, Tensor]:
        scale = self.kl_weight * (RELEASED if self.kl == "as_released" else 1 / len(task.train))
        found = list(ordered(model))
        order = [downhill.divergence(unit.b, self.prior) for _, unit in found if unit is not None]
        weights = [self._divergence(layer, unit) for layer, unit in found]
        return {
            "order": scale * torch.stack(order).sum(),
            "weights": scale * torch.stack(weights).sum(),
        }

    def project(self, model: nn.Module, step: Step) -> None:
        keep_within([module for module in model.modules() if isinstance(module, Noisy)])

    def finish(self, model: nn.Module, task: Task) -> None:
        settle(model, task)

    def _divergence(self, layer: Noisy, unit: Ordered | None) -> Tensor:
        """Σ_c P(z_c = 1) KL_c of a layer's weights."""
        if self.kl == "elbo":
            outputs = log_uniform(layer.log_alpha).flatten(1).sum(1)
        else:
            fit = released(layer.log_alpha, isinstance(layer, NoisyConv2d))
            outputs = fit.flatten(1).mean(1)
        return (outputs if unit is None else unit.chances() * outputs).sum()
