"""The OpenAPI document told whole: what FastAPI cannot see of bodies, refusals and the token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from backend.requests import Requests

REF = "#/components/schemas/{model}"
OPEN = "/api/v1/healthz"
BEARER = {"type": "http", "scheme": "bearer"}
PROBLEM = {
    "description": "A problem document (RFC 9457).",
    "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    },
}


def describe(app: FastAPI, requests: Requests) -> None:
    """Have the application's document completed when it is first asked for."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(made(), requests)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], requests: Requests) -> dict[str, Any]:
    components = document["components"]
    components["schemas"] |= _bodies(requests)
    components["securitySchemes"] = {"token": BEARER}
    document["security"] = [{"token": []}]
    for path, calls in document["paths"].items():
        for call in calls.values():
            call["responses"] |= {"4XX": PROBLEM, "5XX": PROBLEM}
            if path == OPEN:
                call["security"] = []
    return document


def _bodies(requests: Requests) -> dict[str, Any]:
    """The models of bodies, which are rebuilt from the catalogue and read by no route's type."""
    named: dict[str, TypeAdapter[Any]] = {
        "NewJob": requests.job,
        "NewSweep": requests.sweep,
        "NewProbe": requests.probe,
        "Labels": requests.labels,
    }
    found: dict[str, Any] = {}
    for name, model in named.items():
        schema = model.json_schema(ref_template=REF)
        found |= schema.pop("$defs", {})
        found[name] = schema
    return found


def body(model: str, required: bool = True) -> dict[str, Any]:
    """What a route adds to its part of the document about the body that it takes."""
    schema = {"$ref": REF.format(model=model)}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


def media(kind: str, **more: Any) -> dict[int | str, dict[str, Any]]:
    """A route's good answer in a kind that is no JSON, or may be that too."""
    return {200: {"content": {kind: {"schema": {"type": "string"}}}, **more}}
