"""The nearest point of a hyperplane within the box, in any of three norms."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.lab.core.balls import InputNorm


def reach(x: Tensor, w: Tensor, gap: Tensor, norm: InputNorm) -> Tensor:
    """The shortest δ (B, d) with w · δ = gap (B,) and x + δ in [0, 1]^d.

    Where the box leaves no such δ, every coordinate is taken to its wall. Exact (derived here):
    with v = sign(gap) w, which points uphill, δ_i = sign(v_i) min(room_i, t) in linf and
    v_i-wards by min(room_i, t |v_i|) in l2; the gain Σ |v_i| |δ_i| is piecewise linear in t with
    corners at room_i, or room_i / |v_i|. In l1 the coordinates of the largest |v_i| go first.
    """
    v, need = w * gap.sign()[:, None], gap.abs()
    slope = v.abs()
    room = torch.where(v > 0, 1 - x, x).clamp_min(0)
    if norm == "l1":
        return v.sign() * _greedy(slope, room, need)
    weight = slope if norm == "linf" else slope * slope
    corner = room if norm == "linf" else room / slope.clamp_min(1e-30)
    t = _level(weight, corner, need)[:, None]
    return v.sign() * torch.minimum(room, t if norm == "linf" else t * slope)


def _level(weight: Tensor, corner: Tensor, need: Tensor) -> Tensor:
    """t (B,) with Σ weight_i min(t, corner_i) = need, or the last corner where that is too much."""
    corner, order = corner.double().sort(1)
    weight = weight.double().gather(1, order)
    passed = (weight * corner).cumsum(1)
    ahead = weight.sum(1, keepdim=True) - weight.cumsum(1)
    reached = passed + ahead * corner >= need[:, None]
    first = torch.where(reached.any(1), reached.int().argmax(1), corner.shape[1] - 1)[:, None]
    before = torch.where(first > 0, passed.gather(1, (first - 1).clamp_min(0)), 0.0)
    open_weight = ahead.gather(1, first) + weight.gather(1, first)
    t = (need[:, None] - before) / open_weight.clamp_min(1e-30)
    return torch.minimum(t, corner.gather(1, first)).clamp_min(0)[:, 0].to(need)


def _greedy(slope: Tensor, room: Tensor, need: Tensor) -> Tensor:
    """|δ| of least sum with Σ slope · |δ| = need: the steepest coordinates to their walls."""
    order = slope.argsort(dim=1, descending=True, stable=True)
    slopes, rooms = slope.gather(1, order), room.gather(1, order)
    gain = slopes * rooms
    left = (need[:, None] - (gain.cumsum(1) - gain)).clamp_min(0)
    spent = torch.minimum(left / slopes.clamp_min(1e-30), rooms)
    return torch.zeros_like(room).scatter(1, order, spent)
