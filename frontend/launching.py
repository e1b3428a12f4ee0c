"""The parts of the launch page: presets, the form's sections, the estimate beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import forms, ids, parts, specs, words
from frontend.api import ApiError, Catalog, Entry
from frontend.views.sweepform import sending

PRIORITY = "normal"


def presets(catalog: Catalog, asked: str | None) -> Component | None:
    """A row of presets; the chosen one says what it claims and offers all of its jobs."""
    entries = specs.of_kind(catalog, "preset")
    if not entries:
        return None
    name = (asked or "").partition("/")[0]
    chosen = next((entry for entry in entries if entry["name"] == name), None)
    row = html.Div([_preset(entry, entry is chosen) for entry in entries], className="presets")
    return html.Div([row, _chosen_preset(chosen, asked or "") if chosen else None])


def _preset(entry: Entry, chosen: bool) -> Component:
    return html.Button(
        [
            html.Strong(entry["title"]),
            html.Span(entry["summary"], className="about"),
            html.Span(words.cost(entry["facts"].get("cost")), className="cost"),
        ],
        id=ids.preset(entry["name"]),
        className="card preset",
        **{"aria-pressed": str(chosen).lower()},
    )


def _chosen_preset(entry: Entry, asked: str) -> Component:
    facts = entry["facts"]
    jobs = [job for job in facts.get("jobs", []) if job["kind"] == "train"]
    rows = [("Claim", facts.get("claim")), ("Expected", facts.get("expected"))]
    known = html.Dl([part for row in rows if row[1] for part in _row(*row)])
    several = len(jobs) > 1
    index = int(asked.partition("/")[2] or 0)
    picks = [_pick(entry, i, job, i == index) for i, job in enumerate(jobs)] if several else []
    all_jobs = html.Button(
        f"Launch all {len(jobs)} jobs",
        id=ids.preset_launch(entry["name"]),
        className="button filled",
    )
    foot = html.Div(
        [html.Span("The form shows:", className="about"), *picks, all_jobs], className="picks"
    )
    return html.Div([known, foot if several else None], className="card preset-chosen")


def _row(term: str, what: str | None) -> list[Component]:
    return [html.Dt(term), html.Dd(what)]


def _pick(entry: Entry, index: int, job: Mapping[str, Any], chosen: bool) -> Component:
    return html.Button(
        job.get("name") or f"job {index + 1}",
        id=ids.preset(f"{entry['name']}/{index}"),
        className="button pick",
        **{"aria-pressed": str(chosen).lower()},
    )


def form(
    catalog: Catalog, request: Mapping[str, Any], devices: Sequence[str] | None = None
) -> list[Component]:
    """Every section of the form, holding the request's values, else defaults."""
    spec = {**specs.defaults(catalog), **(request.get("spec") or {})}
    run = specs.run(devices, spec.get("device"))
    return [
        parts.card(_single(catalog, "dataset", spec), title="Data"),
        parts.card(_single(catalog, "model", spec), title="Network"),
        parts.card(_methods(catalog, spec), title="Methods", about="Their losses add up."),
        parts.card(_single(catalog, "optimizer", spec), title="Optimizer"),
        parts.card(_diagnostics(catalog, spec), title="Measure while training"),
        parts.card(forms.grid(forms.controls(catalog, run, "", spec)), title="Run"),
    ]


def named() -> Component:
    """The job's name and tags; folded, when its turn comes."""
    name = dmc.TextInput(
        id=ids.LAUNCH_NAME,
        label="Name",
        placeholder="such as: WEISSI on digits",
        debounce=400,
        size="sm",
    )
    tags = dmc.TagsInput(id=ids.LAUNCH_TAGS, label="Tags", size="sm")
    priority = dmc.Select(
        id=ids.LAUNCH_PRIORITY,
        label="Priority",
        description="jobs that wait are begun in this order; high is an admin’s",
        data=["low", PRIORITY, "high"],
        value=PRIORITY,
        allowDeselect=False,
        inputWrapperOrder=["label", "input", "description", "error"],
        size="sm",
    )
    more = html.Details([html.Summary("When it runs"), forms.grid([priority])], className="folded")
    return parts.card([forms.grid([name, tags]), more])


def _single(catalog: Catalog, slot: str, spec: Mapping[str, Any]) -> Component:
    kind = specs.SINGLE[slot]
    return forms.chooser(catalog, slot, None, kind, spec.get(slot))


def _methods(catalog: Catalog, spec: Mapping[str, Any]) -> list[Component]:
    names = [choice["name"] for choice in spec["methods"]]
    entries = specs.of_kind(catalog, "method")
    select = dmc.MultiSelect(
        id=ids.control("methods"),
        data=[{"value": entry["name"], "label": entry["title"]} for entry in entries],
        value=names,
        searchable=True,
        size="sm",
        **{"aria-label": "Methods"},
    )
    cards = html.Div(
        chosen_at(catalog, "methods", names, spec),
        id=ids.entry_params("methods"),
        className="method-cards",
    )
    return [select, cards]


def _diagnostics(catalog: Catalog, spec: Mapping[str, Any]) -> list[Component]:
    names = [choice["name"] for choice in spec["diagnostics"]]
    first = {*names, *specs.DEFAULTS["diagnostics"]}
    entries = specs.of_kind(catalog, "diagnostic")
    more = [_box(entry) for entry in entries if entry["name"] not in first]
    group = dmc.CheckboxGroup(
        [
            html.Div(
                [_box(entry) for entry in entries if entry["name"] in first], className="boxes"
            ),
            html.Details(
                [html.Summary(f"{len(more)} more"), html.Div(more, className="boxes")],
                className="folded",
            )
            if more
            else None,
        ],
        id=ids.control("diagnostics"),
        value=names,
        **{"aria-label": "Measure while training"},
    )
    cards = html.Div(
        chosen_at(catalog, "diagnostics", names, spec),
        id=ids.entry_params("diagnostics"),
        className="method-cards",
    )
    return [group, cards]


def _box(entry: Entry) -> Component:
    return dmc.Checkbox(
        value=entry["name"], label=entry["title"], description=entry["summary"], size="sm"
    )


def chosen_at(catalog: Catalog, path: str, value: Any, spec: Mapping[str, Any]) -> list[Any]:
    """The parameters under the control at `path` after its choice became `value`."""
    if path in specs.LISTS:
        known = {choice["name"]: choice for choice in spec.get(path) or []}
        kind = specs.LISTS[path]
        return [
            _entry_card(catalog, path, kind, known.get(name, {"name": name}))
            for name in value or []
            if path == "methods" or specs.parameters(specs.find(catalog, kind, name))
        ]
    kind = specs.kind_at(catalog, path)
    before = specs.value_at(spec, path)
    given = before if isinstance(before, Mapping) and before.get("name") == value else {}
    return forms.chosen(catalog, path, kind, {**given, "name": value})


def _entry_card(catalog: Catalog, slot: str, kind: str, choice: Mapping[str, Any]) -> Component:
    entry = specs.find(catalog, kind, choice["name"])
    title = entry["title"] if entry else choice["name"]
    link = dcc.Link(
        "about",
        href=f"/catalogue?kind={kind}&q={choice['name']}",
        className="about-link",
        title=f"{title} in the catalogue",
    )
    inside = forms.chosen(catalog, f"{slot}.{choice['name']}", kind, choice)
    return html.Fieldset([html.Legend([title, " ", link]), *inside], className="entry-card")


def side() -> Component:
    """Beside the form: what it will cost, the button, the same as curl."""
    submit = dmc.Button("Launch job", id=ids.LAUNCH_SUBMIT, fullWidth=True, size="sm")
    copy = html.Button(
        "Copy",
        id=ids.LAUNCH_CURL_COPY,
        className="small-button",
        **{"data-copy": ids.LAUNCH_CURL, "aria-label": "Copy the command"},
    )
    return html.Aside(
        [
            parts.card(
                [
                    html.Div(_figures({}), id=ids.LAUNCH_ESTIMATE, **{"aria-live": "polite"}),
                    html.Div(id=ids.LAUNCH_ERROR, className="launch-error"),
                    submit,
                    *sending(),
                ],
                title="Estimate",
                about="before anything runs",
            ),
            parts.card(
                html.Pre(id=ids.LAUNCH_CURL, className="curl", tabIndex=0),
                title="The same from a shell",
                tools=copy,
            ),
        ],
        className="side",
    )


def estimate(catalog: Catalog, request: Mapping[str, Any], cost: Mapping[str, Any]) -> list[Any]:
    """The cost in four figures, and a line for each value that is known to be trouble."""
    warned = [
        html.P(sentence, className="warned")
        for _, sentence in specs.warnings(catalog, request["spec"])
    ]
    return [_figures(cost), *warned]


def _figures(cost: Mapping[str, Any]) -> Component:
    rows = [
        ("Parameters", words.count(cost.get("parameters"))),
        ("Steps", words.count(cost.get("steps"))),
        ("Time, about", words.duration(cost.get("seconds"))),
        ("Memory, about", words.size(cost.get("memory_bytes"))),
    ]
    return html.Dl(
        [part for name, value in rows for part in (html.Dt(name), html.Dd(value))],
        className="estimate",
    )


def unknown(problem: ApiError) -> list[Any]:
    """No estimate: the request is not right yet, or the API is away."""
    fields = ", ".join(error["field"].removeprefix("spec.") for error in problem.errors)
    told = f"To correct: {fields}" if fields else problem.sentence
    return [_figures({}), html.P(told, className="warned")]
