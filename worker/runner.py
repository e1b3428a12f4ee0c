"""One job from its ticket to its end: whatever happens becomes an event."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from worker.contract import traces
from worker.contract.events import DEVICE_FAILED, AnyEvent, Failed, Finished, Teller
from worker.contract.settings import Settings
from worker.contract.spec import AttackSpec, DiagnoseSpec, TrainSpec
from worker.contract.wire import Source, Ticket, artifact_path
from worker.lab import checkpoint, diagnose, evaluate, fit
from worker.lab.core.errors import LabError
from worker.lab.core.task import Task
from worker.lab.states import Keeping, forget, left
from worker.sinks import Sink

ROOT = Path(__file__).resolve().parents[1]
FRAMES = 12
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")


def run(
    ticket: Ticket, sink: Sink, stop: Callable[[], bool], settings: Settings, tell: Teller
) -> Finished | Failed:
    """Do what the ticket says; see `drive`."""
    return drive(lambda: events(ticket, stop, settings, tell, sink), sink, tell)


def drive(told: Callable[[], Iterator[AnyEvent]], sink: Sink, tell: Teller) -> Finished | Failed:
    """Put every event into the sink; returns the one that ends the job.

    Raises nothing but what ends a process (SystemExit, KeyboardInterrupt).
    """
    ending: Finished | Failed
    try:
        for event in told():
            sink.put(event)
            if isinstance(event, Finished):
                return event
        ending = tell.failed("internal", "the job stopped without telling how it ended")
    except LabError as error:
        ending = tell.failed(error.code, pathless(error.message), error.step)
    except Exception as error:
        ending = _failed(error, tell)
    sink.put(ending)
    return ending


def events(
    ticket: Ticket, stop: Callable[[], bool], settings: Settings, tell: Teller, sink: Sink
) -> Iterator[AnyEvent]:
    """The events of the lab's function that the ticket asks for."""
    folder = artifact_path(settings.data_dir, ticket.job, ticket.attempt, "any").parent
    if ticket.kind == "train":
        spec = TrainSpec.model_validate(ticket.spec)
        keeping = Keeping(settings.checkpoint_s, settings.checkpoints, sink.settled)
        data, resume = settings.datasets_dir, left(tries(folder))
        return fit(spec, tell, folder, data, stop, resume, keeping, traces.stage)
    if ticket.source is None:
        raise LabError("no_source", "the ticket names no trained network to start from")
    recipe = TrainSpec.model_validate(ticket.source.spec)
    with traces.stage("load network and data"):
        model, task = _load(ticket.source, settings)
    if ticket.kind == "diagnose":
        peers = [_load(peer, settings)[0] for peer in ticket.source.peers]
        asked = DiagnoseSpec.model_validate(ticket.spec)
        return diagnose(asked, model, task, recipe, tell, settings.datasets_dir, stop, peers)
    attacks = AttackSpec.model_validate(ticket.spec)
    other = _other(ticket.source, settings, task)
    given, kept = left(tries(folder)), settings.checkpoints
    return evaluate(attacks, model, task, tell, folder, stop, given, other, kept)


def _load(source: Source, settings: Settings) -> tuple[nn.Module, Task]:
    file = artifact_path(settings.data_dir, source.job, source.attempt, source.checkpoint)
    return checkpoint.load(file, TrainSpec.model_validate(source.spec), settings.datasets_dir)


def _other(source: Source, settings: Settings, task: Task) -> nn.Module | None:
    """The network on which an attack job's transferred attacks are made."""
    for peer in source.peers:
        file = artifact_path(settings.data_dir, peer.job, peer.attempt, peer.checkpoint)
        recipe = TrainSpec.model_validate(peer.spec)
        return checkpoint.load_other(file, recipe, settings.datasets_dir, task)
    return None


def tries(folder: Path) -> list[Path]:
    """The folders of a job's attempts up to this one, the newest first. A later one's are not for
    an attempt that was lost and lives on."""
    return [folder.parent / str(number) for number in range(int(folder.name), 0, -1)]


def conclude(folder: Path, ending: Finished | Failed) -> None:
    """Once everybody knows that a job succeeded, nobody will resume it."""
    if isinstance(ending, Finished) and ending.state == "succeeded":
        forget(tries(folder))


def _failed(error: Exception, tell: Teller) -> Failed:
    message = f"{type(error).__name__}: {pathless(str(error))}"
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or _cpu_memory(error):
        code = "out_of_memory"
        message = f"memory ran out; try a smaller batch or model ({message[:200]})"
    elif isinstance(error, torch.AcceleratorError):
        code = DEVICE_FAILED
    elif isinstance(error, OSError) and error.errno in FULL:
        code = "disk_full"
        message = f"the disk is full ({error.strerror}); make room, then resume the job"
    else:
        code = "internal"
    return tell.failed(code, message[:2000], details=_folded(error))


def _cpu_memory(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _folded(error: Exception) -> str:
    """The last frames, by the file's place in its package: no folder of this machine is told."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{_place(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    if len(lines) > FRAMES:
        lines = ["…", *lines[-FRAMES:]]
    return "\n".join([*lines, f"{type(error).__name__}: {pathless(str(error))}"[:2000]])


def _place(filename: str) -> str:
    path = Path(filename)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def pathless(text: str) -> str:
    """The text with files by their names: what folders this machine has is nobody's business."""
    return FOLDERS.sub("…/", text)
