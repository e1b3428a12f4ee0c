"""Three experiments for a first minute: what one will see, and the button that does it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import specs
from frontend.api import Catalog, Job

PRESET = "weissi_digits"
"""The preset whose jobs the experiments look at, and the tag that they are found by."""


@dataclass(frozen=True)
class Guide:
    name: str
    title: str
    see: str
    does: str
    needs: tuple[int, ...]
    path: str
    waits: bool = True


GUIDES = (
    Guide(
        "shift",
        "Move scale between layers",
        "One layer’s weights grow fourfold and the last layer’s shrink to match. No answer of the "
        "network changes, nor does WEISSI’s value; weight decay’s jumps.",
        "Train a small network and shift it",
        (0,),
        "/lab/shift?job={}&s=2",
    ),
    Guide(
        "attack",
        "Attack it",
        "A handwritten digit changed so little that one still reads it, and the network reads "
        "another. Choose how much may change, and watch the answer turn.",
        "Train a small network and attack it",
        (0,),
        "/lab/attack?job={}",
    ),
    Guide(
        "compare",
        "Compare weight decay with WEISSI",
        "The same network trained under both penalties, curve over curve while they train: loss, "
        "accuracy, and the norms that each one holds down.",
        "Train both and compare them",
        (0, 1),
        "/compare?jobs={}",
        waits=False,
    ),
)


def cards(catalog: Catalog, known: Sequence[Job]) -> list[Component]:
    """A card an experiment; where its jobs are there already its button is a link."""
    preset = specs.find(catalog, "preset", PRESET)
    jobs = preset["facts"]["jobs"] if preset else []
    return [_card(number, guide, jobs, known) for number, guide in enumerate(GUIDES, 1) if jobs]


def _card(
    number: int, guide: Guide, jobs: Sequence[Mapping[str, Any]], known: Sequence[Job]
) -> Component:
    wanted = [jobs[place] for place in guide.needs]
    have = [fitting(job, known) for job in wanted]
    return html.Section(
        [
            html.Div(
                [html.Span(str(number), className="guide-number"), html.H2(guide.title)],
                className="guide-head",
            ),
            html.P(["You will see: ", guide.see], className="expected"),
            html.Div([_button(guide, wanted, have), _cost(guide, have)], className="guide-foot"),
        ],
        className="card guide",
    )


def _button(guide: Guide, wanted: Sequence[Any], have: Sequence[str | None]) -> Component:
    if all(have):
        href = guide.path.format(",".join(str(job) for job in have))
        return dcc.Link("Open", href=href, className="button filled", title=guide.title)
    told = {
        "path": guide.path,
        "waits": guide.waits,
        "jobs": [job or {**one, "tags": [PRESET]} for one, job in zip(wanted, have, strict=True)],
    }
    return html.Button(
        guide.does,
        type="button",
        className="button filled",
        **{"data-guide": json.dumps(told), "aria-describedby": f"guide-said-{guide.name}"},
    )


def _cost(guide: Guide, have: Sequence[str | None]) -> Component:
    """What it takes, and then, by the script, how far it is."""
    missing = sum(job is None for job in have)
    told = "a few seconds on a CPU" if missing else "already trained"
    return html.Span(told, id=f"guide-said-{guide.name}", className="cost", role="status")


def fitting(wanted: Mapping[str, Any], known: Sequence[Job]) -> str | None:
    """A finished job of the same name whose spec agrees in all that is asked for."""
    for job in known:
        if job["name"] == wanted["name"] and _agrees(job["spec"], wanted["spec"]):
            return job["id"]
    return None


def _agrees(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _agrees(found.get(name), value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_agrees, found, wanted))
    return bool(found == wanted)
