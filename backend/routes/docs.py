"""The page of the API: made from its OpenAPI document, with no script and nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark }
section { border-top: 1px solid #8884; padding: 1rem 0 } h2 { font-size: 1rem; margin: 0 }
code { font: 0.95em ui-monospace, monospace } td { padding: 0 1rem 0 0; vertical-align: top }
"""


@router.get("/docs")
def docs(request: Request) -> Response:
    document = request.app.openapi()
    calls = "".join(
        _call(path, method, call)
        for path, methods in document["paths"].items()
        for method, call in methods.items()
    )
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Normscope REST v1</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>Normscope REST v1</h1><p>{escape(document['info']['description'])} "
        f"Send <code>Authorization: Bearer TOKEN</code> with every call. "
        f"The machine's version of this page: <a href=openapi.json>openapi.json</a>.</p>{calls}"
    )


def _call(path: str, method: str, call: Mapping[str, Any]) -> str:
    rows = "".join(_rows(call))
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(call.get('description') or call.get('summary', ''))}</p>"
        f"<table>{rows}</table></section>"
    )


def _rows(call: Mapping[str, Any]) -> Iterator[str]:
    for parameter in call.get("parameters", []):
        about = parameter.get("description") or _kind(parameter["schema"])
        yield _row(f"{parameter['name']} ({parameter['in']})", about)
    for media, body in call.get("requestBody", {}).get("content", {}).items():
        yield _row("body", f"{media}: {_kind(body['schema'])}")


def _row(name: str, about: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(about)}</td></tr>"


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        kinds = (_kind(each) for each in schema["anyOf"])
        return " or ".join(kind for kind in kinds if kind != "null")
    return str(schema.get("type") or schema.get("$ref", "any").rsplit("/", 1)[-1])
