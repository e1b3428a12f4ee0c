"""The desk: answers probes of trained networks while one waits, whatever the workers do.

python -m worker.desk

It starts without PyTorch, so that it holds nobody up, loads it once things are quiet, and keeps the
networks and the data it was last asked about.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import redis

from worker.broker import connect
from worker.contract import wire
from worker.contract.settings import Settings
from worker.serve import read_settings

if TYPE_CHECKING:
    from worker.answers import Answers

WAIT_S = 2
IDLE_S = 8
"""After so long without a question the desk warms itself up for the first one."""
KEEP_S = 60
MOST_WAITING = 200


class Desk:
    """One process that takes questions from the broker and lays the answers there."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        self.settings, self.client = settings, client
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.over = False
        self._answers: Answers | None = None

    def serve(self) -> None:
        """Answer until `over`; a broker that is away is asked again."""
        warm_at = time.monotonic() + IDLE_S
        while not self.over:
            try:
                for question in self._taken():
                    self._reply(question, self._warm().to(question))
                if time.monotonic() > warm_at:
                    self._warm()
            except redis.RedisError:
                time.sleep(0.25)

    def show(self) -> None:
        """Say that somebody is here, until `over`."""
        while not self.over:
            with contextlib.suppress(redis.RedisError):
                self.client.set(wire.desk_key(self.name), "1", ex=wire.DESK_S)
            time.sleep(wire.DESK_S / 4)

    def close(self) -> None:
        self.over = True
        with contextlib.suppress(redis.RedisError):
            self.client.delete(wire.desk_key(self.name))

    def _taken(self) -> list[wire.Question]:
        """What is asked by now: of each lane the newest, the others told that they are stale."""
        first = self.client.blpop([wire.ASKED], WAIT_S)
        more = self.client.lpop(wire.ASKED, MOST_WAITING) if first else None
        texts = [*([first[1]] if first else []), *(more or [])]
        asked = [wire.Question.model_validate_json(text) for text in texts]
        newest = {question.lane: question.id for question in asked if question.lane}
        wanted = []
        for question in asked:
            if question.lane and newest[question.lane] != question.id:
                self._reply(question, wire.Answer(code="stale", message="a newer one was asked"))
            elif question.until > time.time():
                wanted.append(question)
        return wanted

    def _warm(self) -> Answers:
        """PyTorch and the lab, loaded once: a few seconds."""
        if self._answers is None:
            from worker.answers import Answers

            self._answers = Answers(self.settings)
        return self._answers

    def _reply(self, question: wire.Question, answer: wire.Answer) -> None:
        key = wire.answer_key(question.id)
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.rpush(key, answer.model_dump_json())
            pipeline.expire(key, KEEP_S)
            pipeline.execute()


def main() -> int:
    settings = read_settings("desk")
    if settings is None or settings.redis_url is None:
        return 1
    desk = Desk(settings, connect(settings.redis_url))
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: _leave(desk))
    threading.Thread(target=desk.show, daemon=True).start()
    desk.serve()
    return 0


def _leave(desk: Desk) -> None:
    desk.close()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
