"""A climb that sets its own step size: Auto-PGD, for linf, l2 and l1.

linf and l2 (arXiv:2003.01690, algorithm 1), with momentum α = 0.75:

    z = Π(x_k + η u(g_k)),   x_{k+1} = Π(x_k + α (z − x_k) + (1 − α)(x_k − x_{k−1}))

η starts at 2 eps. At checkpoints (0.22 of the steps, then 0.19, 0.16, … at least 0.06 further) it
is halved, and the climb goes back to its best point, where fewer than 0.75 of the steps since the
last checkpoint went up, or where neither η nor the best loss changed since then.

l1 (arXiv:2103.01208, as in its released code): a step moves the k coordinates of the largest |g|
by η / k. Every 0.04 of the steps k becomes the count of coordinates that the best point changed,
divided by 1.5; where that count fell by more than 5 %, η returns to eps and the climb to its
best point, elsewhere η is divided by 1.5, down to eps / 10. No momentum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from worker.lab.core.attack_loss import Loss
from worker.lab.core.victim import Victim

ALPHA, RHO = 0.75, 0.75
FIRST, SHORTER, SHORTEST = 0.22, 0.03, 0.06
SPARSE_EVERY, SPARSE_START, SPARSER, SLOWEST = 0.04, 0.2, 1.5, 10.0

Memory = dict[str, Tensor]
"""What the climb remembers of each example that still stands, one row an example."""


def auto_climb(
    victim: Victim, start: Tensor, *, steps: int, loss: Loss, target: Tensor | None = None
) -> Iterator[float]:
    """Climb from `start`, leaving alone what is fooled; the loss may aim at classes `target` (B,).

    Yields the share done after every look at the network.
    """
    first, sparse = not victim.losses, victim.ball.norm == "l1"
    marks, last = _sparse_marks(steps) if sparse else _marks(steps), 0
    m = _begin(victim, start, target)
    for step in range(steps):
        if not len(m["rows"]):
            break
        _look(victim, m, loss, target is not None)
        victim.note(first)
        if step in marks:
            _rescale(victim, m) if sparse else _halve(m, step - last)
            last = step
        stay = ~victim.fooled[m["rows"]]
        m = {name: tensor[stay] for name, tensor in m.items()}
        _move(victim, m, ALPHA if step else 1.0)
        yield (step + 1) / steps
    if len(m["rows"]):
        victim.ask(m["rows"], m["x"])
    victim.note(first)
    yield 1.0


def _begin(victim: Victim, start: Tensor, target: Tensor | None) -> Memory:
    rows = victim.standing
    x, eps = start[rows], victim.ball.eps
    lowest = torch.full_like(rows, -math.inf, dtype=x.dtype)
    none = torch.zeros_like(lowest)
    rate = torch.full_like(lowest, eps if victim.ball.norm == "l1" else 2 * eps)
    share = torch.full_like(lowest, SPARSE_START)
    return {
        "rows": rows, "x": x, "before": x, "gradient": torch.zeros_like(x), "loss": lowest,
        "target": rows if target is None else target[rows],
        "best": x, "best_loss": lowest, "best_gradient": torch.zeros_like(x),
        "rate": rate, "rose": none, "halved": none.bool(), "last_best": lowest,
        "share": share, "changed": torch.ones_like(lowest),
    }  # fmt: skip


def _look(victim: Victim, m: Memory, loss: Loss, targeted: bool) -> None:
    now, gradient = victim.slope(m["rows"], m["x"], loss, m["target"] if targeted else None)
    m["gradient"] = gradient.nan_to_num(0.0, 0.0, 0.0)
    m["rose"] = m["rose"] + ((now > m["loss"]) & m["loss"].isfinite())
    m["loss"] = now
    better = now > m["best_loss"]
    for best, new in (("best", "x"), ("best_loss", "loss"), ("best_gradient", "gradient")):
        m[best] = torch.where(_as(better, m[new]), m[new], m[best])


def _move(victim: Victim, m: Memory, alpha: float) -> None:
    ball, x, center = victim.ball, m["x"], victim.x[m["rows"]]
    rate = _as(m["rate"], x)
    if ball.norm == "l1":
        new = ball.project(x + rate * _sparse(m["gradient"], m["share"]), center)
    else:
        ahead = ball.project(x + rate * (ball.step(x, m["gradient"], 1.0) - x), center)
        new = x + alpha * (ahead - x) + (1 - alpha) * (x - m["before"])
        new = ball.project(new, center)
    m["before"], m["x"] = x, new


def _marks(steps: int) -> list[int]:
    """The checkpoints ⌈p_j N⌉."""
    found, gap, at = [], FIRST, FIRST
    while at < 1:
        found.append(math.ceil(round(at * steps, 6)))
        gap = max(gap - SHORTER, SHORTEST)
        at += gap
    return found


def _sparse_marks(steps: int) -> list[int]:
    every = max(1, int(SPARSE_EVERY * steps))
    return list(range(every, steps, every))


def _halve(m: Memory, since: int) -> None:
    """Shorten the steps of climbs that waver or are stuck, and take them back to their best."""
    stuck = ~m["halved"] & (m["last_best"] == m["best_loss"])
    halved = (m["rose"] < RHO * since) | stuck
    m["rate"] = torch.where(halved, m["rate"] / 2, m["rate"])
    _return(m, halved)
    m["halved"], m["last_best"], m["rose"] = halved, m["best_loss"], torch.zeros_like(m["rose"])


def _rescale(victim: Victim, m: Memory) -> None:
    eps = victim.ball.eps
    changed = (m["best"] != victim.x[m["rows"]]).flatten(1).float().mean(1)
    sparser = changed < 0.95 * m["changed"]
    slower = (m["rate"] / SPARSER).clamp_min(eps / SLOWEST)
    m["rate"] = torch.where(sparser, torch.full_like(slower, eps), slower)
    m["share"], m["changed"] = changed / SPARSER, changed
    _return(m, sparser)


def _return(m: Memory, which: Tensor) -> None:
    for now, best in (("x", "best"), ("gradient", "best_gradient"), ("loss", "best_loss")):
        m[now] = torch.where(_as(which, m[best]), m[best], m[now])


def _sparse(gradient: Tensor, share: Tensor) -> Tensor:
    """The sign of the largest entries, `share` (B,) of them, divided by their count."""
    flat = gradient.flatten(1)
    count = (share * flat.shape[1]).long().clamp(1, flat.shape[1])
    least = flat.abs().sort(1, descending=True).values.gather(1, count[:, None] - 1)
    signs = flat.sign() * (flat.abs() >= least)
    return (signs / signs.abs().sum(1, keepdim=True).clamp_min(1)).view_as(gradient)


def _as(each: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, …, 1), to stand beside a batch."""
    return each.view(-1, *[1] * (like.dim() - 1))
