"""What papers claim, as documents: in plain words, how it is tested, by which runs.

`papers.json` tells the papers; every other file is one claim, its name that of the file. No
document holds a result: verdicts come from the runs on the machine where they are read.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FOLDER = Path(__file__).parent
PAPERS = "papers.json"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Paper(_Document):
    """A paper, and what of it could be read."""

    name: str
    short: str = Field(description="what people call it")
    title: str
    authors: str
    arxiv: str
    idea: str = Field(description="what it says, in plain words")
    equation: str = Field(description="MathML, the one equation to remember")
    spoken: str = Field(description="the equation for those who listen")
    read: str = Field(description="what of the paper the documents here rest on")


class _Test(_Document):
    label: str = Field(description="the measurement as a plot's axis names it")


class Greater(_Test):
    """A measurement ends larger in some runs than in others, seed by seed the same otherwise.

    Decided by the exact Mann–Whitney interval of the shift between the two groups, 95 %.
    """

    kind: Literal["greater"]
    measure: str = Field(description="a scalar's last value, or of an attack on the run")
    path: str = Field(description="the swept field that tells the groups apart")
    names: list[str] = Field(description="of its values, for people")
    of: int = Field(description="which of its values is claimed to be larger")
    than: int = Field(description="than which")


class NeverAbove(_Test):
    """One measurement never exceeds another at any step of any run."""

    kind: Literal["never_above"]
    low: str
    high: str
    path: str = Field(description="the swept field that tells runs apart on the plot")
    names: list[str] = Field(description="of its values, for people")


class RisesWith(_Test):
    """A measurement rises with a swept number: Kendall's tau, by permutation at 5 %."""

    kind: Literal["rises_with"]
    measure: str
    path: str
    axis: str = Field(description="the swept number as the plot's axis names it")
    falls: bool = Field(False, description="the claim is that it falls")


class RisesTogether(_Test):
    """A measurement rises with another one over all runs: Kendall's tau, as above."""

    kind: Literal["rises_together"]
    measure: str
    other: str
    axis: str = Field(description="the other measurement as the plot's axis names it")
    falls: bool = Field(False, description="the claim is that it falls")


class Exceeds(_Test):
    """In one and the same run a measurement ends larger than another.

    Decided by the exact Wilcoxon signed-rank interval of the difference, 95 %.
    """

    kind: Literal["exceeds"]
    measure: str
    other: str


Test = Annotated[
    Greater | NeverAbove | RisesWith | RisesTogether | Exceeds, Field(discriminator="kind")
]


class Claim(_Document):
    """One claim of one paper, and the runs that test it."""

    paper: str
    order: int
    title: str
    claim: str = Field(description="what the paper says, and where that was found")
    means: str = Field(description="what is measured here, and when it counts as holding")
    test: Test
    base: dict[str, Any] = Field(description="a train job as POST /jobs takes it")
    grid: dict[str, list[Any]]
    seeds: list[int]
    attack: dict[str, Any] | None = Field(None, description="attack spec for each trained run")

    @property
    def size(self) -> int:
        """How many runs the sweep makes."""
        return len(self.seeds) * math.prod(map(len, self.grid.values()))

    def sweep(self, name: str) -> dict[str, Any]:
        """The body of POST /sweeps."""
        base = {**self.base, "tags": [tag(name)]}
        return {"base": base, "grid": self.grid, "seeds": self.seeds, "name": self.title[:150]}


def tag(name: str) -> str:
    """What a claim's jobs are found by."""
    return f"claim:{name}"


def papers(folder: Path = FOLDER) -> list[Paper]:
    found = json.loads((folder / PAPERS).read_bytes())
    return [Paper.model_validate(one) for one in found]


def claims(folder: Path = FOLDER) -> dict[str, Claim]:
    """Every claim by name, in the order in which its paper is told."""
    files = [path for path in folder.glob("*.json") if path.name != PAPERS]
    found = {path.stem: Claim.model_validate_json(path.read_bytes()) for path in files}
    return dict(sorted(found.items(), key=lambda item: (item[1].paper, item[1].order)))
