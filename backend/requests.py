"""What comes in: bodies read within bounds, validated against the catalogue, errors by field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails

from backend.errors import Problem
from backend.reading import json_value
from worker.contract.catalog import (
    Catalog,
    attack_spec_model,
    choice_model,
    diagnose_spec_model,
    train_spec_model,
)
from worker.contract.spec import AttackSpec, Choice, DiagnoseSpec, TrainSpec

T = TypeVar("T")
MOST_ERRORS = 50

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE, strip_whitespace=True)]
Tag = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=_PRINTABLE, strip_whitespace=True),
]
Tags = Annotated[
    list[Tag], Field(max_length=32), AfterValidator(lambda tags: list(dict.fromkeys(tags)))
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NewJob(_Body):
    """A job to do."""

    kind: Literal["train", "attack", "diagnose"]
    spec: TrainSpec | AttackSpec | DiagnoseSpec
    name: Name | None = None
    tags: Tags = []
    priority: Literal["low", "normal", "high"] = Field(
        "normal", description="jobs that wait are begun in this order; `high` is an admin's"
    )


class NewProbe(_Body):
    """A question about a trained network, and others of the same data to set beside it."""

    probe: Choice
    peers: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field([], max_length=8)
    lane: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="whoever asks again and again; only its newest question counts"
    )


class NewSweep(_Body):
    """A job, and lists of values for some of its fields: every combination is a job."""

    base: dict[str, Any] = Field(description="a job as POST /jobs takes it")
    grid: dict[Annotated[str, Field(min_length=1, max_length=200)], list[Any]] = Field(
        {}, max_length=16, description='values by field, {"spec.methods.1.strength": [0.01, 0.1]}'
    )
    seeds: list[int] | None = Field(None, max_length=1000, description="for spec.seed")
    name: Name | None = None


class Labels(_Body):
    """What may change of a job: its name and its tags."""

    name: Name | None = None
    tags: Tags | None = None


class Requests:
    """The models of requests, rebuilt from a catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        models: list[Any] = [_job_model("train", train_spec_model(catalog))]
        if catalog.of_kind("attack"):
            models.append(_job_model("attack", attack_spec_model(catalog)))
        if catalog.of_kind("diagnostic"):
            models.append(_job_model("diagnose", diagnose_spec_model(catalog)))
        kinds: Any = models[0]
        for model in models[1:]:
            kinds = kinds | model
        tagged: Any = Annotated[kinds, Field(discriminator="kind")] if len(models) > 1 else kinds
        self.job: TypeAdapter[NewJob] = TypeAdapter(tagged)
        self.sweep: TypeAdapter[NewSweep] = TypeAdapter(NewSweep)
        self.probe: TypeAdapter[NewProbe] = TypeAdapter(_probe_model(catalog))
        self.labels: TypeAdapter[Labels] = TypeAdapter(Labels)


def _job_model(kind: str, spec: Any) -> Any:
    only: Any = Literal[kind]
    return create_model(
        f"New{kind.capitalize()}Job", __base__=NewJob, kind=(only, ...), spec=(spec, ...)
    )


def _probe_model(catalog: Catalog) -> Any:
    if not catalog.of_kind("probe"):
        return NewProbe
    return create_model("NewProbe", __base__=NewProbe, probe=(choice_model(catalog, "probe"), ...))


async def json_body(request: Request) -> Any:
    return json_value(request.headers.get("content-type", ""), await request.body())


async def optional_body(request: Request) -> Any:
    """The body's JSON value, or an empty object where there is no body."""
    return await json_body(request) if await request.body() else {}


def validated(model: TypeAdapter[T], value: Any) -> T:
    """The value as the model has it; 422 naming every field that is wrong."""
    try:
        return model.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        errors = dict(_field_error(e, value) for e in found[:MOST_ERRORS])
        first = next(f"{field}: {message}" for field, message in errors.items())
        raise Problem(422, first, list(errors.items())) from error


def _field_error(error: ErrorDetails, value: Any) -> tuple[str, str]:
    path = field_path(error["loc"], value)
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        context = error.get("ctx", {})
        path = [*path, str(context.get("discriminator", "name")).strip("'")]
        message = "choose one by its name"
        if "expected_tags" in context:
            message = f"none is called so; known: {context['expected_tags']}"
    if error["type"] == "value_error" and (found := re.match(r"(\w+): (.*)", message, re.S)):
        path, message = [*path, found[1]], found[2]
    return ".".join(path) or "body", message


def field_path(location: Sequence[str | int], value: Any) -> list[str]:
    """Where in the request a value is, without the tags that unions put into the location."""
    path: list[str] = []
    for part in location:
        if isinstance(value, Mapping):
            if part not in value and part in (value.get("name"), value.get("kind")):
                continue
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif path:
            break
        path.append(str(part)[:100])
    return path
