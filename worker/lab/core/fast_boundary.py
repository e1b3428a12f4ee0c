"""The fast adaptive boundary attack: along the decision boundary to its nearest point.

arXiv:1907.02044, targeted as in arXiv:2003.01690 (FAB-T). At x_i the boundary between the label
and a target class is the hyperplane of the linearised logits; with d and d₀ the shortest ways to it
within the box from x_i and from the clean x,

    x_{i+1} = clip((1 − a)(x_i + η d) + a (x + η d₀)),   a = min(‖d‖ / (‖d‖ + ‖d₀‖), 0.1),

η = 1.05. A point across the boundary but outside the budget goes back by x + 0.9 (x_i − x).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from worker.lab.core.hyperplane import reach
from worker.lab.core.victim import Victim

PULL, OVERSHOOT, BACK = 0.1, 1.05, 0.9


def follow_boundary(
    victim: Victim, start: Tensor, *, steps: int, target: Tensor
) -> Iterator[float]:
    """From `start` towards classes `target` (B,), until a point within the budget is fooled.

    Yields the share done after every look at the network.
    """
    rows = victim.standing
    x = start[rows]
    for step in range(steps):
        if not len(rows):
            break
        lead, gradient = victim.slope(rows, x, "margin", target[rows])
        x = _onwards(victim, victim.x[rows], x, lead, gradient)
        yield (step + 0.5) / steps
        across = victim.ask(rows, x).argmax(1) != victim.y[rows]
        back = torch.where(_as(across, x), victim.x[rows] + BACK * (x - victim.x[rows]), x)
        stay = ~victim.fooled[rows]
        rows, x = rows[stay], back[stay]
        yield (step + 1) / steps
    yield 1.0


def _onwards(victim: Victim, clean: Tensor, x: Tensor, lead: Tensor, gradient: Tensor) -> Tensor:
    """x_{i+1}, from the lead of the target class over the label at x_i and its gradient."""
    norm, at, center = victim.ball.norm, x.flatten(1), clean.flatten(1)
    w = gradient.flatten(1).nan_to_num(0.0, 0.0, 0.0)
    here = reach(at, w, -lead, norm)
    there = reach(center, w, -lead - (w * (center - at)).sum(1), norm)
    near, far = (victim.ball.size(change, torch.zeros_like(change)) for change in (here, there))
    pull = (near / (near + far).clamp_min(1e-12)).clamp_max(PULL)[:, None]
    new = (1 - pull) * (at + OVERSHOOT * here) + pull * (center + OVERSHOOT * there)
    return new.clamp(0, 1).view_as(x)


def _as(each: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, …, 1), to stand beside a batch."""
    return each.view(-1, *[1] * (like.dim() - 1))
