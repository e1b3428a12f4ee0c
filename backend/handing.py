"""Waiting jobs to the broker, only as many as workers can take: the rest can still be put in order.

Redis keeps the order of messages, whatever their priority and whoever sent them, so the order is
made here: by priority, by whose token has fewest jobs at the workers, by age.
"""

from __future__ import annotations

from backend.queue import Queue
from backend.store import jobs, waiting
from backend.store.engine import Store
from worker.contract import wire

AHEAD = 1
"""Messages beyond what workers can take at once: the next job begins while no recorder is there."""


def hand_out(store: Store, queue: Queue) -> None:
    """Fill the room that there is. A job whose message is lost on the way is sent again later."""
    most = len(queue.workers()) + AHEAD
    with store.read() as connection:
        if not waiting.some(connection) or waiting.handed(connection) >= most:
            return
    taken = []
    with store.write() as connection:
        while waiting.handed(connection) < most and (row := waiting.take(connection)):
            taken.append(row)
    for row in taken:
        queue.send(ticket(row))


def ticket(row: jobs.Row) -> wire.Ticket:
    """What the job's present attempt needs to know."""
    return wire.Ticket(
        job=row["id"],
        kind=row["kind"],
        attempt=row["attempt"],
        spec=row["spec"],
        source=wire.Source.model_validate(row["source"]) if row["source"] else None,
    )
