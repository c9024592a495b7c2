"""Celery's entry points of what comes in."""

import threading

from celery import shared_task

from inbox import hook_deliveries, pruning, reactions, services

_applying = threading.Lock()


@shared_task
def collect() -> int:
    """Apply what is stored, fetch what waits at the gateways, and apply that.

    What is stored does not wait for a gateway that is slow to answer.
    """
    done = _apply()
    if services.poll_gateways():
        done += _apply()
    return done


def _apply() -> int:
    """Apply what is stored; one at a time in a process.

    A second thread would only fight for the same rows, and on SQLite keep the pages and the sending from their turn.
    """
    if not _applying.acquire(blocking=False):
        return 0
    try:
        return services.apply_waiting()
    finally:
        _applying.release()


@shared_task
def prune_events() -> int:
    """Delete old events that nothing points at."""
    return pruning.prune()


@shared_task
def react() -> int:
    """Do what accounts want done about received messages: first what is quick, then the calls."""
    return reactions.do_waiting() + hook_deliveries.call_waiting()
