"""Certified accuracy as a study of a trained network, and the spectral bound as a survey."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.nets import digits, trained
from tests.lab.swarm import Swarm
from tests.lab.theory import shift
from tests.lab.trees import CLASSES, IMAGES, SHAPE, resnet
from tests.lab.trees import trained as fitted
from worker.contract.measurement import Curve, Surface
from worker.lab.core.certify import Limits
from worker.lab.core.diagnostic import Diagnostic, View
from worker.lab.core.layers import Layers
from worker.lab.core.task import Split, Task
from worker.lab.diagnostics.certified_accuracy import CertifiedAccuracy
from worker.lab.diagnostics.spectral_bound import SpectralBound
from worker.lab.diagnostics.spectral_norms import SpectralNorms

PLACE = "diagnostic/certified_accuracy"


def view(net: nn.Module, on: Task) -> View:
    head = on.test.head(32)
    generator = torch.Generator().manual_seed(0)
    return View(net, on, Layers.of(net), head.x, head.y, net(head.x).detach(), None, generator)


@torch.no_grad()
def studied(net: nn.Module, diagnostic: Diagnostic, on: Task | None = None) -> dict[str, Any]:
    return dict(diagnostic.study(view(net, on or digits())))


@cache
def joint() -> dict[str, Any]:
    return studied(trained(), CertifiedAccuracy(eps=0.02, eps_x=0.1, points=6, limit=200))


def test_curves_start_at_the_accuracy_fall_and_keep_their_order() -> None:
    data, found = digits().test.head(200), joint()
    accuracy = float((trained()(data.x).argmax(1) == data.y).float().mean())
    for over in ("weights", "inputs"):
        curves = [found[f"{PLACE}/{over}/{bound}"] for bound in ("I", "V", "P")]
        for curve in curves:
            assert isinstance(curve, Curve)
            assert curve.y[0] == pytest.approx(accuracy)
            assert curve.y == sorted(curve.y, reverse=True)
        for tight, loose in pairwise(curves):
            assert all(a >= b for a, b in zip(tight.y, loose.y, strict=True))
        assert 0 < curves[0].y[3] < accuracy or 0 < curves[0].y[4] < accuracy


def test_the_joint_surface_has_the_curves_as_its_edges() -> None:
    found = joint()
    surface = found[f"{PLACE}/joint"]
    assert isinstance(surface, Surface)
    assert surface.z[0] == found[f"{PLACE}/weights/I"].y
    assert [row[0] for row in surface.z] == found[f"{PLACE}/inputs/I"].y
    for row in surface.z:
        assert row == sorted(row, reverse=True)


def test_no_attack_brings_accuracy_below_it() -> None:
    """Each example with its own copy of all weights, against each rival class."""
    net, data, eps = trained(), digits().test.head(40), 0.01
    fooled = net(data.x).argmax(1) != data.y
    for other in range(1, 10):
        swarm = Swarm([net] * 40, data.x, data.y, (data.y + other) % 10)
        fooled |= swarm.attack(Limits.even(Layers.of(net), eps), steps=8, restarts=1) > 0
    found = studied(net, CertifiedAccuracy(eps=eps, points=2, limit=40))
    attacked = float((~fooled).float().mean())
    assert 0.2 < found[f"{PLACE}/weights/I"].y[-1] <= attacked < 1


def test_only_the_relative_one_is_blind_to_shifts_of_scale() -> None:
    for relative in (False, True):
        net = trained()
        before, after = (
            studied(moved, CertifiedAccuracy(eps=0.05, points=8, limit=100, relative=relative))
            for moved in (net, _shifted(net))
        )
        assert (before == after) == relative


def _shifted(net: nn.Module) -> nn.Module:
    twin = copy.deepcopy(net)
    shift(twin, 0, 4.0)
    return twin


@torch.no_grad()
def test_spectral_norms_are_the_largest_singular_values() -> None:
    net = resnet(norm=True)
    found = dict(SpectralNorms().survey(view(net, _points())))
    wanted = [float(torch.linalg.svdvals(w.flatten(1))[0]) for w in Layers.of(net).folded]
    assert [float(value) for value in found.values()] == pytest.approx(wanted, rel=1e-9)  # type: ignore[arg-type]


def _points() -> Task:
    generator = torch.Generator().manual_seed(0)
    split = Split(torch.rand(32, *SHAPE, generator=generator).double(), torch.arange(32) % CLASSES)
    return replace(IMAGES, train=split, test=split)


@pytest.mark.parametrize("norm", [False, True], ids=["residual", "batch norm"])
def test_the_spectral_bound_is_tighter_and_holds(norm: bool) -> None:
    net = fitted(resnet(norm), SHAPE)
    with torch.no_grad():
        at = view(net, _points())
        values = {name: float(value) for name, value in SpectralBound().survey(at)}  # type: ignore[arg-type]
    assert 0 < values["diagnostic/spectral_bound/tightness"] <= 1
    assert values["norm/intrinsic_spectral"] < float(at.intrinsic_norm)
    frobenius = float(at.reach)
    spectral = values["diagnostic/spectral_bound/bound"]
    residual = at.logits.softmax(1) - torch.eye(CLASSES).double()[at.y]
    assert spectral < frobenius * float(residual.norm(dim=1).mean())
