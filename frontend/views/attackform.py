"""The attack page's form: which attacks, over which budgets, on how many examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import forms, parts, specs, words
from frontend.api import Catalog, Job
from frontend.views import budgets, ids
from frontend.views.called import called
from frontend.views.head import ENDED, attack_words

MADE_ON = "Made on the network of"
"""The other network of a transfer, as the form and its errors call it."""
FIRST = ("norm", "steps", "step_size", "restarts")
"""What is asked first; the rest follows in the catalogue's order."""


def fresh(source: Job, catalog: Catalog) -> dict[str, Any]:
    """What a form starts with: PGD where there is one, its budgets, as they suit the data."""
    names = [entry["name"] for entry in specs.of_kind(catalog, "attack")]
    first = {"name": "pgd" if "pgd" in names else (names or [""])[0]}
    return {
        "attacks": [first],
        "eps_grid": budgets.grid(catalog, first, data_of(source)),
        "split": "test",
        "limit": 1000,
        "seed": 0,
    }


def data_of(source: Job) -> str:
    """The name of the data that a network learned."""
    return str((source["spec"].get("dataset") or {}).get("name"))


def form(
    catalog: Catalog, source: Job, others: Sequence[Job], spec: Mapping[str, Any]
) -> list[Component]:
    """Every control, holding what the spec says."""
    line = [
        _names(catalog, spec),
        _grid(catalog, spec),
        _whole(ids.ATTACK_LIMIT, "Examples, at most", spec["limit"], least=1),
        _split(source, spec),
        _whole(ids.ATTACK_SEED, "Seed", spec.get("seed", 0), least=0),
        _other(catalog, source, others, spec),
    ]
    return [
        dcc.Store(id=ids.ATTACK_SUGGESTED),
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


def _grid(catalog: Catalog, spec: Mapping[str, Any]) -> Component:
    label, description = grid_words(catalog, spec["attacks"])
    return dmc.TextInput(
        id=ids.ATTACK_GRID,
        label=label,
        description=description,
        value=specs.text(spec["eps_grid"]),
        debounce=400,
        inputWrapperOrder=["label", "input", "description", "error"],
        size="sm",
    )


def grid_words(catalog: Catalog, attacks: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """What budgets are counted in, and what they mean to each of the attacks."""
    found = [budgets.budget(catalog, attack) for attack in attacks]
    told = list(dict.fromkeys(budgets.symbols(one["label"]) for one in found if one))
    unit = budgets.unit(catalog, attacks[0]) if attacks else "of the attack"
    return f"Budgets ({unit})", "; ".join([*told, "commas between"])


def _split(source: Job, spec: Mapping[str, Any]) -> Component:
    held = (source["spec"].get("dataset") or {}).get("validation")
    return dmc.Select(
        id=ids.ATTACK_SPLIT,
        label="Split",
        data=["test", *["validation"] * bool(held), "train"],
        value=spec["split"],
        allowDeselect=False,
        size="sm",
    )


def transfers(catalog: Catalog, attacks: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of them is made on another network."""
    entries = (specs.find(catalog, "attack", str(one.get("name"))) for one in attacks)
    return any((entry or {"facts": {}}).get("facts", {}).get("transfers") for entry in entries)


def _other(
    catalog: Catalog, source: Job, others: Sequence[Job], spec: Mapping[str, Any]
) -> Component:
    same = [one for one in others if data_of(one) == data_of(source) and one["id"] != source["id"]]
    select = dmc.Select(
        id=ids.ATTACK_OTHER,
        label=MADE_ON,
        description="a trained job of the same data",
        data=[{"value": one["id"], "label": called(one)} for one in same],
        value=spec.get("transfer_from"),
        placeholder="choose one" if same else "no other network of these data",
        inputWrapperOrder=["label", "input", "description", "error"],
        searchable=True,
        size="sm",
    )
    return html.Div(
        select,
        id=ids.ATTACK_OTHER_PLACE,
        className="attack-other",
        hidden=not transfers(catalog, spec["attacks"]),
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


def asked_attacks(catalog: Catalog, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attacks that the controls choose, with their parameters."""
    attacks = []
    for name in values.get("names") or []:
        attack: dict[str, Any] = {"name": name}
        for key, schema in _asked(catalog, name).items():
            value = values.get(f"{name}.{key}")
            if value is not None and value != "":
                attack[key] = specs.parsed(schema, value)
        attacks.append(attack)
    return attacks


def request(catalog: Catalog, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for; `values` are its controls by path."""
    attacks = asked_attacks(catalog, values)
    numbers = {"type": "array", "items": {"type": "number"}}
    spec = {
        "source": source,
        "attacks": attacks,
        "eps_grid": specs.parsed(numbers, values.get("grid") or ""),
        "split": values.get("split") or "test",
    }
    if values.get("other") and transfers(catalog, attacks):
        spec["transfer_from"] = values["other"]
    for key in ("limit", "seed"):
        if values.get(key) not in (None, ""):
            spec[key] = values[key]
    return {"kind": "attack", "spec": spec}


def name_of(
    catalog: Catalog, source: Job, spec: Mapping[str, Any], other: Job | None = None
) -> str:
    """PGD-20, linf on weight decay; of a transfer also whose network its inputs are made on."""
    titles = specs.titles(catalog, "attack")
    names = ", ".join(attack_words(attack, titles) for attack in spec["attacks"])
    made = f", made on {called(other)}" if other else ""
    return f"{names} on {called(source)}{made}"[:120]


def page_form(
    catalog: Catalog, source: Job, others: Sequence[Job], spec: Mapping[str, Any]
) -> Component:
    """The form beside its estimate and button."""
    body = parts.card(form(catalog, source, others, spec), className="attack-form")
    return html.Div([body, _side(ready=source["state"] in ENDED)], className="attack-top")


def _side(*, ready: bool) -> Component:
    run = dmc.Button(
        "Run the attack" if ready else "Still training",
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
