"""A path that no page has."""

from __future__ import annotations

from typing import Any

import dash
from dash import html
from dash.development.base_component import Component

from frontend import parts

dash.register_page(__name__, path="/404", title="Not found – Normscope")


def layout(**_: Any) -> Component:
    return html.Div(
        [
            parts.header("Not found"),
            parts.empty(
                "There is no page at this address.",
                parts.button_link("Go home", "/", filled=True),
            ),
        ]
    )
