"""Waiting jobs to the broker, only as many as workers can take: the rest can still be put in order.

Redis keeps the order of messages, whatever their priority and whoever sent them, so the order is
made here: by priority, short jobs before long ones, by whose token has fewest jobs at the workers,
by age. Jobs that need a GPU wait in a line of their own, for workers that have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from backend.queue import Queue
from backend.store import jobs, waiting
from backend.store.engine import Store
from worker.contract import wire

AHEAD = 1
"""Messages beyond what workers can take at once: the next job begins while no recorder is there.
A long job is never one of them, for nothing passes it any more once the broker has it."""


def hand_out(store: Store, queue: Queue) -> None:
    """Fill the room that there is. A job whose message is lost on the way is sent again later."""
    cards = [card for card in queue.workers() if card.state != "lost"]
    with store.read() as connection:
        if not any(_next(connection, cards)):
            return
    taken = []
    with store.write() as connection:
        while handed := [row for row in _next(connection, cards) if waiting.hand(connection, row)]:
            taken += handed
    for row in taken:
        queue.send(ticket(row))


def _next(connection: Connection, cards: Sequence[wire.WorkerCard]) -> Iterator[jobs.Row]:
    """The job whose turn it is in each line, where a worker could take it. While there is no room
    for that one, nobody passes it."""
    for needs in wire.QUEUES:
        workers = sum(needs in ("any", card.kind) for card in cards)
        free = max(0, workers - waiting.running(connection, needs))
        free -= waiting.at_broker(connection, needs)
        if (workers or needs == "any") and free + AHEAD > 0:
            row = waiting.first(connection, needs)
            if row is not None and (free > 0 or not row["long"]):
                yield row


def ticket(row: jobs.Row) -> wire.Ticket:
    """What the job's present attempt needs to know."""
    return wire.Ticket(
        job=row["id"],
        kind=row["kind"],
        attempt=row["attempt"],
        spec=row["spec"],
        source=wire.Source.model_validate(row["source"]) if row["source"] else None,
        trace=row["trace"],
        since=row["sent_at"],
    )
