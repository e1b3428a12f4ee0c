"""How much of the background, which says nothing of the class, the network has learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.calibration import nll
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.margin import margins_and_gradients
from worker.lab.core.outputs import outputs
from worker.lab.core.task import Split

NAME = "diagnostic/feature_contamination"


class FeatureContamination(Diagnostic):
    """How much background a network learns beside the core features, and what that costs.

    For data x = [core, background] Q with known directions Q. W̃ = W₁Qᵀ is the first layer seen
    from the features: `core` and `background` under `diagnostic/feature_contamination` are the
    means over its units of ‖W̃_core‖₂ and ‖W̃_bg‖₂, and shifts of scale change both. They leave the
    rest alone: `ratio`, background over core; `path_ratio` (two layers), the same ratio with every
    unit weighted by |a_j|, its weight in f₂ − f₁; `gradient_ratio`, E‖P_bg ∇ₓγ‖ / E‖P_core ∇ₓγ‖, γ
    the lead of the right class (both derived here); `asymmetry`, the mean over first-layer units of
    |P(active | class 2) − P(active | class 1)| (derived here); `loss` and `accuracy` on training
    data, `shifted_loss` and `shifted_accuracy` with their background's sign turned. Look at the
    shifted loss: accuracy can hide the failure.
    """

    title: ClassVar[str] = "Feature contamination"
    paper: ClassVar[str] = "Zhang et al., arXiv:2406.03345, measures as in the authors' code"
    invariant: ClassVar[bool | None] = False
    suits: ClassVar[Mapping[str, Any]] = {"extras": ["core", "background", "ood_x", "ood_y"]}
    unmoved: ClassVar[tuple[str, ...]] = tuple(
        f"{NAME}/{name}"
        for name in ("ratio", "path_", "gradient_", "asymmetry", "loss", "accuracy", "shifted_")
    )

    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(
        1000, description="training examples looked at"
    )

    def survey(self, view: View) -> Iterator[Reading]:
        split = view.task.train.head(self.limit)
        directions = [view.task.extras[name].to(view.x) for name in ("core", "background")]
        first = view.layers.folded[0]
        core, background = ((first @ q.to(first).mT).norm(dim=1) for q in directions)
        yield f"{NAME}/core", core.mean()
        yield f"{NAME}/background", background.mean()
        yield f"{NAME}/ratio", background.mean() / core.mean()
        if len(view.layers.weights) == 2:
            a = (view.layers.weights[1][1] - view.layers.weights[1][0]).abs()
            yield f"{NAME}/path_ratio", (a @ background) / (a @ core)
        _, slopes = margins_and_gradients(view.model, split)
        along, astray = ((slopes @ q.to(slopes).mT).norm(dim=1).mean() for q in directions)
        yield f"{NAME}/gradient_ratio", astray / along
        yield f"{NAME}/asymmetry", _asymmetry(view, split)
        shifted = Split(view.task.extras["ood_x"], view.task.extras["ood_y"]).head(self.limit)
        for prefix, data in (("", split), ("shifted_", shifted)):
            logits = outputs(view.model, data)
            yield f"{NAME}/{prefix}loss", nll(logits, data.y)
            yield f"{NAME}/{prefix}accuracy", (logits.argmax(1) == data.y).double().mean()


def _asymmetry(view: View, split: Split) -> Tensor:
    """How differently the first layer's units are active on the two classes."""
    active: list[Tensor] = []
    last = view.layers.folds[0] or view.layers.modules[0]
    hook = last.register_forward_hook(lambda _, __, out: active.append(out > 0))
    try:
        outputs(view.model, split)
    finally:
        hook.remove()
    found = torch.cat(active).double()
    return (found[split.y == 1].mean(0) - found[split.y == 0].mean(0)).abs().mean()
