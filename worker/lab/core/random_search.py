"""The Square attack's random search: it asks for the network's answers and nothing else.

arXiv:1912.00049. Each try replaces a square window of the change and is kept where the margin
grows. The window covers a share p of the image, halved after 10, 50, 200, 500, 1000, 2000, 4000,
6000, 8000 tries of 10,000, rescaled to the tries there are (the schedule of the released code).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from worker.lab.core.attack_loss import margin
from worker.lab.core.victim import Victim

HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
TILES = 5
"""The first change in l2 is a chequerboard of so many tiles an axis."""


def random_search(victim: Victim, tries: int, share: float) -> Iterator[float]:
    """`tries` looks at most an example; `share` of the image is the first window.

    Points (B, d) count as images of one pixel with d channels. Yields the share done.
    """
    rows, shape = victim.standing, victim.x.shape
    image = shape if len(shape) == 4 else (len(victim.x), *shape[1:], 1, 1)
    x, y = victim.x.view(image)[rows], victim.y[rows]
    search = _linf if victim.ball.norm == "linf" else _l2
    change = search(victim, torch.zeros_like(x), None)
    best = torch.full_like(rows, -math.inf, dtype=x.dtype)
    for index in range(tries):
        if not len(rows):
            break
        side = _side(share, index, tries, x)
        new = change if index == 0 else search(victim, change, side)
        at = victim.ball.project(x + new, x)
        now = margin(victim.ask(rows, at.view(-1, *shape[1:])), y)
        better = (now > best)[:, None, None, None]
        change, best = torch.where(better, at - x, change), torch.maximum(now, best)
        stay = ~victim.fooled[rows]
        if not bool(stay.all()):
            rows, x, y, change, best = (t[stay] for t in (rows, x, y, change, best))
        yield (index + 1) / tries
    yield 1.0


def _side(share: float, index: int, tries: int, x: Tensor) -> int:
    """The side of a window with a share p of the pixels."""
    halvings = sum(index * 10_000 / tries > mark for mark in HALVED_AFTER)
    height, width = x.shape[2:]
    return min(height, width, max(1, round(math.sqrt(share / 2**halvings * height * width))))


def _linf(victim: Victim, change: Tensor, side: int | None) -> Tensor:
    """One window at ± eps, a sign a channel; at first vertical stripes of ± eps."""
    count, channels, _, width = change.shape
    eps = victim.ball.eps
    if side is None:
        return eps * _signs(victim, (count, channels, 1, width)).expand_as(change)
    new, (top, left) = change.clone(), _place(victim, change, side)
    signs = _signs(victim, (count, channels, 1, 1))
    new[:, :, top : top + side, left : left + side] = eps * signs
    return new


def _l2(victim: Victim, change: Tensor, side: int | None) -> Tensor:
    """A second window's mass moves to the first, whose pattern mixes what was there with two
    opposite hills; all is rescaled to length eps."""
    if change.shape[2:].numel() == 1:
        return _scaled(change + _noise(victim, change, side is None), victim.ball.eps)
    if side is None:
        return _scaled(_tiled(victim, change), victim.ball.eps)
    side = min(max(side, 3) | 1, *change.shape[2:])
    new, one, two = change.clone(), *(_window(victim, change, side) for _ in range(2))
    here = change[one]
    both = torch.zeros_like(change)
    both[one], both[two] = change[one], change[two]
    unused = (victim.ball.eps**2 - _length(change).square()).clamp_min(0) / change.shape[1]
    free = (both.square().sum((2, 3), keepdim=True) + unused).sqrt()
    signs = _signs(victim, (*change.shape[:2], 1, 1))
    mixed = signs * _hills(victim, side, here) + here / _norm(here)
    new[two] = 0.0
    new[one] = mixed / _norm(mixed) * free
    return _scaled(new, victim.ball.eps)


def _tiled(victim: Victim, change: Tensor) -> Tensor:
    """Hills on every tile, a sign a tile and channel."""
    height, width = change.shape[2:]
    side, new = max(1, min(height, width) // TILES), torch.zeros_like(change)
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            tile = new[:, :, top : top + side, left : left + side]
            tile += _hills(victim, side, tile) * _signs(victim, (*change.shape[:2], 1, 1))
    return new


def _hills(victim: Victim, side: int, like: Tensor) -> Tensor:
    """(side, side), of length 1: a hill up and a hill down, one above or beside the other."""
    half = side // 2
    parts = [_hill(half, side), -_hill(side - half, side)]
    both = torch.cat([part for part in parts if len(part)])
    both = _unit(both)
    turned = bool(torch.rand((), generator=victim.generator) < 0.5)
    return (both.T if turned else both).to(like)


def _hill(height: int, width: int) -> Tensor:
    """Σ_{k ≥ d} 1 / (k + 1)² at Chebyshev distance d from the middle, of length 1."""
    rows = (torch.arange(height) - height // 2).abs()[:, None]
    columns = (torch.arange(width) - width // 2).abs()[None]
    distance = torch.maximum(rows, columns)
    steps = max(height // 2 + 1, width // 2 + 1)
    tail = (1 / torch.arange(1, steps + 1).square()).flip(0).cumsum(0).flip(0)
    hill = torch.nn.functional.pad(tail, (0, width))[distance]
    return _unit(hill) if height else hill


def _noise(victim: Victim, change: Tensor, first: bool) -> Tensor:
    """Points have no windows (derived here): a step in a random direction, of any length."""
    draw = torch.randn(change.shape, generator=victim.generator).to(change)
    reach = 1.0 if first else float(torch.rand((), generator=victim.generator)) ** 2
    return 2 * victim.ball.eps * reach * draw / _length(draw)


def _place(victim: Victim, change: Tensor, side: int) -> tuple[int, int]:
    height, width = change.shape[2:]
    draws = torch.rand(2, generator=victim.generator).tolist()
    return int(draws[0] * (height - side + 1)), int(draws[1] * (width - side + 1))


def _window(victim: Victim, change: Tensor, side: int) -> tuple[slice, slice, slice, slice]:
    top, left = _place(victim, change, side)
    return slice(None), slice(None), slice(top, top + side), slice(left, left + side)


def _signs(victim: Victim, shape: tuple[int, ...]) -> Tensor:
    draw = torch.randint(0, 2, shape, generator=victim.generator) * 2.0 - 1
    return draw.to(victim.x)


def _unit(pattern: Tensor) -> Tensor:
    return pattern / float(pattern.norm().clamp_min(1e-12))


def _norm(window: Tensor) -> Tensor:
    return window.square().sum((2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def _length(change: Tensor) -> Tensor:
    return change.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def _scaled(change: Tensor, eps: float) -> Tensor:
    return eps * change / _length(change)
