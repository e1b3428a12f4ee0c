"""What is known so far of one attack over a grid of budgets, example by example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.contract.measurement import Curve, number
from worker.lab.core.attack import Attack, Attacked
from worker.lab.core.interval import wilson

_UNKNOWN = -1


@dataclass(eq=False)
class Tally:
    """Predictions (E, N) at E budgets for N examples, on the CPU; −1 where not known yet."""

    attack: Attack
    grid: tuple[float, ...]
    y: Tensor
    prediction: Tensor = field(init=False)
    claimed: Tensor = field(init=False)
    size: Tensor = field(init=False)
    losses: list[float] = field(default_factory=list)
    gradients: int = 0
    zeros: int = 0
    eval_mode: bool = True
    _climbed: int = 0

    def __post_init__(self) -> None:
        shape = len(self.grid), len(self.y)
        self.prediction = torch.full(shape, _UNKNOWN)
        self.claimed = torch.zeros(shape, dtype=torch.bool)
        self.size = torch.zeros(shape)

    def add(self, row: int, start: int, result: Attacked) -> None:
        """Take in the result at budget `row` for the examples from `start` on."""
        part = slice(start, start + len(result.prediction))
        self.prediction[row, part] = result.prediction.cpu()
        self.claimed[row, part] = result.claimed.cpu()
        self.size[row, part] = result.size.cpu()
        self.eval_mode &= result.eval_mode
        if self.grid[row] == max(self.grid):
            self.gradients += result.gradients
            self.zeros += result.zeros
            self._extend(result.loss, len(result.prediction))

    def _extend(self, losses: Sequence[float], count: int) -> None:
        """Weigh in a batch's curve; one that ended early stays at its last value."""
        long = max(len(losses), len(self.losses))
        old, new = (_padded(found, long) for found in (self.losses, losses))
        total = self._climbed + count
        self.losses = [
            (a * self._climbed + b * count) / total for a, b in zip(old, new, strict=True)
        ]
        self._climbed = total

    @property
    def known(self) -> Tensor:
        """(E, N): which examples were attacked."""
        return self.prediction != _UNKNOWN

    @property
    def robust(self) -> Tensor:
        """(E, N): which examples the network still gets right."""
        return self.prediction == self.y

    def accuracy(self) -> Curve:
        return accuracy_curve(self.grid, self.robust, self.known)

    def loss(self) -> Curve:
        """Mean cross-entropy along the attack at the largest budget; an example once fooled is
        left alone and keeps its loss."""
        return Curve(
            x=list(range(len(self.losses))),
            y=[number(loss) for loss in self.losses],
            x_label="step of the attack",
            y_label=f"mean cross-entropy at eps {max(self.grid):g}",
        )

    def lines(self, clean: Tensor) -> Iterator[str]:
        """A line of CSV for every example known."""
        names, labels, seen = self.attack.name(), self.y.tolist(), clean.tolist()
        for row, eps in enumerate(self.grid):
            values = zip(self.prediction[row].tolist(), self.size[row].tolist(), strict=True)
            for index, (now, size) in enumerate(values):
                if now != _UNKNOWN:
                    label, before = labels[index], seen[index]
                    fooled = int(now != label)
                    yield f"{names},{eps:g},{index},{label},{before},{now},{fooled},{size:.6g}\n"


HEADER = "attack,eps,example,label,clean_prediction,prediction,fooled,size\n"


def worst(tallies: Sequence[Tally]) -> Curve:
    """An example counts at a budget only if it withstood every attack."""
    robust = torch.stack([tally.robust for tally in tallies]).all(0)
    known = torch.stack([tally.known for tally in tallies]).all(0)
    return accuracy_curve(tallies[0].grid, robust, known)


def accuracy_at_largest_eps(tallies: Sequence[Tally]) -> float:
    """The share of all examples that withstood each of the attacks at the grid's largest budget."""
    row = tallies[0].grid.index(max(tallies[0].grid))
    return float(torch.stack([tally.robust[row] for tally in tallies]).all(0).float().mean())


def accuracy_curve(grid: Sequence[float], robust: Tensor, known: Tensor) -> Curve:
    """Accuracy over the budgets of which something is known, with Wilson's 95 % interval."""
    hits, counts = (robust & known).sum(1).tolist(), known.sum(1).tolist()
    rows = [(e, h, n) for e, h, n in zip(grid, hits, counts, strict=True) if n]
    bounds = [wilson(h, n) for _, h, n in rows]
    return Curve(
        x=[e for e, _, _ in rows],
        y=[h / n for _, h, n in rows],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        x_label="eps",
        y_label="accuracy",
    )


def _padded(losses: Sequence[float], length: int) -> list[float]:
    last = losses[-1] if losses else 0.0
    return [*losses, *[last] * (length - len(losses))]
