"""Serving a lane: its queues side by side, so that no gateway waits for another.

A task serves every queue of its lane that has something due, each in a thread of its own while there are several
gateways, and looks again while it waits for the slow ones. In one process a queue is served once at a time: what comes
while it is served is served by the same thread, so that one lane cannot take all threads of a worker.
"""

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from compose import dispatch, queues, routing, stopping
from compose.claims import Clock
from compose.queues import Queue

# Seconds between two looks for other queues while some are served.
LOOK_EVERY = 0.25
_serving: dict[Queue, bool] = {}
_lock = threading.Lock()


def serve(*, bulk: bool, clock: Clock = timezone.now) -> int:
    """Claim and send what is due in the lane; returns how many messages were claimed.

    It begins nothing later than one and a half leases after its start; the next tick goes on.
    """
    if len(routing.names()) == 1:
        return sum(_serve(queue, clock) for queue in queues.waiting(clock(), bulk=bulk))
    last_start = clock() + _lease() * 1.5
    running: dict[Queue, Future[int]] = {}
    claimed = 0
    while True:
        done = {queue: future for queue, future in running.items() if future.done()}
        for queue, future in done.items():
            del running[queue]
            claimed += future.result()
        found = queues.waiting(clock(), bulk=bulk) if clock() <= last_start and not stopping.asked() else []
        for queue in found:
            if queue not in running and not is_served(queue):
                running[queue] = _threads().submit(_in_thread, queue, clock)
        if not running:
            return claimed
        wait(running.values(), timeout=LOOK_EVERY, return_when=FIRST_COMPLETED)


def is_served(queue: Queue) -> bool:
    """Whether this process serves the queue now. It then looks once more before it ends."""
    with _lock:
        if queue not in _serving:
            return False
        _serving[queue] = True
        return True


def _serve(queue: Queue, clock: Clock) -> int:
    with _lock:
        if queue in _serving:
            _serving[queue] = True
            return 0
        _serving[queue] = False
    claimed, last_start = 0, clock() + _lease()
    try:
        while True:
            taken, _batches = dispatch.serve(queue, clock=clock)
            claimed += taken
            with _lock:
                # What was committed after the last look of this thread has asked for another.
                if not _serving[queue] or clock() > last_start:
                    return claimed
                _serving[queue] = False
    finally:
        with _lock:
            _serving.pop(queue, None)


def _in_thread(queue: Queue, clock: Clock) -> int:
    # The connection of this thread is kept from one task to the next.
    close_old_connections()
    return _serve(queue, clock)


def _lease() -> timedelta:
    return timedelta(seconds=settings.SMS_LEASE_SECONDS)


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads of this process: two lanes for each gateway, and for those that are configured no more."""
    return ThreadPoolExecutor(max_workers=2 * (len(routing.names()) + 2), thread_name_prefix="lane")
