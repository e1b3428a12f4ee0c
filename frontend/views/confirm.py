"""The question before something is cancelled or deleted."""

from __future__ import annotations

from dash import ClientsideFunction, Input, Output, clientside_callback, html
from dash.development.base_component import Component


def dialog(place: str) -> str:
    return f"{place}-confirm"


def question(place: str) -> str:
    return f"{place}-confirm-text"


def yes(place: str) -> str:
    return f"{place}-confirm-yes"


def no(place: str) -> str:
    return f"{place}-confirm-no"


def confirm(place: str, asked: str = "Sure?", agreed: str = "Yes") -> Component:
    """A dialog of a page (`place` is "job" or "attack"), shown by the page's script, which may
    put other words in."""
    answers = html.Div(
        [
            html.Button(agreed, id=yes(place), className="plain-button danger outlined"),
            html.Button("Keep it", id=no(place), className="plain-button"),
        ],
        className="actions",
    )
    return html.Dialog(
        [html.H2(asked, id=question(place)), answers],
        id=dialog(place),
        className="definition",
        **{"aria-labelledby": question(place)},
    )


def asked_by(place: str, *buttons: str) -> None:
    """Let these buttons open the dialog; the answer comes as a click on `yes`."""
    clientside_callback(
        ClientsideFunction("ask", "end"),
        Output(question(place), "children"),
        *[Input(button, "n_clicks") for button in buttons],
        prevent_initial_call=True,
    )
