"""Serving a lane: its queues side by side, so that no gateway waits for another.

A task serves every queue of its lane that has something due, each in a thread of its own while there are several
gateways, and looks again while it waits for the slow ones. In one process a queue is served once at a time: what comes
while it is served is served by the same thread, so that one lane cannot take all threads of a worker.
"""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db import close_old_connections
from django.utils import timezone

from compose import dispatch, queues, routing, stopping
from compose.claims import Clock
from compose.queues import Queue

log = logging.getLogger(__name__)
# Seconds between two looks for other queues while some are served.
LOOK_EVERY = 0.25
# Seconds before a queue is looked at again that could not be served; the next tick would come as soon.
AGAIN_AFTER = 1.0
_serving: dict[Queue, bool] = {}
_lock = threading.Lock()


def serve(*, bulk: bool, clock: Clock = timezone.now) -> int:
    """Claim and send what is due in the lane; returns how many messages were claimed.

    With several gateways it begins to serve no queue later than one and a half leases after its start, and its last
    chunk begins after three and a half at the most; the next tick goes on. A queue that cannot be served stops no other
    one; what it raised last is raised when the others are done.
    """
    names = routing.names()
    if len(names) == 1:
        # What is left of a gateway that is gone comes last: if it fails, it stops nothing.
        found = sorted(queues.waiting(clock(), bulk=bulk), key=lambda queue: queue.gateway not in names)
        return sum(_serve(queue, clock) for queue in found)
    running: dict[Queue, Future[int]] = {}
    try:
        return _side_by_side(running, bulk, clock)
    finally:
        # Whatever ended it: what its threads have in their hands belongs to this task. A worker that stops waits for
        # a task and not for a thread, and only the hard time limit of a task ends a thread that hangs.
        wait(running.values())


def _side_by_side(running: dict[Queue, Future[int]], bulk: bool, clock: Clock) -> int:
    last_start = clock() + _lease() * 1.5
    failed: dict[Queue, tuple[BaseException, float]] = {}
    claimed = 0
    while True:
        done = {queue: future for queue, future in running.items() if future.done()}
        for queue, future in done.items():
            del running[queue]
            if (error := future.exception()) is None:
                failed.pop(queue, None)
                claimed += future.result()
            else:
                failed[queue] = error, time.monotonic() + AGAIN_AFTER
                log.error("The %s queue of the gateway %s failed; the others go on.", *_named(queue), exc_info=error)
        found = queues.waiting(clock(), bulk=bulk) if clock() <= last_start and not stopping.asked() else []
        for queue in found:
            rests = queue in failed and time.monotonic() < failed[queue][1]
            if not rests and queue not in running and not is_served(queue):
                running[queue] = _threads().submit(_in_thread, queue, clock)
        if not running:
            for error, _again in failed.values():
                raise error
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


def _named(queue: Queue) -> tuple[str, str]:
    return queue.lane, queue.gateway or "(none yet)"


def _lease() -> timedelta:
    return timedelta(seconds=settings.SMS_LEASE_SECONDS)


@cache
def _threads() -> ThreadPoolExecutor:
    """Of this process: for both lanes of each gateway, of none chosen yet, and of one that is configured no more."""
    return ThreadPoolExecutor(max_workers=2 * (len(routing.names()) + 2), thread_name_prefix="lane")
