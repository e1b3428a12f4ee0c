"""A whole set of examples under one set of weights that an attack may move."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from worker.lab.core.ascend import slope
from worker.lab.core.attack import Weights, within
from worker.lab.core.attack_loss import Loss, ce
from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.errors import LabError
from worker.lab.core.point import Point, look
from worker.lab.core.victim import Aim

TOGETHER = {"cpu": 500, "cuda": 5000}
"""Examples in one forward pass."""


@dataclass(frozen=True)
class Found:
    """A point, inputs (N, *shape) beside the weights; what the network answers there (N,), how
    many examples are right and their mean cross-entropy."""

    w: Weights
    x: Tensor
    prediction: Tensor
    right: int
    loss: float


@dataclass
class WeightVictim:
    """Examples x (N, *shape) with labels y (N,), and the weights `center` that may move, by name.

    `best` is the point seen at which the fewest examples were right, and among those the one of
    the largest loss. `losses` is the mean cross-entropy along the first climb. Of `gradients`
    asked for, one a tensor and pass, `zeros` were zero or not finite. With `inputs` the examples
    move too, each in its own ball. `draws` are the accuracies at what was drawn at random and
    `drawn` the worst of that.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    center: Weights
    generator: torch.Generator
    inputs: Ball | None = None
    losses: list[float] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    gradients: int = 0
    zeros: int = 0
    eval_mode: bool = True
    best: Found = field(init=False)
    drawn: Found = field(init=False)

    def begin(self) -> Generator[float, None, None]:
        """Look at the clean point; LabError("bad_model") where its outputs are not finite."""
        self.best = yield from self.look(self.center, self.x)
        if self.best.loss != self.best.loss:
            raise LabError("bad_model", "the network's outputs on clean inputs are not finite")

    def draw(self, w: Weights, x: Tensor | None = None) -> Generator[float, None, None]:
        """Look at weights that nobody chose; `drawn` is the worst of them."""
        found = yield from self.look(w, self.x if x is None else x)
        if not self.draws or found.right < self.drawn.right:
            self.drawn = found
        self.draws.append(found.right / len(self.y))

    def climb(
        self, start: Weights, ball: WeightBall, *, steps: int, lr: float, loss: Loss
    ) -> Generator[float, None, None]:
        """`steps` from `start` by the gradient over all examples.

        Every tensor: w ← Π(w + lr · radius · u(∇_w mean L)), u being the sign (linf) or the
        normalised gradient (l2); inputs that may move take the same steps. Yields the share done.
        """
        first, w, x = not self.losses, start, self._start()
        for step in range(steps):
            slopes = self._slopes(w, x, loss, lr)
            found, gradient, x = yield from within(slopes, step, steps + 1)
            self._note(first, found)
            w = {n: ball.move(w[n], gradient[n], at, lr) for n, at in self.center.items()}
        last = yield from within(self.look(w, x), steps, steps + 1)
        self._note(first, last)

    @torch.no_grad()
    def look(self, w: Weights, x: Tensor) -> Generator[float, None, Found]:
        """What the network answers at a point, of which nothing is kept."""
        logits = []
        for part in self.parts():
            logits.append(look(self.model, Point(x[part], w)))
            yield min(1.0, part.stop / len(x))
        return self._found(w, x, torch.cat(logits))

    def _slopes(
        self, w: Weights, x: Tensor, loss: Loss, lr: float
    ) -> Generator[float, None, tuple[Found, Weights, Tensor]]:
        """What is found at a point, the weights' gradient there, and where the inputs go next."""
        gradient = {name: torch.zeros_like(tensor) for name, tensor in w.items()}
        logits, moved = [], []
        for part in self.parts():
            aim = Aim(self.model, self.y[part], loss)
            found = slope(aim, Point(x[part], w), inputs=self.inputs is not None, weights=True)
            for name, share in found.w.items():
                gradient[name] += share / len(x)
            if self.inputs and found.x is not None:
                ahead = self.inputs.step(x[part], found.x, lr * self.inputs.eps)
                moved.append(self.inputs.project(ahead, self.x[part]))
            logits.append(aim.answer)
            yield min(1.0, part.stop / len(x))
        self.gradients += len(gradient)
        self.zeros += sum(not bool(g.abs().amax() > 0) for g in gradient.values())
        found_here = self._found(w, x, torch.cat(logits))
        return found_here, gradient, torch.cat(moved) if moved else x

    def _start(self) -> Tensor:
        return self.x if self.inputs is None else self.inputs.start(self.x, self.generator)

    def parts(self) -> Iterator[slice]:
        """Which examples pass the network together."""
        size = TOGETHER[self.x.device.type]
        return (slice(start, start + size) for start in range(0, len(self.x), size))

    def _found(self, w: Weights, x: Tensor, logits: Tensor) -> Found:
        self.eval_mode &= not any(module.training for module in self.model.modules())
        prediction = logits.argmax(1)
        right = int((prediction == self.y).sum())
        return Found(w, x, prediction, right, float(ce(logits, self.y).mean()))

    def _note(self, first: bool, found: Found) -> None:
        self.saw(found)
        if first:
            self.losses.append(found.loss)

    def saw(self, found: Found) -> None:
        """Keep a point where fewer examples are right."""
        if (found.right, -found.loss) < (self.best.right, -self.best.loss):
            self.best = found


class At(nn.Module):
    """A network under other weights, as a network of its own; in eval mode."""

    def __init__(self, model: nn.Module, w: Weights) -> None:
        super().__init__()
        self.model, self.w = model, w
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        return look(self.model, Point(x, self.w))
