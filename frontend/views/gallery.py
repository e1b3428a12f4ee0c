"""Small pictures that belong together: side by side, each with what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend.plots.pictures import Picture, rows

MOST = 12


def gallery(value: Mapping[str, Any]) -> Component:
    """The rows of an `images` value, twelve at most."""
    shown = list(rows(value))[:MOST]
    triples = [html.Div([_picture(one) for one in row], className="triple") for row in shown]
    return html.Div(triples, className="gallery")


def _picture(picture: Picture) -> Component:
    said = f"{picture.group}: {picture.caption}".rstrip(": ")
    return html.Figure(
        [
            html.Img(src=picture.address, alt=said, className="pixels"),
            html.Figcaption([html.Span(picture.group), html.Strong(picture.caption)]),
        ]
    )
