"""JSON schema → controls: the form is built from the catalogue alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend import ids
from frontend.api import Catalog
from frontend.parts import marked
from frontend.specs import find, label, of_kind, parameters, text


def controls(
    catalog: Catalog,
    schemas: Mapping[str, dict[str, Any]],
    prefix: str,
    given: Mapping[str, Any],
) -> list[Component]:
    """A control for every parameter, holding what is given, else the default."""
    return [
        control(catalog, f"{prefix}{name}", name, schema, given.get(name, schema.get("default")))
        for name, schema in schemas.items()
    ]


def control(
    catalog: Catalog, path: str, name: str, schema: Mapping[str, Any], value: Any
) -> Component:
    """The control of one parameter."""
    if "choice" in schema:
        wanted = schema.get("where", {})
        return chooser(catalog, path, label(name, schema), schema["choice"], value, wanted)
    if schema.get("type") == "boolean":
        return _switch(path, name, schema, value)
    if "enum" in schema:
        return _select(path, name, schema, value)
    if schema.get("type") == "integer":
        return _whole(path, name, schema, value)
    return _written(path, name, schema, value)


def _described(path: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": ids.control(path),
        "label": label(name, schema),
        "description": _sentence(schema),
        "inputWrapperOrder": ["label", "input", "description", "error"],
        "size": "sm",
    }


def _switch(path: str, name: str, schema: Mapping[str, Any], value: Any) -> Component:
    return dmc.Switch(
        id=ids.flag(path),
        label=label(name, schema),
        description=_sentence(schema),
        checked=bool(value),
        size="sm",
        className="switch",
    )


def _select(path: str, name: str, schema: Mapping[str, Any], value: Any) -> Component:
    return dmc.Select(
        **_described(path, name, schema),
        data=[{"value": text(choice), "label": text(choice)} for choice in schema["enum"]],
        value=text(value),
        allowDeselect=False,
    )


def _whole(path: str, name: str, schema: Mapping[str, Any], value: Any) -> Component:
    return dmc.NumberInput(
        **_described(path, name, schema),
        value=value,
        min=schema.get("minimum"),
        max=schema.get("maximum"),
        clampBehavior="none",  # a number out of range is told, not silently changed
        allowDecimal=False,
        thousandSeparator=" ",
        debounce=400,
    )


def _written(path: str, name: str, schema: Mapping[str, Any], value: Any) -> Component:
    """Numbers as one writes them (1e-3), lists with commas between."""
    return dmc.TextInput(
        **_described(path, name, schema),
        value=text(value),
        placeholder=text(schema.get("default")),
        debounce=400,
    )


def chooser(
    catalog: Catalog,
    path: str,
    title: str | None,
    kind: str,
    value: Any,
    where: Mapping[str, Any] | None = None,
) -> Component:
    """A choice of one entry whose facts are as `where` says, with its parameters beneath."""
    value = value if isinstance(value, Mapping) else {"name": value}
    wanted = (where or {}).items()
    entries = [entry for entry in of_kind(catalog, kind) if wanted <= entry["facts"].items()]
    select = dmc.Select(
        id=ids.control(path),
        label=title,
        data=[{"value": entry["name"], "label": entry["title"]} for entry in entries],
        value=value.get("name"),
        allowDeselect=False,
        searchable=len(entries) > 7,
        size="sm",
        **{} if title else {"aria-label": kind.capitalize()},
    )
    shown = html.Div(
        chosen(catalog, path, kind, value), id=ids.entry_params(path), className="entry-params"
    )
    return html.Div([select, shown], className="chooser")


def chosen(catalog: Catalog, path: str, kind: str, value: Mapping[str, Any]) -> list[Any]:
    """The one line that says what the chosen entry is, and its parameters."""
    entry = find(catalog, kind, value.get("name"))
    if entry is None:
        return []
    return [
        html.P(entry["summary"], className="about"),
        grid(controls(catalog, parameters(entry), f"{path}.", value)),
    ]


def grid(children: list[Component]) -> Component | None:
    return html.Div(children, className="fields") if children else None


# --- words ----------------------------------------------------------------------------------


def _sentence(schema: Mapping[str, Any]) -> list[Any] | None:
    return marked(str(schema.get("description") or "")) or None


def allowed(schema: Mapping[str, Any]) -> str:
    """The range of a parameter in a few characters: `0 to 1`, `log, product`, `whole, from 1`."""
    if "choice" in schema:
        return f"any {schema['choice']}"
    if "enum" in schema:
        return ", ".join(text(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"each {allowed(schema.get('items', {}))}"
    if schema.get("type") == "boolean":
        return "yes or no"
    low, high = _end(schema, "minimum", "inimum"), _end(schema, "maximum", "aximum")
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}" if high else "any"


def _end(schema: Mapping[str, Any], closed: str, tail: str) -> str:
    if closed in schema:
        return text(schema[closed])
    bound = schema.get(f"exclusiveM{tail}")
    return "" if bound is None else f"{text(bound)} (not itself)"
