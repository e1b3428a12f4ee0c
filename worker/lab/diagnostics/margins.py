"""By how much right answers lead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.distribution import histogram, quantiles
from worker.lab.core.margin import margin
from worker.lab.core.outputs import outputs


class Margins(Diagnostic):
    """How far the right class's logit leads the next one, over many examples.

    γ(x) = f_y(x) − max_{k≠y} f_k(x), in logits: negative where the answer is wrong. Readings under
    `diagnostic/margins`: `p10` (what norm-based bounds divide by), `quartile1`, `median`,
    `quartile3`, `mean`, `std` and a `histogram`. Margins grow with the logits; see normalized
    margins and boundary distance for scale-free ones. A network that is less than 90 % right has a
    negative `p10`: no bound speaks of it. Shifts of scale leave all of it as it is.
    """

    title: ClassVar[str] = "Margins"
    paper: ClassVar[str] = "Bartlett, Foster, Telgarsky, arXiv:1706.08498"
    invariant: ClassVar[bool | None] = True

    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(1000, description="examples looked at")
    split: Literal["train", "test"] = Field("train", description="which examples; bounds use train")

    def survey(self, view: View) -> Iterator[Reading]:
        split = getattr(view.task, self.split).head(self.limit)
        found = margin(outputs(view.model, split), split.y)
        for name, value in quantiles(found).items():
            yield f"diagnostic/margins/{name}", value
        yield "diagnostic/margins/mean", found.mean()
        yield "diagnostic/margins/std", found.std()
        yield "diagnostic/margins/histogram", histogram(found, "margin in logits")
