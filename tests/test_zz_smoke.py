import pytest
from tests.factories import *
from tests.gateways_for_tests import scripted_gateway
from compose import dispatch
pytestmark = pytest.mark.django_db
def test_x():
    a = account()
    for s in ("waiting","enabled","disabled","refused"): sender(a, s, status=s)
    m = message(a, by=pool())
    member(a)
    with scripted_gateway() as g:
        assert dispatch.dispatch_due(clock=at(NOON)) == 1
        print(g.sent)
    assert_ledger_adds_up()
    print(balances(a))
