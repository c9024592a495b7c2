"""Celery's entry points of the whole."""

from celery import shared_task

from smsmanager import proof


@shared_task
def verify_ledger() -> int:
    """Prove the ledger, and write to the administrators about what is newly found."""
    return proof.report(proof.prove())
