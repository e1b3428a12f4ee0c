"""Residual blocks of two convolutions, as plans: what the residual networks share.

A model that uses them has the parameters `bias` and `batch_norm`. Convolutions have biases where
no batch normalisation does their work.
"""

from __future__ import annotations

from worker.contract import plan as plans

BIAS = "1-batch_norm*bias"
"""Left to right: (1 − batch_norm) · bias."""
NORM = plans.When(of="batch_norm", layers=[plans.BatchNorm()])
Width = int | str


def convolution(out: Width, stride: int = 1) -> plans.Conv:
    """3×3, padding 1."""
    return plans.Conv(out=out, stride=stride, bias=BIAS)


def projection(out: Width, stride: int) -> plans.Conv:
    """1×1: what a shortcut does where the shape changes."""
    return plans.Conv(out=out, kernel=1, stride=stride, padding=0, bias=BIAS)


def basic_stage(width: Width, stride: int | None, blocks: str) -> list[plans.Layer]:
    """convolution, norm, ReLU, convolution, norm; plus the shortcut; ReLU: so many times. With a
    stride the first of them changes the shape, and its shortcut is a projection with norm."""

    def block(stride: int, shortcut: list[plans.Layer]) -> list[plans.Layer]:
        first, second = convolution(width, stride), convolution(width)
        branch = [first, NORM, plans.Relu(), second, NORM]
        return [plans.Residual(branch=branch, shortcut=shortcut), plans.Relu()]

    if stride is None:
        return [plans.Each(of=blocks, layers=block(1, []))]
    changing = block(stride, [projection(width, stride), NORM])
    return [*changing, plans.Each(of=f"{blocks}-1", layers=block(1, []))]


def preact_stage(width: Width, stride: int | None, blocks: str) -> list[plans.Layer]:
    """norm, ReLU, convolution, norm, ReLU, convolution; plus the shortcut: so many times. With a
    stride the first of them changes the shape, and its shortcut is a projection of what its first
    norm and ReLU give."""
    start: list[plans.Layer] = [NORM, plans.Relu()]
    middle: list[plans.Layer] = [NORM, plans.Relu(), convolution(width)]
    same = plans.Residual(branch=[*start, convolution(width), *middle])
    if stride is None:
        return [plans.Each(of=blocks, layers=[same])]
    changing = plans.Residual(
        branch=[convolution(width, stride), *middle], shortcut=[projection(width, stride)]
    )
    return [*start, changing, plans.Each(of=f"{blocks}-1", layers=[same])]
