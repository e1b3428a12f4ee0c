"""Whether the network is as often right as it is sure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from worker.contract.measurement import Curve
from worker.lab.core.calibration import Reliability, brier, ece, nll, reliability
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.interval import wilson
from worker.lab.core.outputs import outputs


class Calibration(Diagnostic):
    """Whether predicted probabilities can be taken at their word, on test data.

    `diagnostic/calibration/ece` = Σ_b n_b/N · |accuracy_b − confidence_b| over equal bins of
    confidence max_k p_k, over the whole set at once (a mean of batches' errors would be larger);
    `nll`, the mean of −log p_y in nats; `brier`, the mean of ‖p − e_y‖² (0 to 2); `confidence`, the
    mean of max_k p_k; and `reliability`, accuracy against confidence by bin, with Wilson's 95 %
    interval: the diagonal is perfect. Shifts of scale leave all of it as it is.
    """

    title: ClassVar[str] = "Calibration"
    paper: ClassVar[str] = "Guo, Pleiss, Sun, Weinberger, arXiv:1706.04599"
    invariant: ClassVar[bool | None] = True

    bins: Annotated[int, Field(ge=2, le=100)] = Field(15, description="bins of confidence")
    limit: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        1000, description="test examples while training; all at the end"
    )

    def survey(self, view: View) -> Iterator[Reading]:
        test = view.task.test if view.final else view.task.test.head(self.limit)
        logits = outputs(view.model, test)
        p = logits.softmax(1)
        yield "diagnostic/calibration/ece", ece(p, test.y, self.bins)
        yield "diagnostic/calibration/nll", nll(logits, test.y)
        yield "diagnostic/calibration/brier", brier(p, test.y)
        yield "diagnostic/calibration/confidence", p.max(1).values.mean()
        yield "diagnostic/calibration/reliability", _curve(reliability(p, test.y, self.bins))


def _curve(found: Reliability) -> Curve:
    counts, right = found.count.tolist(), found.right.tolist()
    bounds = [wilson(round(hits), n) for hits, n in zip(right, counts, strict=True)]
    return Curve(
        x=found.confidence.tolist(),
        y=found.accuracy.tolist(),
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        x_label="confidence",
        y_label="accuracy",
    )
