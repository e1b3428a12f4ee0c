"""How far the network responds along the features that it could learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from worker.contract.measurement import Curve
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import outputs


class StarvationResponses(Diagnostic):
    """How far the network responds along each feature of its tangent kernel, for two classes.

    K = J Jᵀ = U S Uᵀ, J the Jacobian of the logit f = f₂ − f₁ in all parameters at initialisation,
    over the first `examples` training examples; z = Uᵀ f with the network's f now. Readings
    `diagnostic/starvation_responses/z1`, … are |z_k| of the strongest features, and `all` is |z_k|
    over k. Where strong features starve the others, their responses run away and the rest stay
    behind; spectral decoupling lets them all grow. Shifts of scale of the weights now leave it as
    it is.
    """

    title: ClassVar[str] = "Starvation responses"
    paper: ClassVar[str] = "Pezeshki et al., arXiv:2011.09468, figure 2 as in the authors' code"
    invariant: ClassVar[bool | None] = True
    suits: ClassVar[Mapping[str, Any]] = {"classes": 2}

    examples: Annotated[int, Field(ge=8, le=500)] = Field(
        200, description="training examples: K has as many rows"
    )
    features: Annotated[int, Field(ge=1, le=50)] = Field(8, description="told one by one")

    def survey(self, view: View) -> Iterator[Reading]:
        split = view.task.train.head(self.examples)
        start = {n: view.initial[n].to(w) for n, w in view.model.named_parameters()}
        kernel = tangent_kernel(view.model, start, split.x)
        directions = torch.linalg.eigh(kernel.double()).eigenvectors.flip(1)
        logits = outputs(view.model, split).double()
        z = (directions.mT @ (logits[:, 1] - logits[:, 0])).abs()
        for k, response in enumerate(z[: self.features].unbind(), start=1):
            yield f"diagnostic/starvation_responses/z{k}", response
        order = list(range(1, len(z) + 1))
        yield (
            "diagnostic/starvation_responses/all",
            Curve(x=order, y=z.tolist(), x_label="feature k, strongest first", y_label="|z_k|"),
        )


def tangent_kernel(model: nn.Module, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """J Jᵀ (N, N) of f₂ − f₁ at `weights`, example by example."""

    def logit(moved: dict[str, Tensor], one: Tensor) -> Tensor:
        f: Tensor = functional_call(model, moved, (one[None],))
        return f[0, 1] - f[0, 0]

    with torch.enable_grad():
        rows = vmap(grad(logit), (None, 0), chunk_size=50)(dict(weights), x)
    return torch.stack([row.flatten(1) @ row.flatten(1).mT for row in rows.values()]).sum(0)
