"""Celery's entry points of the whole."""

from celery import shared_task

from smsmanager import proof, readiness


@shared_task
def beat_is_here() -> None:
    """Note that beat, the broker and a worker did this together just now."""
    readiness.note_beat()


@shared_task
def verify_ledger() -> int:
    """Prove the ledger, and write to the administrators about what is newly found."""
    return proof.report(proof.prove())
