"""In which order the compose page offers senders."""

import pytest

from senders import queries
from senders.models import Sender
from tests import factories


@pytest.mark.parametrize("read", ["pk", "-pk"], ids=["first to last", "last to first"])
def test_names_that_differ_only_in_case_keep_the_order_in_which_they_were_made(
    db: None, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    account = factories.account()
    made = [factories.sender(account, value) for value in ("BoulMartin", "boulmartin", "BOULMARTIN")]
    # A database that is not told an order gives rows in any.
    monkeypatch.setattr(Sender._meta, "ordering", [read])
    assert [one for one in queries.offered(account) if not one.is_pool] == made
