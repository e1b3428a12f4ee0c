"""The attack page's form: which attacks, over which budgets, on how many examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import forms, parts, specs, words
from frontend.api import Catalog, Job
from frontend.views import ids
from frontend.views.head import ENDED, attack_words

GRIDS = {"digits": [0.0, 0.02, 0.05, 0.1, 0.15, 0.2], "mnist": [0.0, 0.05, 0.1, 0.2, 0.3]}
DEFAULT_GRID = [0.0, 0.01, 0.02, 0.04, 0.08]
PIXEL = 1 / 255
FIRST = ("norm", "steps", "step_size", "restarts")
"""What is asked first; the rest follows in the catalogue's order."""


def fresh(source: Job, catalog: Catalog) -> dict[str, Any]:
    """What a form starts with: PGD where there is one, budgets that suit the data."""
    names = [entry["name"] for entry in specs.of_kind(catalog, "attack")]
    data = source["spec"].get("dataset", {}).get("name")
    grid = [round(n * PIXEL, 5) for n in (0, 1, 2, 4, 8)] if data == "cifar10" else DEFAULT_GRID
    return {
        "attacks": [{"name": "pgd" if "pgd" in names else (names or [""])[0]}],
        "eps_grid": GRIDS.get(str(data), grid),
        "split": "test",
        "limit": 1000,
        "seed": 0,
    }


def form(catalog: Catalog, spec: Mapping[str, Any]) -> list[Component]:
    """Every control, holding what the spec says."""
    line = [
        _names(catalog, spec),
        _grid(spec),
        _whole(ids.ATTACK_LIMIT, "Examples, at most", spec["limit"], least=1),
        _split(spec),
        _whole(ids.ATTACK_SEED, "Seed", spec.get("seed", 0), least=0),
    ]
    return [
        html.Div(line, className="attack-line"),
        html.Div(params(catalog, spec["attacks"]), id=ids.ATTACK_PARAMS, className="attack-params"),
    ]


def _names(catalog: Catalog, spec: Mapping[str, Any]) -> Component:
    entries = specs.of_kind(catalog, "attack")
    return dmc.MultiSelect(
        id=ids.ATTACK_NAMES,
        label="Attacks",
        data=[{"value": entry["name"], "label": entry["title"]} for entry in entries],
        value=[attack["name"] for attack in spec["attacks"]],
        size="sm",
    )


def _grid(spec: Mapping[str, Any]) -> Component:
    return dmc.TextInput(
        id=ids.ATTACK_GRID,
        label="ε, the budgets",
        description="input units, commas between",
        value=specs.text(spec["eps_grid"]),
        debounce=400,
        inputWrapperOrder=["label", "input", "description", "error"],
        size="sm",
    )


def _split(spec: Mapping[str, Any]) -> Component:
    return dmc.Select(
        id=ids.ATTACK_SPLIT,
        label="Split",
        data=["test", "train"],
        value=spec["split"],
        allowDeselect=False,
        size="sm",
    )


def _whole(id: str, label: str, value: Any, least: int) -> Component:
    return dmc.NumberInput(
        id=id,
        label=label,
        value=value,
        min=least,
        allowDecimal=False,
        thousandSeparator=" ",
        clampBehavior="none",  # a number out of range is told, not silently changed
        debounce=400,
        size="sm",
    )


def params(catalog: Catalog, attacks: Iterable[Mapping[str, Any]]) -> list[Component]:
    """The parameters of each chosen attack; the budget itself is the grid's."""
    shown = []
    for attack in attacks:
        entry = specs.find(catalog, "attack", attack["name"])
        if entry is None:
            continue
        made = forms.controls(
            catalog, _asked(catalog, attack["name"]), f"{attack['name']}.", attack
        )
        inside = [
            html.Legend(entry["title"]),
            html.P(entry["summary"], className="about"),
            forms.grid([_ours(one) for one in made]),
        ]
        shown.append(html.Fieldset(inside, className="entry-card"))
    return shown


def _asked(catalog: Catalog, attack: str) -> dict[str, dict[str, Any]]:
    found = specs.parameters(specs.find(catalog, "attack", attack))
    first = [name for name in FIRST if name in found]
    rest = [name for name in found if name not in (*first, "eps")]
    return {name: found[name] for name in [*first, *rest]}


def _ours(control: Component) -> Component:
    """The launch form listens to its own controls; these are not of it."""
    found = control.id
    made = ids.attack_flag if found["type"] == "flag" else ids.attack_control
    control.id = made(found["path"])
    return control


def request(catalog: Catalog, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for; `values` are its controls by path."""
    attacks = []
    for name in values.get("names") or []:
        attack: dict[str, Any] = {"name": name}
        for key, schema in _asked(catalog, name).items():
            value = values.get(f"{name}.{key}")
            if value is not None and value != "":
                attack[key] = specs.parsed(schema, value)
        attacks.append(attack)
    numbers = {"type": "array", "items": {"type": "number"}}
    spec = {
        "source": source,
        "attacks": attacks,
        "eps_grid": specs.parsed(numbers, values.get("grid") or ""),
        "split": values.get("split") or "test",
    }
    for key in ("limit", "seed"):
        if values.get(key) not in (None, ""):
            spec[key] = values[key]
    return {"kind": "attack", "spec": spec}


def name_of(source: Job, spec: Mapping[str, Any]) -> str:
    """PGD-20, linf on weight decay."""
    names = ", ".join(attack_words(attack) for attack in spec["attacks"])
    return f"{names} on {source['name'] or source['id']}"[:120]


def page_form(catalog: Catalog, source: Job, spec: Mapping[str, Any]) -> Component:
    """The form beside its estimate and button."""
    body = parts.card(form(catalog, spec), className="attack-form")
    return html.Div([body, _side(ready=source["state"] in ENDED)], className="attack-top")


def _side(*, ready: bool) -> Component:
    run = dmc.Button(
        "Run on the test set" if ready else "Still training",
        id=ids.ATTACK_RUN,
        disabled=not ready,
        fullWidth=True,
        size="sm",
    )
    return parts.card(
        [
            html.Div(estimate({}), id=ids.ATTACK_ESTIMATE, **{"aria-live": "polite"}),
            html.Div(id=ids.ATTACK_ERROR, className="launch-error"),
            run,
            html.Details([html.Summary("The same from a shell"), _shell()], className="folded"),
        ],
        className="attack-side",
    )


def _shell() -> Component:
    return html.Div(
        [
            html.Pre(id=ids.ATTACK_CURL, className="curl", tabIndex=0),
            dcc.Clipboard(target_id=ids.ATTACK_CURL, title="Copy", className="copy"),
        ],
        className="code",
    )


def estimate(cost: Mapping[str, Any]) -> Component:
    rows = [
        ("Time, about", words.duration(cost.get("seconds"))),
        ("Inputs to attack", words.count(cost.get("steps"))),
    ]
    return html.Dl(
        [part for name, value in rows for part in (html.Dt(name), html.Dd(value))],
        className="estimate",
    )


def choices(attacks: Sequence[Job]) -> list[dict[str, str]]:
    """The attack jobs of a network, as a select shows them."""
    return [
        {
            "value": job["id"],
            "label": f"{', '.join(attack_words(a) for a in job['spec'].get('attacks', []))}"
            f" · {words.ago(job['created_at'])}"
            + (f" · {job['state']}" if job["state"] in ("failed", "cancelled") else ""),
        }
        for job in attacks
    ]


def picker(attacks: Sequence[Job], main: str | None, overlay: Sequence[str]) -> Component:
    """Which results are shown, and which are drawn beside them."""
    data = choices(attacks)
    return html.Div(
        [
            dmc.Select(
                id=ids.ATTACK_MAIN,
                label="Results of",
                data=data,
                value=main,
                placeholder="none yet",
                allowDeselect=False,
                size="sm",
            ),
            dmc.MultiSelect(
                id=ids.ATTACK_OVERLAY,
                label="Drawn beside it",
                data=data,
                value=list(overlay),
                clearable=True,
                size="sm",
            ),
        ],
        className="attack-picker",
    )
