"""What an attempt needs of an object store, brought here before, and what it leaves, put there.

Without a store the attempt works in the folder of all artifacts and nothing is brought or put.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from worker.contract import wire
from worker.contract.artifacts import Artifacts
from worker.contract.bucket import Bucket
from worker.contract.settings import Settings
from worker.contract.spec import TrainSpec
from worker.presence import name_of

STATES = "resume-*.safetensors"
LOOK_S, AWAY_S = 0.5, 60.0
DATASETS = "datasets"

logger = logging.getLogger(__name__)


class Staging:
    """A folder of this process alone: `settings` is as an attempt in it needs them. States that
    come and go there come and go in the store."""

    def __init__(self, settings: Settings, ticket: wire.Ticket) -> None:
        self.ticket, self.asked = ticket, settings
        self.bucket = Artifacts(settings).bucket
        self.settings = with_datasets(settings)
        if self.bucket is not None:
            own = settings.data_dir.resolve() / "attempts" / name_of(os.getpid())
            self.settings = self.settings.model_copy(update={"data_dir": own})
            _clear(own)
        self.here = Artifacts(self.settings.model_copy(update={"artifacts_url": None})).folder
        self._mirrored: set[str] = set()
        self._turn, self._over = threading.Lock(), threading.Event()

    def bring(self) -> None:
        """Data, trained networks and states that earlier attempts left. Raises OSError; what is
        nowhere is for the lab to miss."""
        recipe = (self.ticket.source or self.ticket).spec
        bring_dataset(self.asked, TrainSpec.model_validate(recipe).dataset.name)
        if self.bucket is None:
            return
        for source in _sources(self.ticket.source):
            name = f"{source.job}/{source.attempt}/{source.checkpoint}"
            if self.bucket.find(name):
                self.bucket.get(name, self.here / name)
        for name in self.bucket.find(f"{self.ticket.job}/"):
            path = Path(name)
            if path.match(STATES) and int(path.parts[1]) <= self.ticket.attempt:
                self.bucket.get(name, self.here / name)
                self._mirrored.add(name)
        threading.Thread(target=self._follow, name="staging", daemon=True).start()

    def put(self, name: str) -> None:
        """A file of this attempt that is about to be told of. A store that is away is waited for
        a while; raises OSError."""
        place, until = f"{self.ticket.job}/{self.ticket.attempt}/{name}", time.monotonic() + AWAY_S
        while self.bucket is not None:
            try:
                self.bucket.put(self.here / place, place)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
            time.sleep(LOOK_S)

    def sync(self) -> None:
        """The states in the store as they are here: what is new is put before what is old goes. A
        store that refuses is tried again later."""
        if self.bucket is None:
            return
        with self._turn:
            try:
                self._sync(self.bucket)
            except OSError as error:
                logger.warning("states wait for the object store: %s", error)

    def _sync(self, bucket: Bucket) -> None:
        found = (self.here / self.ticket.job).glob(f"*/{STATES}")
        now = {file.relative_to(self.here).as_posix() for file in found}
        for name in sorted(now - self._mirrored):
            with suppress(FileNotFoundError):  # a newer one has replaced it meanwhile
                bucket.put(self.here / name, name)
                self._mirrored.add(name)
        gone = self._mirrored - now
        bucket.remove(gone)
        self._mirrored -= gone

    def _follow(self) -> None:
        while not self._over.wait(LOOK_S):
            self.sync()

    def close(self) -> None:
        """The attempt is over; what it left is in the store, or another attempt's affair."""
        self._over.set()
        if self.bucket is not None:
            with self._turn:
                shutil.rmtree(self.settings.data_dir, ignore_errors=True)


def with_datasets(settings: Settings) -> Settings:
    """With a folder for data sets where they are brought from a store."""
    if settings.datasets_url is None or settings.datasets_dir is not None:
        return settings
    return settings.model_copy(update={"datasets_dir": settings.data_dir.resolve() / DATASETS})


def bring_dataset(settings: Settings, name: str) -> None:
    """The data set's files, if a store of data sets has it and it is not here yet."""
    folder = with_datasets(settings).datasets_dir
    if settings.datasets_url is None or folder is None or (folder / name).exists():
        return
    bucket = Bucket(settings.datasets_url, settings.artifacts_endpoint)
    coming = folder / f".{name}.{os.getpid()}"
    try:
        for file in (found := bucket.find(f"{name}/")):
            bucket.get(file, coming / Path(file).relative_to(name))
        if found and not (folder / name).exists():
            coming.rename(folder / name)
    finally:
        shutil.rmtree(coming, ignore_errors=True)


def _sources(source: wire.Source | None) -> Iterator[wire.Source]:
    if source is not None:
        yield from (source, *source.peers)


def _clear(own: Path) -> None:
    """A new folder; those of this host's processes that were killed go."""
    for folder in own.parent.glob(f"{socket.gethostname()}-*"):
        if folder == own or not psutil.pid_exists(int(folder.name.rpartition("-")[2])):
            shutil.rmtree(folder, ignore_errors=True)
