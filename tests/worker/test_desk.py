"""The desk as a process: questions laid at a real broker, answers that the lab gives."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend.queue import Queue
from tests.broker import ROOT, Broker
from worker.contract import wire
from worker.contract.spec import TrainSpec
from worker.lab import fit

SPEC = TrainSpec.model_validate(
    {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 2}
)


@pytest.fixture(scope="module")
def queue(broker: Broker) -> Iterator[Queue]:
    found = Queue(broker.url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def source(broker: Broker) -> wire.Source:
    folder = wire.artifact_path(broker.data_dir, "net", 1, "any").parent
    list(fit(SPEC, folder=folder))
    return wire.Source(
        job="net", attempt=1, spec=SPEC.model_dump(mode="json"), checkpoint="final.safetensors"
    )


@pytest.fixture(scope="module", autouse=True)
def desk(broker: Broker, queue: Queue) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "worker.desk"]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **broker.env}) as process:
        wait(lambda: queue.desks() == 1)
        yield process
        process.terminate()


def wait(until: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def question(source: wire.Source, lane: str | None = None, **probe: Any) -> wire.Question:
    return wire.Question(
        id=os.urandom(8).hex(),
        lane=lane,
        source=source,
        probe={"name": "example", **probe},
        until=time.time() + 30,
    )


def asked(queue: Queue, one: wire.Question) -> wire.Answer:
    answer = queue.ask(one, 30)
    assert answer is not None
    return answer


def test_it_answers_and_its_chances_add_up(queue: Queue, source: wire.Source) -> None:
    answer = asked(queue, question(source, index=3))
    assert answer.code is None, answer.message
    columns = answer.values["probabilities"]["columns"]
    assert len(columns["class"]) == 10
    assert sum(columns["probability"]) == pytest.approx(1, abs=1e-5)
    assert answer.values["picture"]["height"] == 8


def test_the_same_question_has_the_same_answer(queue: Queue, source: wire.Source) -> None:
    first, second = (asked(queue, question(source, index=5)).values for _ in range(2))
    assert first == second


def test_a_peer_stands_beside_it(queue: Queue, source: wire.Source) -> None:
    both = source.model_copy(update={"peers": [source]})
    columns = asked(queue, question(both)).values["probabilities"]["columns"]
    assert columns["peer 1"] == columns["probability"]


def test_a_question_without_sense_is_told_why(queue: Queue, source: wire.Source) -> None:
    beyond = asked(queue, question(source, index=10**6))
    assert (beyond.code, "test split has" in beyond.message) == ("bad_spec", True)
    unknown = asked(queue, question(source).model_copy(update={"probe": {"name": "nothing"}}))
    assert unknown.code == "bad_spec"
    lost = source.model_copy(update={"job": "lost"})
    assert asked(queue, question(lost)).code == "bad_checkpoint"


def test_only_the_newest_of_a_lane_is_answered(queue: Queue, source: wire.Source) -> None:
    asked(queue, question(source))  # warm
    many = [question(source, lane="slider", index=i) for i in range(20)]
    with queue.redis.pipeline() as pipeline:
        for one in many:
            pipeline.rpush(wire.ASKED, one.model_dump_json())
        pipeline.execute()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda one: received(queue, one), many))
    assert answers[-1].code is None
    assert sum(answer.code == "stale" for answer in answers) >= 18


def received(queue: Queue, one: wire.Question) -> wire.Answer:
    found: Any = queue.redis.blpop([wire.answer_key(one.id)], 2.5)
    return wire.Answer.model_validate_json(found[1])


def test_it_leaves_no_card_when_it_is_told_to_stop(
    queue: Queue, desk: subprocess.Popen[bytes]
) -> None:
    desk.terminate()
    assert desk.wait(5) == 0
    assert queue.desks() == 0
