"""The lease: who may run a job. Held at the broker, renewed while it runs, fenced by attempt."""

from __future__ import annotations

import threading

import redis
from redis.client import Pipeline

from worker.contract import wire

CLAIM = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
local ticket = redis.call('GET', KEYS[2])
if not ticket or cjson.decode(ticket)['attempt'] ~= tonumber(ARGV[2]) then return 0 end
if tonumber(redis.call('GET', KEYS[3]) or '0') >= tonumber(ARGV[2]) then return 0 end
local begun = tonumber(redis.call('GET', KEYS[4]) or '0')
if ARGV[5] == 'take' and begun >= tonumber(ARGV[2]) and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[4])
return 1
"""
"""Take or renew, unless another holds it, the attempt is over or a newer ticket was written. A
lease that lapsed while the broker was away and that nobody else took is renewed all the same; but
an attempt is taken once: what a second run of it told would carry the numbers of the first's."""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

GIVE_BACK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', unpack(ARGV, 2))
return 1
"""
"""Free the job and ring with the fields that follow the lease's value."""

DONE_S = 7 * 24 * 3600


class Lease:
    """One attempt's right to run a job; `lost` once another has it."""

    def __init__(self, client: redis.Redis, job: str, attempt: int, worker: str) -> None:
        self.client, self.job, self.attempt = client, job, attempt
        self.key, self.value = wire.lease_key(job), wire.lease_value(attempt, worker)
        self.lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self) -> bool:
        """Claim the job and keep it; False if it is taken, over, cancelled or another attempt's."""
        if self.client.exists(wire.cancel_key(self.job)) or not self._claim("take"):
            return False
        self._thread.start()
        return True

    def _claim(self, how: str) -> bool:
        keys = [wire.ticket_key, wire.done_key, wire.begun_key]
        asked = [self.key, *(key(self.job) for key in keys)]
        told = (self.value, self.attempt, wire.LEASE_MS, DONE_S, how)
        return bool(self.client.eval(CLAIM, len(asked), *asked, *told))

    def _renew(self) -> None:
        while not self._over.wait(wire.RENEW_S):
            try:
                held = self._claim("renew")
            except redis.RedisError:
                continue
            if not held:
                self.lost = True
                return

    def close(self) -> None:
        """Stop renewing."""
        self._over.set()

    def end(self, pipe: Pipeline) -> None:
        """Say, together with the last events, that the job is done, and free it."""
        pipe.set(wire.done_key(self.job), self.attempt, ex=DONE_S)
        pipe.eval(RELEASE, 1, self.key, self.value)

    def hand_back(self, pipe: Pipeline) -> None:
        """Free the job, which is not done, and ring so that it starts again elsewhere at once."""
        fields = ("job", self.job, "handed_back", self.attempt)
        pipe.eval(GIVE_BACK, 2, self.key, wire.BELL, self.value, *fields)

    def lose(self, reason: str, pipe: Pipeline) -> None:
        """As `hand_back`, of an attempt that counts as lost."""
        fields = ("job", self.job, "lost", self.attempt, "reason", reason)
        pipe.eval(GIVE_BACK, 2, self.key, wire.BELL, self.value, *fields)


def lost(client: redis.Redis, job: str, worker: str, reason: str) -> None:
    """Free a job whose process died, unless it had freed it itself, and ring at once."""
    key = wire.lease_key(job)
    held = client.get(key)
    attempt, _, holder = held.decode().partition(":") if isinstance(held, bytes) else ("", "", "")
    if holder == worker:
        fields = ("job", job, "lost", attempt, "reason", reason)
        client.eval(GIVE_BACK, 2, key, wire.BELL, wire.lease_value(int(attempt), worker), *fields)
