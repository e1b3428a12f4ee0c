"""Experiments worth repeating, as documents: a claim, what to expect, what it costs, its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from worker.contract.catalog import Entry

FOLDER = Path(__file__).parent


class Job(BaseModel):
    """One job of an experiment, as REST takes it."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    name: str
    spec: dict[str, Any]


class Preset(BaseModel):
    """The document; its file's name is its name in the catalogue."""

    model_config = ConfigDict(extra="forbid")

    title: str
    summary: str
    help: str
    paper: str
    claim: str = Field(description="what the paper says, and where that was found")
    expected: str = Field(description="what the curves should show, and what was seen here")
    cost: str
    jobs: list[Job] = Field(min_length=1)

    def entry(self, name: str) -> Entry:
        told = {"title", "summary", "help", "paper"}
        facts = self.model_dump(exclude=told)
        return Entry(
            kind="preset",
            name=name,
            title=self.title,
            summary=self.summary,
            help=self.help,
            paper=self.paper,
            facts=facts,
        )


def presets(folder: Path = FOLDER) -> list[Entry]:
    """Every document of a folder, by name."""
    return [
        Preset.model_validate_json(path.read_bytes()).entry(path.stem)
        for path in sorted(folder.glob("*.json"))
    ]
