"""A few attacked images side by side: clean, perturbation, adversarial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from worker.contract.measurement import Images
from worker.lab.core.attack import Attacked
from worker.lab.core.balls import Ball, InputNorm
from worker.lab.core.picture import levels

PLACES = 12


@dataclass(frozen=True)
class _Picture:
    clean: Tensor
    adversarial: Tensor
    label: int
    before: int
    after: int


@dataclass
class Gallery:
    """Collects up to 12 pictures, first of all those that were right before the attack and wrong
    after it."""

    classes: tuple[str, ...]
    eps: float
    norm: InputNorm
    unit: str
    _flipped: list[_Picture] = field(default_factory=list)
    _others: list[_Picture] = field(default_factory=list)

    def add(self, x: Tensor, y: Tensor, before: Tensor, result: Attacked) -> None:
        """Take pictures (B, C, H, W) with their labels and clean predictions, all on one device."""
        flipped = (before == y) & result.fooled
        for wall, chosen in ((self._flipped, flipped), (self._others, ~flipped)):
            for i in chosen.nonzero()[: PLACES - len(wall), 0].tolist():
                pictures = x[i].cpu(), result.x[i].cpu()
                classes = int(y[i]), int(before[i]), int(result.prediction[i])
                wall.append(_Picture(*pictures, *classes))

    def tensors(self) -> dict[str, Tensor]:
        """All of it; `load` puts it back."""
        shown = [(True, p) for p in self._flipped] + [(False, p) for p in self._others]
        if not shown:
            return {}
        rows = [[flipped, p.label, p.before, p.after] for flipped, p in shown]
        return {
            "classes": torch.tensor(rows),
            "clean": torch.stack([p.clean for _, p in shown]),
            "adversarial": torch.stack([p.adversarial for _, p in shown]),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        parts = (tensors.get(name, ()) for name in ("classes", "clean", "adversarial"))
        rows = zip(*parts, strict=True)
        for classes, clean, adversarial in rows:
            flipped, *seen = (int(value) for value in classes)
            wall = self._flipped if flipped else self._others
            wall.append(_Picture(clean, adversarial, *seen))

    def images(self) -> Images | None:
        """The gallery; None while there is nothing to show."""
        shown = [*self._flipped, *self._others][:PLACES]
        if not shown:
            return None
        channels, height, width = shown[0].clean.shape
        changes = [p.adversarial - p.clean for p in shown]
        scale = max(float(change.abs().max()) for change in changes) or 1.0
        return Images(
            height=height,
            width=width,
            channels=channels,
            groups={
                "clean": [levels(p.clean) for p in shown],
                "perturbation": [levels(0.5 + change / (2 * scale)) for change in changes],
                "adversarial": [levels(p.adversarial) for p in shown],
            },
            scale={"perturbation": scale},
            captions={
                "clean": [self._seen(p.before, p.label) for p in shown],
                "perturbation": [self._size(change) for change in changes],
                "adversarial": [self._seen(p.after, p.label) for p in shown],
            },
        )

    def _seen(self, prediction: int, label: int) -> str:
        seen = f"seen as {self.classes[prediction]}"
        return seen if prediction == label else f"{seen}, is {self.classes[label]}"

    def _size(self, change: Tensor) -> str:
        still = torch.zeros_like(change)
        length = float(Ball(self.norm, self.eps).size(change[None], still[None])[0])
        if self.unit == "input units":
            return f"{self.norm} {length:.3g} of {self.eps:g}"
        return f"{self.norm} {length:.3g} at {self.unit} {self.eps:g}"
