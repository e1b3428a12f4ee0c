"""One network trained at several widths at once."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm
from worker.lab.core.method import Method
from worker.lab.core.point import look
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.core.width import Gated, at_width, gate, settle
from worker.lab.core.width_norm import separate


class Slimmable(Method):
    """Train the network and its narrower parts together, every step.

    L = Σ_w CE(f_w) over `widths`, f_w keeping the first share w of every hidden layer's channels,
    besides the whole network. `separate` batch normalisation has scales, shifts and statistics for
    each width; `recalibrated` is one, whose statistics are the full width's and are re-estimated
    for others by `widths`. The sandwich rule takes the whole, the narrowest and two widths at
    random between them, and the narrower learn the whole's probabilities instead of labels.
    Each width costs a pass of the whole network here. It is the loss itself: without
    `cross_entropy`.

    Measured on MNIST (10,000 images, MLP 256-256 with batch normalisation, five epochs of SGD, one
    seed; right answers at 1/4, 1/2 and all of the channels): separate 95.5, 95.9, 96.3 %; sandwich
    94.6, 95.0, 95.6; cut without such training 78.7, 92.1, 96.7. Narrower than the narrowest that
    was trained it falls at once: 32 % at 1/16.

    Four losses added up have up to four times the gradient. Without batch normalisation that wants
    a smaller rate: the CNN's quarter died at 0.05 (12 % on all of MNIST, 2,814 steps); on 10,000
    images it is right on 95 % at 0.0125, and on 96 % at 0.05 with batch normalisation.
    """

    title: ClassVar[str] = "Slimmable network"
    paper: ClassVar[str] = "Yu et al., arXiv:1812.08928; sandwich rule: arXiv:1903.05134"
    invariant: ClassVar[bool | None] = True
    passes: ClassVar[tuple[str, ...]] = ("widths",)
    learns: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("hidden",)
    excludes: ClassVar[dict[str, str]] = {
        "bayesian_nested": "each decides which channels are open",
        "nested_dropout": "each decides which channels are open",
    }

    widths: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.25, 0.5, 0.75], min_length=1, max_length=16, description="beside the full one"
    )
    gated: Gated = Field("hidden", description="which layers are narrowed; the last never is")
    groups: Annotated[int, Field(ge=1, le=1024)] = Field(32, description="of a layer's channels")
    norm: Literal["separate", "recalibrated"] = Field(
        "separate", description="batch normalisation of the widths"
    )
    sandwich: bool = Field(False, description="widths at random; needs recalibrated statistics")

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        if self.sandwich and self.norm == "separate":
            raise LabError("bad_spec", "slimmable: the sandwich rule needs norm recalibrated")
        made = gate(model, self.gated, self.groups)
        if self.norm == "separate":
            norms = [found for found in model.modules() if isinstance(found, BatchNorm)]
            for norm in norms:
                separate(norm, self.widths, made[0][1].width)
        return model

    def data_loss(self, step: Step) -> dict[str, Tensor]:
        losses = {"full": F.cross_entropy(step.logits, step.y, reduction="none")}
        target = step.logits.detach().softmax(1) if self.sandwich else step.y
        for name, width in self._narrow().items():
            with at_width(step.model, width):
                ahead = step.ahead or self.norm == "recalibrated"
                logits = look(step.model, step.point, ahead)
            losses[name] = F.cross_entropy(logits, target, reduction="none")
        return losses

    def _narrow(self) -> dict[str, float]:
        """The widths of this step beside the full one, by the names of their losses."""
        if not self.sandwich:
            return {f"width_{width:g}": width for width in sorted(set(self.widths), reverse=True)}
        least = min(self.widths)
        between = [least + (1 - least) * float(u) for u in torch.rand(2)]
        return {"random1": between[0], "random2": between[1], "narrowest": least}

    def finish(self, model: nn.Module, task: Task) -> None:
        if self.norm == "recalibrated":
            settle(model, task)
