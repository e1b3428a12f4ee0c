"""Training images, shifted and mirrored at random."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Augment = Literal["none", "crop", "crop_flip"]
SMALL = 28
"""Sides of so many pixels at most are padded by 2, others by 4."""


def margin(x: Tensor) -> int:
    """By how many pixels images (N, C, H, W) are shifted at most."""
    return 2 if max(x.shape[2:]) <= SMALL else 4


def moves(x: Tensor, augment: Augment, dice: torch.Generator) -> Tensor:
    """For each of N images: its crop's top and left, and whether it is mirrored, (N, 3)."""
    corners = torch.randint(2 * margin(x) + 1, (len(x), 2), generator=dice)
    flips = torch.randint(2, (len(x), 1), generator=dice)
    return torch.cat([corners, flips if augment == "crop_flip" else 0 * flips], 1)


def moved(x: Tensor, moves: Tensor) -> Tensor:
    """Images (B, C, H, W) with a margin of zeros, cropped to their own size and mirrored: as
    `moves` (B, 3) says, all at once."""
    (height, width), pad = x.shape[2:], margin(x)
    across = torch.arange(width, device=x.device)
    top, left, flip = moves.to(x.device).unbind(1)
    columns = left[:, None] + torch.where(flip[:, None] > 0, width - 1 - across, across)
    rows = top[:, None] + torch.arange(height, device=x.device)
    places = (rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]).flatten(1)
    padded = F.pad(x, (pad,) * 4).flatten(2)
    return padded.gather(2, places[:, None].expand(-1, x.shape[1], -1)).view_as(x)
