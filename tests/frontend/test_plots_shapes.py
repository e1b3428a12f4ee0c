"""Plots of shapes, and pictures as PNG."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest

from frontend.plots import shapes
from frontend.plots.pictures import diverging, png, rows
from frontend.plots.theme import DARK, LIGHT

ACCURACY: dict[str, Any] = {
    "shape": "curve",
    "x": [0.0, 0.1, 0.2],
    "y": [0.9, 0.5, 0.1],
    "low": [0.85, 0.45, 0.05],
    "high": [0.95, 0.55, 0.15],
    "x_label": "eps",
    "y_label": "accuracy",
}


def test_a_curve_has_its_interval_as_a_band_around_it() -> None:
    curve = shapes.Curve(ACCURACY, "PGD-20, linf", "blue", series="attack/pgd/accuracy")
    figure = shapes.curves(
        LIGHT, [curve], x_title="ε (linf)", y_title="accuracy", percent=True, clean=0.9
    )
    band, line = figure.data
    assert (band.fill, band.showlegend, band.hoverinfo) == ("toself", False, "skip")
    assert list(band.x) == [0.0, 0.1, 0.2, 0.2, 0.1, 0.0]
    assert list(band.y) == [0.95, 0.55, 0.15, 0.05, 0.45, 0.85]
    assert list(line.y) == [0.9, 0.5, 0.1]
    assert line.meta == {"series": "attack/pgd/accuracy", "role": "curve"}
    assert figure.layout.xaxis.title.text == "ε (linf)"
    assert "90.0 %" in figure.layout.annotations[0].text


def test_a_curve_takes_the_names_of_its_axes_from_the_measurement() -> None:
    figure = shapes.curves(LIGHT, [shapes.Curve({**ACCURACY, "low": None}, "a", "blue")])
    assert len(figure.data) == 1
    assert figure.layout.xaxis.title.text == "eps"
    assert figure.layout.yaxis.title.text == "accuracy"


def test_values_that_are_not_finite_are_gaps() -> None:
    assert shapes.finite([1, "nan", "-inf", 2.5]) == [1.0, None, None, 2.5]


def test_a_histogram_is_as_wide_as_its_bins() -> None:
    value = {"edges": [0, 1, 3], "counts": [4, 2], "label": "margin"}
    figure = shapes.histogram(LIGHT, value)
    assert list(figure.data[0].x) == [0.5, 2.0]
    assert list(figure.data[0].width) == [1, 2]
    assert figure.layout.xaxis.title.text == "margin"


def surface(z: list[list[float]], label: str) -> dict[str, Any]:
    return {"x": [0, 1], "y": [0, 1], "z": z, "x_label": "x", "y_label": "y", "z_label": label}


def test_regions_of_two_classes_fade_at_even_odds() -> None:
    points = {"columns": {"x": [0.1, 0.9], "y": [0.2, 0.8], "class": ["upper", "lower"]}}
    figure = shapes.regions(DARK, surface([[0.1, 0.9], [0.4, 0.6]], "p(lower)"), points)
    heat, *clouds = figure.data
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert heat.colorscale[1] == (0.5, DARK.paper)
    assert [cloud.name for cloud in clouds] == ["class upper", "class lower"]
    assert clouds[1].marker.color == DARK.blue
    assert heat.colorscale[2] == (1, DARK.blue_wash)
    assert len({cloud.marker.symbol for cloud in clouds}) == 2
    assert figure.layout.yaxis.scaleanchor == "x"


def test_regions_of_more_classes_have_one_shade_each() -> None:
    figure = shapes.regions(LIGHT, surface([[0, 1], [2, 1]], "class"), None)
    (heat,) = figure.data
    assert (heat.zmin, heat.zmax) == (-0.5, 2.5)
    assert len(heat.colorscale) == 6
    assert heat.meta["role"] == "surface"


def test_a_surface_names_its_height() -> None:
    figure = shapes.surface(LIGHT, surface([[0.0, "nan"], [1.0, 2.0]], "loss"))  # type: ignore[list-item]
    assert figure.data[0].colorbar.title.text == "loss"
    assert list(figure.data[0].z[0]) == [0.0, None]


def decoded(address: str) -> tuple[int, int, bytes]:
    raw = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    width, height = struct.unpack(">II", raw[16:24])
    at = raw.index(b"IDAT")
    size = struct.unpack(">I", raw[at - 4 : at])[0]
    return width, height, zlib.decompress(raw[at + 4 : at + 4 + size])


IMAGES: dict[str, Any] = {
    "height": 1,
    "width": 2,
    "channels": 1,
    "groups": {"clean": [[0, 255]], "perturbation": [[255, 128]], "adversarial": [[10, 245]]},
    "scale": {"perturbation": 0.1},
    "captions": {
        "clean": ["seen as 1"],
        "perturbation": ["linf 0.1"],
        "adversarial": ["seen as 7"],
    },
}


def test_pictures_are_exact_pixels() -> None:
    ((clean, perturbation, adversarial),) = rows(IMAGES)
    assert decoded(clean.address) == (2, 1, bytes([0, 0, 0, 0, 255, 255, 255]))
    assert [clean.caption, adversarial.caption] == ["seen as 1", "seen as 7"]
    _, _, pixels = decoded(perturbation.address)
    assert pixels[1] > pixels[3]  # red where it adds


def test_colour_pictures_keep_their_channels() -> None:
    value = {**IMAGES, "channels": 3, "width": 1, "groups": {"clean": [[1, 2, 3]]}, "scale": {}}
    ((picture,),) = rows({**value, "captions": {}})
    assert decoded(picture.address) == (1, 1, bytes([0, 1, 2, 3]))
    assert picture.caption == ""


@pytest.mark.parametrize(
    ("shade", "end"), [(0, (5, 48, 97)), (127.5, (247, 247, 247)), (255, (103, 0, 31))]
)
def test_a_signed_picture_is_white_at_zero(shade: float, end: tuple[int, int, int]) -> None:
    assert diverging(shade) == end


def test_png_is_a_png() -> None:
    assert png(1, 1, b"\1\2\3").startswith(b"\x89PNG\r\n\x1a\n")
