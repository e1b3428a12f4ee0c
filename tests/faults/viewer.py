"""Somebody who watches a job over server-sent events, and comes back where the stream broke off."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import httpx

from tests.faults.stand import PATIENCE_S, Stand

AGAIN_S = 0.1
ENDED = ("succeeded", "failed", "cancelled")


class Viewer(threading.Thread):
    """Collects one measurement of a job by (attempt, seq) until the job has ended."""

    def __init__(self, stand: Stand, job: str, name: str) -> None:
        super().__init__(daemon=True)
        self.stand, self.job, self.name = stand, job, name
        self.seen: list[tuple[int, int]] = []
        self._last = ""
        self._over = False

    def run(self) -> None:
        until = time.monotonic() + 2 * PATIENCE_S
        while not self._over and time.monotonic() < until:
            try:
                self._watch()
            except httpx.HTTPError:
                time.sleep(AGAIN_S)

    def _watch(self) -> None:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        with (
            self.stand.explorer.client() as client,
            client.stream("GET", f"/events?jobs={self.job}", headers=headers) as answer,
        ):
            answer.raise_for_status()
            for fields in messages(answer):
                self._take(fields)
                if self._over:
                    return
        time.sleep(AGAIN_S)

    def _take(self, fields: dict[str, str]) -> None:
        self._last = fields.get("id", self._last)
        data = json.loads(fields.get("data", "{}"))
        if fields.get("event") == "measured":
            mine = [item for item in data["items"] if item["name"] == self.name]
            self.seen += [(item["attempt"], item["seq"]) for item in mine]
        elif fields.get("event") == "state":
            self._over = data["state"] in ENDED

    def wrong(self) -> str:
        """What it missed or saw twice, once the job has ended; nothing is an empty text."""
        self.join(PATIENCE_S)
        if self.is_alive():
            return "a viewer never heard of the end"
        points = self.stand.history(self.job, self.name)
        missed = {(point["attempt"], point["seq"]) for point in points} - set(self.seen)
        twice = len(self.seen) - len(set(self.seen))
        told = f"missed {len(missed)} of {len(points)}" if missed else ""
        return f"a viewer {told} saw {twice} twice" if missed or twice else ""


def messages(answer: httpx.Response) -> Iterator[dict[str, str]]:
    """Whole messages; one that breaks off never was."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line:
            yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
