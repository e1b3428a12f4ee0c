"""The l1 ball cut by a box: its projection, its steepest step, and points drawn from it.

Everything is of flat batches (B, d), about changes δ with low ≤ 0 ≤ high.
"""

from __future__ import annotations

import torch
from torch import Tensor


def project(change: Tensor, low: Tensor, high: Tensor, eps: float) -> Tensor:
    """The nearest (Euclidean) δ with Σ|δ_i| ≤ eps and low ≤ δ ≤ high.

    By the KKT conditions (derived here; arXiv:2103.01208 has the same projection)
    |δ_i| = min(room_i, (|u_i| − λ)₊) with one λ ≥ 0 an example, where room_i is what the box leaves
    on u_i's side. Σ|δ_i| falls in λ, linearly between the corners |u_i| and |u_i| − room_i, so that
    the λ that spends eps is found exactly by sorting them.
    """
    size, room = change.abs().double(), torch.where(change > 0, high, -low).double()
    spent = torch.minimum(size, room)
    over = spent.sum(1) > eps
    if bool(over.any()):
        cut = (size[over] - _threshold(size[over], room[over], eps)).clamp_min(0)
        spent[over] = torch.minimum(cut, room[over])
    return change.sign() * spent.to(change)


def _threshold(size: Tensor, room: Tensor, eps: float) -> Tensor:
    """λ (B, 1) with Σ min(room, (size − λ)₊) = eps; at λ = 0 the sum is above eps."""
    ends = torch.cat([size, (size - room).clamp_min(0)], 1)
    corners, order = ends.sort(dim=1, descending=True, stable=True)
    sign = torch.where(order < size.shape[1], 1.0, -1.0).to(size)
    # One corner more at λ = 0, where the sum is known to exceed eps.
    corners = torch.nn.functional.pad(corners, (0, 1))
    count = torch.nn.functional.pad(sign.cumsum(1), (0, 1), value=0.0)
    total = torch.nn.functional.pad((sign * corners[:, :-1]).cumsum(1), (0, 1))
    count[:, -1], total[:, -1] = count[:, -2], total[:, -2]
    reached = (total - count * corners >= eps).int().argmax(1, keepdim=True)
    before = (reached - 1).clamp_min(0)
    # Where a point lies on the ball up to rounding, no corner may be found: λ is 0 there.
    found = (total.gather(1, before) - eps) / count.gather(1, before).clamp_min(1)
    return found.clamp_min(0)


def steepest(gradient: Tensor, low: Tensor, high: Tensor, length: float | Tensor) -> Tensor:
    """The δ with Σ|δ_i| ≤ length and low ≤ δ ≤ high that maximises gradient · δ.

    Exact: coordinates are moved to the wall in the order of |gradient| until the length is spent.
    """
    room = torch.where(gradient > 0, high, -low) * (gradient != 0)
    order = gradient.abs().argsort(dim=1, descending=True, stable=True)
    sorted_room = room.gather(1, order)
    before = sorted_room.cumsum(1) - sorted_room
    spent = torch.minimum((length - before).clamp_min(0), sorted_room)
    return gradient.sign() * torch.zeros_like(room).scatter(1, order, spent)


def draw(like: Tensor, generator: torch.Generator) -> Tensor:
    """Points drawn uniformly from the l1 unit ball, on the CPU.

    d + 1 exponential variables divided by their sum are uniform on a simplex; the last is dropped.
    """
    rows, size = like.shape
    parts = torch.empty(rows, size + 1).exponential_(generator=generator)
    signs = torch.randint(0, 2, (rows, size), generator=generator) * 2 - 1
    return signs * parts[:, :-1] / parts.sum(1, keepdim=True)
