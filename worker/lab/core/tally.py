"""What is known so far of one attack over a grid of budgets, example by example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from worker.contract.measurement import Curve, number
from worker.lab.core.attack import Attack, Attacked
from worker.lab.core.interval import wilson

_UNKNOWN = -1


@dataclass(eq=False)
class Tally:
    """Predictions (E, N) at E budgets for N examples, on the CPU; −1 where not known yet.

    `draws` are, budget by budget, the accuracies of all that an attack drew at random. Loss and
    gradients are those of the largest budget.
    """

    attack: Attack
    grid: tuple[float, ...]
    y: Tensor
    prediction: Tensor = field(init=False)
    claimed: Tensor = field(init=False)
    size: Tensor = field(init=False)
    draws: list[list[float]] = field(init=False)
    losses: list[float] = field(default_factory=list)
    gradients: int = 0
    zeros: int = 0
    eval_mode: bool = True
    climbed: int = 0

    def __post_init__(self) -> None:
        shape = len(self.grid), len(self.y)
        self.draws = [[] for _ in self.grid]
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
        self.draws[row] += result.draws
        if self.grid[row] == max(self.grid):
            self.gradients += result.gradients
            self.zeros += result.zeros
            self._extend(result.loss, len(result.prediction))

    def _extend(self, losses: Sequence[float], count: int) -> None:
        """Weigh in a batch's curve; one that ended early stays at its last value."""
        long = max(len(losses), len(self.losses))
        old, new = (_padded(found, long) for found in (self.losses, losses))
        total = self.climbed + count
        self.losses = [
            (a * self.climbed + b * count) / total for a, b in zip(old, new, strict=True)
        ]
        self.climbed = total

    @property
    def known(self) -> Tensor:
        """(E, N): which examples were attacked."""
        return self.prediction != _UNKNOWN

    @property
    def robust(self) -> Tensor:
        """(E, N): which examples the network still gets right."""
        return self.prediction == self.y

    def tensors(self) -> dict[str, Tensor]:
        """With `numbers`, all that it knows: `load` puts both back."""
        return {name: getattr(self, name) for name in _TENSORS}

    def numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NUMBERS}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        for name in _TENSORS:
            getattr(self, name).copy_(tensors[name])
        for name in _NUMBERS:
            setattr(self, name, numbers[name])

    def rivals(self, tallies: Sequence[Tally]) -> list[Tally]:
        """Those whose budgets mean the same, itself among them: another norm is another budget."""
        return [t for t in tallies if t.attack.budget.label == self.attack.budget.label]

    def accuracy(self) -> Curve:
        label = self.attack.budget.label
        return accuracy_curve(self.grid, self.robust, self.known, label)

    def mean_accuracy(self) -> Curve | None:
        """Over all that was drawn at random, from the lowest to the highest; None without."""
        rows = [(eps, found) for eps, found in zip(self.grid, self.draws, strict=True) if found]
        if not any(len(found) > 1 for _, found in rows):
            return None
        return Curve(
            x=[eps for eps, _ in rows],
            y=[sum(found) / len(found) for _, found in rows],
            low=[min(found) for _, found in rows],
            high=[max(found) for _, found in rows],
            x_label=self.attack.budget.label,
            y_label=f"mean accuracy of {max(len(found) for _, found in rows)} draws",
        )

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


_TENSORS = ("prediction", "claimed", "size")
_NUMBERS = ("draws", "losses", "gradients", "zeros", "eval_mode", "climbed")


def worst(tallies: Sequence[Tally]) -> Curve:
    """Of the attacks whose budgets mean what the first one's does. On inputs an example counts at a
    budget only if it withstood every attack; on weights, which all examples share, the attack
    that leaves the fewest counts."""
    rivals = tallies[0].rivals(tallies)
    known = torch.stack([tally.known for tally in rivals]).all(0)
    return accuracy_curve(tallies[0].grid, _worst(rivals), known, rivals[0].attack.budget.label)


def accuracy_at_largest_eps(tallies: Sequence[Tally]) -> float:
    """The share of all examples in the worst case of these attacks at the grid's largest budget."""
    row = tallies[0].grid.index(max(tallies[0].grid))
    return float(_worst(tallies[0].rivals(tallies))[row].double().mean())


def _worst(rivals: Sequence[Tally]) -> Tensor:
    """(E, N): what the network still gets right."""
    robust = torch.stack([tally.robust for tally in rivals])
    if rivals[0].attack.moves == "inputs":
        return robust.all(0)
    fewest = robust.sum(2).argmin(0)
    return robust[fewest, torch.arange(robust.shape[1])]


def accuracy_curve(grid: Sequence[float], robust: Tensor, known: Tensor, label: str) -> Curve:
    """Accuracy over the budgets of which something is known, with Wilson's 95 % interval."""
    hits, counts = (robust & known).sum(1).tolist(), known.sum(1).tolist()
    rows = [(e, h, n) for e, h, n in zip(grid, hits, counts, strict=True) if n]
    bounds = [wilson(h, n) for _, h, n in rows]
    return Curve(
        x=[e for e, _, _ in rows],
        y=[h / n for _, h, n in rows],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
        x_label=label,
        y_label="accuracy",
    )


def _padded(losses: Sequence[float], length: int) -> list[float]:
    last = losses[-1] if losses else 0.0
    return [*losses, *[last] * (length - len(losses))]
