"""From who has read what to who has not: the migration of the inbox, there and back."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from credits.models import Member
from inbox.models import Received, Unread
from tests import factories

BEFORE, AFTER = ("inbox", "0002_long_messages"), ("inbox", "0003_unread_deleted_searched")


def migrate(to: tuple[str, str]) -> Any:
    """Move the inbox to this migration and give the models as they are there."""
    MigrationExecutor(connection).migrate([to])
    return MigrationExecutor(connection).loader.project_state([to]).apps


@pytest.mark.usefixtures("fresh_database")
def test_unread_is_what_was_not_read_by_those_who_are_members() -> None:
    factories.pool()
    account = factories.account()
    owner, reader = factories.owner(account), factories.member(account, Member.Role.READER)
    left = factories.user()
    read_by_owner, read_by_all, read_by_nobody = [factories.received(account, text) for text in "ABC"]
    lost = factories.received(account, "D")
    Unread.objects.filter(received=lost).delete()
    Received.objects.filter(pk=lost.pk).update(account=None)
    reading = migrate(BEFORE).get_model("inbox", "Reading").objects
    assert not reading.exists()
    for received, user in (
        (read_by_owner, owner),
        (read_by_all, owner),
        (read_by_all, reader.user),
        (read_by_nobody, left),
    ):
        reading.create(received_id=received.pk, user_id=user.pk)
    unread = migrate(AFTER).get_model("inbox", "Unread").objects
    mine = Member.objects.get(account=account, user=owner).pk
    assert set(unread.values_list("member_id", "received_id", "hidden")) == {
        (reader.pk, read_by_owner.pk, False),
        (mine, read_by_nobody.pk, False),
        (reader.pk, read_by_nobody.pk, False),
    }
    # And back: who has read what is known again.
    reading = migrate(BEFORE).get_model("inbox", "Reading").objects
    assert set(reading.values_list("user_id", "received_id")) == {
        (owner.pk, read_by_owner.pk),
        (owner.pk, read_by_all.pk),
        (reader.user_id, read_by_all.pk),
    }
