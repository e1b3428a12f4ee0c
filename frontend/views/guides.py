"""Three experiments for a first minute: what one will see, the button that does it, and on the page
that it leads to what to look at."""

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
    again: str
    """What the button says once its jobs are there."""
    needs: tuple[int, ...]
    path: str
    look: str
    """What to look at, on the page that the path leads to."""
    waits: bool = True

    @property
    def address(self) -> str:
        """The path, by which that page also knows which experiment it is part of."""
        return f"{self.path}&{MARK}={self.name}"


MARK = "guide"
"""The name in an address of the experiment that led there."""

GUIDES = (
    Guide(
        "shift",
        "Move scale between layers",
        "One layer’s weights grow fourfold and the last layer’s shrink to match. No answer of the "
        "network changes, nor does WEISSI’s value; weight decay’s jumps.",
        "Train a small network and shift it",
        "Shift it",
        (0,),
        "/lab/shift?job={}&s=2",
        "The table: the largest change of any logit is no more than rounding and WEISSI’s rows are "
        "invariant, while weight decay’s value has moved. Move a slider yourself; then see below "
        "where training leads from the same function at two places.",
    ),
    Guide(
        "attack",
        "Attack it",
        "A handwritten digit changed so little that one still reads it, and the network reads "
        "another. Choose how much may change, and watch the answer turn.",
        "Train a small network and attack it",
        "Attack it",
        (0,),
        "/lab/attack?job={}",
        "The pictures: the digit as it is, what was added to it, and the two together; beneath "
        "what the network answers. Move ε to where the answer turns, then try another example. The "
        "form below attacks the whole test set.",
    ),
    Guide(
        "compare",
        "Compare weight decay with WEISSI",
        "The same network trained under each penalty and under none, curve over curve while they "
        "train: the intrinsic norm that penalties hold down, and what comes of loss and accuracy.",
        "Train all three and compare them",
        "Compare them",
        (0, 1, 2),
        "/compare?jobs={}&name=norm/intrinsic,train/loss/cross_entropy,test/accuracy,gradient/input",
        "The intrinsic norm ∏‖W‖: without a penalty it ends higher than under either one, whose "
        "strengths were chosen to hold it about equally. Then the cross-entropy, the part of the "
        "loss that all three have, and the test accuracy: is the difference more than chance?",
        waits=False,
    ),
)


def cards(catalog: Catalog, known: Sequence[Job]) -> list[Component]:
    """A card an experiment; where its jobs are there already its button is a link."""
    preset = specs.find(catalog, "preset", PRESET)
    jobs = [*preset["facts"]["jobs"], _plain(preset["facts"]["jobs"][0])] if preset else []
    return [_card(number, guide, jobs, known) for number, guide in enumerate(GUIDES, 1) if jobs]


def _plain(job: Mapping[str, Any]) -> dict[str, Any]:
    """The same training without a penalty: what the others are to be compared with."""
    spec = {**job["spec"], "methods": [{"name": "cross_entropy"}]}
    return {**job, "name": f"no penalty on {spec['dataset']['name']}", "spec": spec}


def strips() -> list[Component]:
    """Of each experiment what to look at; the shell shows the one that the address names."""
    return [_strip(number, guide) for number, guide in enumerate(GUIDES, 1)]


def _strip(number: int, guide: Guide) -> Component:
    last = number == len(GUIDES)
    onward = "Back to Home: what to do next" if last else "Back to the experiments"
    return html.Aside(
        [
            html.Span(str(number), className="guide-number"),
            html.P([html.Strong("Look at: "), guide.look, " ", dcc.Link(onward, href="/")]),
        ],
        className="guide-strip",
        hidden=True,
        **{"data-guide-strip": guide.name, "aria-label": guide.title},
    )


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
        href = guide.address.format(",".join(str(job) for job in have))
        return dcc.Link(guide.again, href=href, className="button filled", title=guide.title)
    told = {
        "path": guide.address,
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
    told = "a few seconds on a CPU" if missing else "trained already"
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
