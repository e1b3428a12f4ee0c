"""How fast directions move where scale does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class EffectiveLearningRate(Diagnostic):
    """The learning rate that a layer before batch normalisation feels, its norm divided out.

    Such a layer's function depends on u = w / ‖w‖ alone, w being the weights of one output. A step
    of gradient descent moves u by lr / ‖w‖² times the gradient at u; one of an optimizer that is
    blind to the gradient's length, such as AdamW, by lr / ‖w‖ (derived here).
    `diagnostic/effective_learning_rate/layer1`, …: with the mean of ‖w‖² over a layer's outputs, or
    its root. With momentum μ the long run goes 1 / (1 − μ) times as fast.
    """

    title: ClassVar[str] = "Effective learning rate"
    paper: ClassVar[str] = "arXiv:2102.03497"
    invariant: ClassVar[bool | None] = False
    needs: ClassVar[tuple[str, ...]] = ("batch_norm",)

    def measure(self, view: View) -> Iterator[Reading]:
        layers = view.layers
        for name, weight, fold in zip(layers.names, layers.weights, layers.folds, strict=True):
            if fold is not None:
                squared = weight.detach().square().sum() / len(weight)
                divisor = squared.sqrt() if view.scale_free else squared
                yield f"diagnostic/effective_learning_rate/{name}", view.rate / divisor
