"""Whether the network notices that it has never seen such data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from worker.contract.spec import Choice
from worker.lab.core.detection import aupr, auroc
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.foreign import foreign, require_foreign
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
        require_foreign(self.name(), self.against, task)
        return True

    def survey(self, view: View) -> Iterator[Reading]:
        own = view.task.test.head(self.limit)
        other = foreign(self.against, view.datasets, view.task.shape).to(own.x.device)
        count = min(len(own), len(other))
        scored = [_scores(view, split.head(count)) for split in (own, other)]
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
