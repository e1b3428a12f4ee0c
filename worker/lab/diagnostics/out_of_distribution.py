"""Whether the network notices that it has never seen such data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from worker.contract.spec import Choice
from worker.lab.core.dataset import Dataset
from worker.lab.core.detection import aupr, auroc
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.errors import LabError
from worker.lab.core.nested import known
from worker.lab.core.outputs import outputs
from worker.lab.core.task import Split, Task


class OutOfDistribution(Diagnostic):
    """How well the network's doubt tells another data set from its own.

    Two scores of familiarity, of test examples of both data sets: the largest probability max_k p_k
    (Hendrycks & Gimpel) and the negative entropy Σ_k p_k log p_k. For each,
    `diagnostic/out_of_distribution/max_probability/auroc` (and `…/entropy/auroc`) is the chance
    that an own example is more familiar than a foreign one, ½ for a blind score; `aupr` is the
    average precision with the foreign ones as what is to be found, `aupr_own` with the own ones;
    both depend on how many there are of each: as many, here. Images are resized (bilinear) and
    their channels repeated or averaged; points must have as many inputs. Invariant to shifts.
    """

    title: ClassVar[str] = "Out-of-distribution detection"
    paper: ClassVar[str] = "Hendrycks & Gimpel, arXiv:1610.02136"
    invariant: ClassVar[bool | None] = True

    against: Annotated[Choice, known("dataset")] = Field(
        Choice(name="fashion_mnist"),
        description="the data set that the network was not trained on",
        validate_default=True,
        json_schema_extra={"choice": "dataset"},
    )
    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(
        1000, description="test examples of each data set"
    )

    def applies(self, task: Task) -> bool:
        """Raises LabError("bad_spec") where the other data set is no other or cannot fit."""
        other = Dataset.of(self.against)
        if other.name() == task.name:
            raise LabError("bad_spec", f"out_of_distribution: the run is on {task.name} itself")
        fits = other.shape == task.shape or other.layout == task.layout == "image"
        if not fits:
            shapes = f"inputs {other.shape} cannot be made {task.shape}"
            raise LabError("bad_spec", f"out_of_distribution against {other.name()}: {shapes}")
        return True

    def survey(self, view: View) -> Iterator[Reading]:
        own = view.task.test.head(self.limit)
        foreign = _foreign(self.against.model_dump_json(), view.datasets, view.task.shape)
        count = min(len(own), len(foreign))
        scored = [_scores(view, split.head(count)) for split in (own, foreign.to(own.x.device))]
        for name in scored[0]:
            inside, outside = (scores[name] for scores in scored)
            key = f"diagnostic/out_of_distribution/{name}"
            yield f"{key}/auroc", auroc(inside, outside)
            yield f"{key}/aupr", aupr(-outside, -inside)
            yield f"{key}/aupr_own", aupr(inside, outside)


def _scores(view: View, split: Split) -> dict[str, Tensor]:
    log = outputs(view.model, split).log_softmax(1)
    p = log.exp()
    return {"max_probability": p.max(1).values, "entropy": (p * log).sum(1)}


@lru_cache(maxsize=2)
def _foreign(choice: str, folder: Path | None, shape: tuple[int, ...]) -> Split:
    """The other data set's test examples, in the form of the own ones: loaded once a process."""
    test = Dataset.of(Choice.model_validate_json(choice)).load(folder).test
    return Split(fitted(test.x, shape), test.y)


def fitted(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Images (N, C, H, W) in another size and number of channels; points as they are."""
    if tuple(x.shape[1:]) == shape:
        return x
    channels, *size = shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    resized: Tensor = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    return torch.clamp(resized, 0, 1)
