"""The attack jobs of a network, to choose whose results are shown."""

from __future__ import annotations

from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend import specs, words
from frontend.api import Catalog, Job
from frontend.views import ids
from frontend.views.head import attack_words


def choices(catalog: Catalog, attacks: Sequence[Job]) -> list[dict[str, str]]:
    """The attack jobs of a network, as a select shows them."""
    titles, found = specs.titles(catalog, "attack"), []
    for job in attacks:
        names = ", ".join(attack_words(one, titles) for one in job["spec"].get("attacks", []))
        ended = [job["state"]] if job["state"] in ("failed", "cancelled") else []
        label = " · ".join([names, words.ago(job["created_at"]), *ended])
        found.append({"value": job["id"], "label": label})
    return found


def picker(
    catalog: Catalog, attacks: Sequence[Job], main: str | None, overlay: Sequence[str]
) -> Component:
    """Which results are shown, and which are drawn beside them."""
    data = choices(catalog, attacks)
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
