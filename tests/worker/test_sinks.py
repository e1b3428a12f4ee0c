"""Sinks against a real broker: in order, at once, through an outage, and never in the way."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import orjson
import pytest
import redis

from tests.broker import Broker, running_broker
from tests.worker.desk import told, until
from worker.broker import connect
from worker.contract import wire
from worker.contract.events import Teller
from worker.sinks import JsonLines, Memory, RedisStream


def test_memory_and_json_lines_tell_the_same() -> None:
    tell, memory, file = Teller(), Memory(), io.BytesIO()
    lines = JsonLines(file)
    for event in (tell.measured(1, 0.1, {"train/loss": float("nan")}), tell.finished(1)):
        memory.put(event)
        lines.put(event)
    lines.close()
    written = [orjson.loads(line) for line in file.getvalue().splitlines()]
    assert [event["seq"] for event in written] == [event.seq for event in memory.events] == [1, 2]
    assert written[0]["values"] == {"train/loss": "nan"}


def test_tells_everything_in_order_in_few_entries(
    broker: Broker, client: redis.Redis, waiting: Path
) -> None:
    sink, tell = RedisStream(client, "many", waiting), Teller("many")
    for step in range(5000):
        sink.put(tell.measured(step, 0.0, {"train/loss": 1.0}))
    assert sink.close()
    with broker.client() as read:
        assert [event["seq"] for event in told(read, "many")] == list(range(1, 5001))
        assert read.xlen(wire.stream_key("many")) < 50


def test_entries_go_all_together_or_not_at_all(
    broker: Broker, client: redis.Redis, waiting: Path
) -> None:
    """A broker that loads, or is full, may refuse one and take the next."""
    with broker.client() as other, other.monitor() as commands:
        sink, tell = RedisStream(client, "whole", waiting), Teller("whole")
        for step in range(5000):
            sink.put(tell.measured(step, 0.0, {"train/loss": 1.0}))
        assert sink.close(lambda pipe: pipe.set("over", 1))
        together, entries = False, 0
        for command in commands.listen():
            word = command["command"].split()[0].upper()
            together = word == "MULTI" or (together and word != "EXEC")
            assert together or word not in ("XADD", "SET")
            entries += word == "XADD"
            if "over" in command["command"]:
                break
    assert entries >= 3


def test_the_first_measurement_goes_out_at_once(
    broker: Broker, client: redis.Redis, waiting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.sinks.LOOK_S", 60.0)
    sink, tell = RedisStream(client, "first", waiting), Teller("first")
    with broker.client() as read:
        sink.put(tell.started("cpu", 1, 1.0, ""))
        until(lambda: told(read, "first"), 10, "not told")
        sink.put(tell.measured(1, 1.0, {"train/loss": 1.0}))
        until(lambda: len(told(read, "first")) == 2, 10, "not told")
        assert {"job": "first"} in [entry for _, entry in read.xrange(wire.BELL)]
    sink.close()


def test_reads_the_cancel_flag_without_events(client: redis.Redis, waiting: Path) -> None:
    sink = RedisStream(client, "flagged", waiting)
    assert not sink.cancelled
    client.set(wire.cancel_key("flagged"), 1)
    until(lambda: sink.cancelled, 0.5, "not read")
    sink.close()


@pytest.mark.parametrize("memory_bytes", [300, 4_000_000])
def test_an_outage_loses_and_reorders_nothing(
    tmp_path: Path, waiting: Path, memory_bytes: int
) -> None:
    with running_broker(tmp_path) as broker, connect(broker.url) as client:
        sink, tell = RedisStream(client, "outage", waiting), Teller("outage")
        sink.spill.memory_bytes = memory_bytes
        for step in range(240):
            if step == 60:
                broker.kill()
            if step == 150:
                assert waiting.exists() == (memory_bytes == 300)
                broker.start()
            sink.put(tell.measured(step, 0.0, {"train/loss": 1.0}))
            time.sleep(0.005)
        assert sink.close(lambda pipe: pipe.set("ended", 1))
        with broker.client() as read:
            seqs = [event["seq"] for event in told(read, "outage")]
            assert list(dict.fromkeys(seqs)) == list(range(1, 241))
            assert read.get("ended") == "1"
        assert not waiting.exists()


def test_close_gives_up_where_it_is_told_to(tmp_path: Path, waiting: Path) -> None:
    with connect(Broker(tmp_path).url) as client:
        sink = RedisStream(client, "away", waiting)
        sink.put(Teller("away").finished(1))
        assert not sink.close(patience_s=0.3)


def test_an_abandoned_run_tells_no_more(broker: Broker, client: redis.Redis, waiting: Path) -> None:
    sink, tell = RedisStream(client, "left", waiting), Teller("left")
    sink.put(tell.started("cpu", 1, 1.0, ""))
    with broker.client() as read:
        until(lambda: told(read, "left"), 1, "not told")
        sink.abandon()
        sink.put(tell.finished(1))
        time.sleep(0.1)
        assert len(told(read, "left")) == 1


def test_what_is_no_event_does_not_stop_the_rest(
    broker: Broker, client: redis.Redis, waiting: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink, tell = RedisStream(client, "odd", waiting), Teller("odd")
    sink.put(tell.started("cpu", 1, 1.0, "", layers={1, 2}))
    sink.put(tell.started("cpu", 1, 1.0, "", layers=np.arange(2)))
    sink.close()
    with broker.client() as read:
        assert [event["info"] for event in told(read, "odd")] == [{"layers": [0, 1]}]
    assert "not told" in caplog.text
