"""What stands around every page: the rail, the banner, the list of keys."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import ids
from frontend.views import guides

THEME: dict[str, Any] = {
    "primaryColor": "indigo",
    "primaryShade": {"light": 7, "dark": 8},  # white on it has a contrast of 5
    "fontFamily": "Inter, system-ui, sans-serif",
    "headings": {"fontFamily": "Inter, system-ui, sans-serif"},
    "defaultRadius": "md",
    "fontSizes": {"xs": "12px", "sm": "13px", "md": "14px", "lg": "16px", "xl": "20px"},
    "respectReducedMotion": True,
}

RAIL: dict[str, list[tuple[str, str]]] = {
    "Explore": [
        ("Home", "/"),
        ("Launch", "/launch"),
        ("Jobs", "/jobs"),
        ("Compare", "/compare"),
    ],
    "Labs": [
        ("Scale shift", "/lab/shift"),
        ("Attack", "/lab/attack"),
        ("Diagnose", "/lab/diagnose"),
        ("Landscape", "/lab/landscape"),
        ("Bounds", "/lab/bounds"),
        ("Widths", "/lab/widths"),
    ],
    "Learn": [("Papers", "/papers"), ("Catalogue", "/catalogue")],
    "Keep": [("Operator", "/operator")],
}

KEYS = [
    ("/", "search on this page"),
    ("n", "launch a new job"),
    ("g h", "go home"),
    ("g j", "go to jobs"),
    ("g c", "go to the catalogue"),
    ("?", "this list"),
    ("Esc", "close what is open"),
]


def frame() -> Component:
    """The layout of the application; Dash Pages fills the content."""
    _arrivals()
    content = html.Main(dash.page_container, id=ids.CONTENT, className="content", tabIndex=-1)
    return dmc.MantineProvider(
        [
            html.A("Skip to content", href=f"#{ids.CONTENT}", className="skip-link"),
            dcc.Location(id=ids.GO, refresh="callback-nav"),
            dcc.Store(id=ids.ARRIVED),
            _top(),
            html.Div([_rail(), _stage(content)], className="frame"),
            _keys(),
        ],
        theme=THEME,
        defaultColorScheme="auto",
    )


def _stage(content: Component) -> Component:
    return html.Div([_banner(), *guides.strips(), content], className="stage")


def _arrivals() -> None:
    """Tell the shell's script of every page that is reached: the rail shows where one is."""
    clientside_callback(
        ClientsideFunction("shell", "arrive"),
        Output(ids.ARRIVED, "data"),
        Input(ids.PAGE_LOCATION, "pathname"),
        Input(ids.PAGE_LOCATION, "search"),
    )


def _mark() -> Component:
    return dcc.Link(
        [html.Img(src="/assets/mark.svg", alt="", className="mark"), html.Span("Normscope")],
        href="/",
        className="brand",
    )


def _top() -> Component:
    """Narrow screens only: the mark, and the button that opens the rail."""
    button = html.Button(
        [html.Span(className="bars")],
        id=ids.RAIL_BUTTON,
        className="rail-button",
        **{"aria-label": "Menu", "aria-expanded": "false", "aria-controls": ids.RAIL},
    )
    return html.Header([button, _mark()], className="top")


def _rail() -> Component:
    groups = [_group(name, links) for name, links in RAIL.items()]
    foot = html.Div([_workers(), _scheme()], className="rail-foot")
    return html.Nav(
        [_mark(), *groups, foot], id=ids.RAIL, className="rail", **{"aria-label": "Pages"}
    )


def _group(name: str, links: list[tuple[str, str]]) -> Component:
    return html.Div(
        [
            html.Div(name, className="rail-title"),
            html.Ul([html.Li(_link(label, path)) for label, path in links]),
        ],
        className="rail-group",
    )


def _link(label: str, path: str) -> Component:
    """A page's link; a page that does not exist yet says so and leads nowhere."""
    if any(page["path"] == path for page in dash.page_registry.values()):
        return dcc.Link(label, href=path, className="rail-link")
    later = html.Span("later", className="later")
    return html.Span([label, later], className="rail-link", **{"aria-disabled": "true"})


def _workers() -> Component:
    return html.Div(
        [
            html.Span(className="dot"),
            html.Span("looking for workers", className="rail-workers-text"),
        ],
        id=ids.WORKERS,
        className="rail-workers",
        role="status",
    )


def _scheme() -> Component:
    return dmc.ColorSchemeToggle(
        id=ids.SCHEME,
        lightIcon=html.Span("☀", **{"aria-hidden": "true"}),
        darkIcon=html.Span("☾", **{"aria-hidden": "true"}),
        variant="subtle",
        color="gray",
        size="md",
        **{"aria-label": "Light or dark"},
    )


def _banner() -> Component:
    """Hidden until the shell's script has something to say of the workers or the API."""
    return html.Div(id=ids.BANNER, className="banner", role="alert", hidden=True)


def _keys() -> Component:
    rows = [html.Tr([html.Td(html.Kbd(key)), html.Td(what)]) for key, what in KEYS]
    close = html.Button("Close", className="plain-button", **{"data-close": ids.KEYS_HELP})
    return html.Dialog(
        [html.H2("Keys"), html.Table(html.Tbody(rows)), close],
        id=ids.KEYS_HELP,
        className="keys",
        **{"aria-label": "Keys"},
    )
