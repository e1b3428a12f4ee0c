"""What the network is worth when it is made narrower."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor, nn

from worker.contract.measurement import Curve
from worker.contract.spec import Choice
from worker.lab.core.calibration import Reliability, ece, nll, reliability, tabulated
from worker.lab.core.detection import auroc
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.foreign import foreign, require_foreign
from worker.lab.core.nested import known
from worker.lab.core.outputs import entropy, outputs
from worker.lab.core.reestimate import reestimate
from worker.lab.core.slice import size, sliced
from worker.lab.core.task import Task
from worker.lab.core.width import at_width, gate, gates

Scores = dict[str, float | Tensor]
LABELS = {
    "accuracy": "share right",
    "ece": "expected calibration error",
    "nll": "nats",
    "auroc": "AUROC",
    "parameters": "parameters",
    "macs": "multiply-adds",
}


class Widths(Diagnostic):
    """Accuracy, calibration and size of the network at each width: its first channels alone.

    At each of `widths` the first share of the channels of every hidden layer is kept and batch
    normalisation re-estimated on training examples. Curves over the width, of test data:
    `diagnostic/widths/accuracy`, `…/ece` (15 bins, of the whole set, not the mean of batches; the
    bins are in the table `…/reliability`), `…/nll` in nats; `…/auroc`, with `ood`: how well the
    entropy of the answer tells the test data from another data set, ½ for not at all;
    `…/parameters` and `…/macs` (multiply-adds an example) of the network without the channels
    that are closed, its weights at their means.

    Made for `bayesian_nested`, `nested_dropout` and `slimmable`; any other network is cut all the
    same, to compare with. Networks with noise answer with the mean of their draws.
    """

    title: ClassVar[str] = "Widths"
    paper: ClassVar[str] = "arXiv:2101.11353"
    invariant: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("hidden",)

    widths: list[Annotated[float, Field(gt=0, le=1)]] = Field(
        [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0],
        min_length=1,
        max_length=64,
        description="shares of every hidden layer's channels",
    )
    limit: Annotated[int, Field(ge=10, le=1_000_000)] = Field(10_000, description="test examples")
    statistics: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        5000, description="training examples that batch normalisation is re-estimated on"
    )
    ood: bool = Field(False, description="whether to measure AUROC against another data set")
    against: Annotated[Choice, known("dataset")] = Field(
        Choice(name="fashion_mnist"),
        description="that other data set",
        validate_default=True,
        json_schema_extra={"choice": "dataset"},
    )

    def applies(self, task: Task) -> bool:
        """Raises LabError("bad_spec") where the other data set is no other or cannot fit."""
        if self.ood:
            require_foreign(self.name(), self.against, task)
        return True

    def study(self, view: View) -> Iterator[Reading]:
        model = copy.deepcopy(view.model)
        if not gates(model):
            gate(model)
        found: dict[str, list[float]] = {}
        bins: list[tuple[float, Reliability]] = []
        shares = sorted(set(self.widths))
        for done, share in enumerate(shares, 1):
            values, held = self._at(model, share, view)
            bins.append((share, held))
            for name, value in values.items():
                found.setdefault(name, []).append(float(value))
            for name, curve in found.items():
                yield f"diagnostic/widths/{name}", _curve(name, shares[:done], curve)
            yield "diagnostic/widths/reliability", tabulated(bins)

    def _at(self, model: nn.Module, share: float, view: View) -> tuple[Scores, Reliability]:
        test = view.task.test.head(self.limit)
        small = size(sliced(model, share).eval(), test.x[:1])
        with at_width(model, share):
            reestimate(model, view.task.train.head(self.statistics).x)
            logits = outputs(model, test)
            p = logits.softmax(1)
            found: Scores = {
                "accuracy": (logits.argmax(1) == test.y).double().mean(),
                "ece": ece(p, test.y),
                "nll": nll(logits, test.y),
                "parameters": small.parameters,
                "macs": small.macs,
            }
            if self.ood:
                other = foreign(self.against, view.datasets, view.task.shape).to(test.x.device)
                count = min(len(other), len(test))
                away = outputs(model, other.head(count))
                found["auroc"] = auroc(entropy(away), entropy(logits[:count]))
        return found, reliability(p, test.y)


def _curve(name: str, shares: list[float], values: list[float]) -> Curve:
    return Curve(x=[*shares], y=[*values], x_label="width", y_label=LABELS[name])
