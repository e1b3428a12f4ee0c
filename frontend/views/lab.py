"""What the labs of one saved network share: their stores, their heading, who has no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts
from frontend.api import Api, Job
from frontend.views import head, networks
from frontend.views.called import called
from frontend.views.plotcard import furniture

STORES = ("asked", "source", "told-data", "live")


@dataclass(frozen=True)
class Lab:
    """A page at `/lab/<name>?job=…`; its ids begin with its name."""

    name: str
    title: str
    of: str
    """The title with a network's name in it."""
    lead: str
    doing: str
    """There is no trained network to … yet."""

    @property
    def path(self) -> str:
        return f"/lab/{self.name}"

    def id(self, part: str) -> str:
        return f"{self.name}-{part}"

    def layout(self, asked: Mapping[str, Any], height: int) -> Component:
        """The page while it is being filled."""
        return html.Div(
            [
                dcc.Store(id=self.id(STORES[0]), data=asked),
                *[dcc.Store(id=self.id(store)) for store in STORES[1:]],
                html.Div([self.head(None), parts.skeleton(height)], id=self.id("content")),
                *furniture(),
            ],
            id=self.id("page"),
        )

    def head(self, job: Job | None) -> Component:
        actions = []
        if job is not None:
            actions = [
                parts.button_link("Choose another network", self.path),
                parts.button_link("Its training", f"/jobs/{job['id']}"),
            ]
        return parts.header(
            self.of.format(called(job)) if job else self.title,
            crumbs=[("Labs", ""), (self.name, "")],
            facts=head.what(job) if job else None,
            under=html.P(self.lead, className="lead"),
            actions=actions,
        )

    async def choice(self, api: Api, mark: Callable[[Job], str] = lambda _: "") -> list[Component]:
        """No network was named: those there are, with what `mark` says of each."""
        nothing = f"There is no trained network to {self.doing} yet."
        return [self.head(None), await networks.choice(api, self.path, nothing, mark)]

    def unfit(self, job: Job) -> list[Component] | None:
        """What is said of a job that has no finished network; None where it has one."""
        if job["kind"] == "train" and head.has_network(job):
            return None
        again = parts.button_link("Choose a trained network", self.path, filled=True)
        return [self.head(None), parts.empty("This job left no trained network.", again)]
