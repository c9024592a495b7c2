"""Any sequence of moving, changing, pausing, resuming, cancelling and leaving: what must hold whatever people press."""

from datetime import datetime, timedelta

import pytest
from django.db.models import F, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from compose import scheduled, services
from compose.gateways.base import NotSent
from compose.models import Message, Submission
from compose.planning import Refused
from compose.scheduled import CannotReplace, Replaced
from credits.ledger import NotEnoughCredit
from tests import factories
from tests.dispatching import dispatch_due
from tests.factories import NOON, assert_ledger_adds_up, at, balances
from tests.gateways_for_tests import raising, scripted_gateway, take_all

State = Message.State
WHICH = st.integers(min_value=0, max_value=20)
# Hours from now: past ones are refused, None is now.
HOURS = st.one_of(st.none(), st.integers(min_value=-1, max_value=60))
RECIPIENTS = st.integers(min_value=1, max_value=4)


class AnySequence(RuleBasedStateMachine):
    """One account, several submissions, a clock that goes on, and a gateway that takes everything or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.account = factories.account(millis=20_000)
        self.person = factories.owner(self.account)
        self.now: datetime = NOON
        self.made = scripted_gateway(batch_size=3)
        self.gateway = self.made.__enter__()
        self.seen = 0
        self.written = 0

    def teardown(self) -> None:
        self.made.__exit__(None, None, None)
        assert_ledger_adds_up()

    def one(self, which: int) -> Submission:
        found = list(self.account.submissions.order_by("pk"))
        return found[which % len(found)]

    def moment(self, hours: int | None) -> datetime | None:
        return None if hours is None else self.now + timedelta(hours=hours)

    @initialize(count=RECIPIENTS, hours=HOURS)
    def begin(self, count: int, hours: int | None) -> None:
        self.write(count, None if hours is not None and hours <= 0 else hours, None)

    def write(self, count: int, hours: int | None, replaces: Replaced | None) -> None:
        self.written += 1
        draft = factories.draft(
            self.account, to=count, body=f"a{self.written}", deferred_to=self.moment(hours), person=self.person
        )
        try:
            services.submit(draft, now=self.now, replaces=replaces)
        except (Refused, CannotReplace, NotEnoughCredit):
            return

    @rule(count=RECIPIENTS, hours=HOURS)
    def submit(self, count: int, hours: int | None) -> None:
        # Few, so that things happen to the same one.
        if self.written < 3:
            self.write(count, hours, None)

    @rule(which=WHICH, count=RECIPIENTS, hours=HOURS, more=st.sampled_from((0, 0, 0, 1)))
    def edit(self, which: int, count: int, hours: int | None, more: int) -> None:
        """Begun when so many `more` waited than now."""
        old = self.one(which)
        states = list(old.messages.values_list("state", flat=True))
        waiting = states.count(State.SCHEDULED)
        whole = waiting > 0 and set(states) <= {State.SCHEDULED, State.CANCELLED}
        assert scheduled.replaceable(old) == (Replaced(old, waiting) if whole and old.replaced_by is None else None)
        self.write(count, hours, Replaced(old, waiting + more))
        old.refresh_from_db()
        assert (whole and not more) or old.replaced_by is None or old.replaced_by.body != f"a{self.written}"

    @rule(which=WHICH, hours=HOURS)
    def move(self, which: int, hours: int | None) -> None:
        chosen, to = self.one(which), self.moment(hours)
        waited = chosen.messages.filter(state=State.SCHEDULED).count()
        try:
            assert scheduled.move(chosen, to=to, by=self.person, now=self.now).moved == waited
        except Refused:
            assert to is not None
            assert to <= self.now

    @rule(which=WHICH, hours=HOURS)
    def move_one(self, which: int, hours: int | None) -> None:
        message = self.one(which).messages.order_by("pk")[0]
        to = self.moment(hours)
        if to is None or to > self.now:
            scheduled.move_message(message, to=to, by=self.person, now=self.now)

    @rule(which=WHICH)
    def pause(self, which: int) -> None:
        scheduled.pause(self.one(which), by=self.person, now=self.now)

    @rule(which=WHICH)
    def resume(self, which: int) -> None:
        scheduled.resume(self.one(which), now=self.now)

    @rule(which=WHICH, hours=st.integers(min_value=0, max_value=30))
    def hold_back_for_a_while(self, which: int, hours: int) -> None:
        chosen = self.one(which)
        scheduled.pause(chosen, by=self.person, now=self.now)
        self.now += timedelta(hours=hours)
        scheduled.resume(chosen, now=self.now)

    @rule(which=WHICH, all_of_it=st.booleans())
    def cancel(self, which: int, all_of_it: bool) -> None:
        chosen = self.one(which)
        if all_of_it:
            services.cancel_submission(chosen, by=self.person, now=self.now)
        else:
            services.cancel(self.account, [chosen.messages.order_by("-pk")[0].pk], by=self.person, now=self.now)

    @rule(hours=st.integers(min_value=0, max_value=30), down=st.booleans())
    def leave(self, hours: int, down: bool) -> None:
        """Time goes on and a worker looks at the table."""
        self.now += timedelta(hours=hours)
        paused = set(
            Message.objects.filter(submission__paused_at__isnull=False, state=State.SCHEDULED).values_list(
                "pk", flat=True
            )
        )
        moments = dict(Message.objects.values_list("pk", "send_at"))
        self.gateway.script = raising(NotSent("down")) if down else take_all
        dispatch_due(clock=at(self.now))
        for one in self.gateway.sent[self.seen :]:
            assert int(one.id) not in paused
            assert moments[int(one.id)] <= self.now
        self.seen = len(self.gateway.sent)

    @invariant()
    def what_is_held_is_the_price_of_what_is_held(self) -> None:
        held = Message.objects.filter(account=self.account, state__in=Message.HELD)
        assert balances(self.account)["held"] == (held.aggregate(Sum("price"))["price__sum"] or 0)

    @invariant()
    def what_waits_has_a_moment_unless_it_is_paused(self) -> None:
        waiting = Message.objects.filter(state=State.SCHEDULED)
        assert not waiting.filter(due_at=None, submission__paused_at=None).exists()
        assert not waiting.filter(due_at__lt=F("send_at")).exists()
        # What came back from its gateway is looked at again by a claim, which leaves it.
        assert not waiting.filter(due_at__isnull=False, submission__paused_at__isnull=False, attempts=0).exists()

    @invariant()
    def what_was_replaced_was_replaced_as_a_whole(self) -> None:
        replaced = Message.objects.filter(submission__replaced_by__isnull=False)
        # Some of it may have been cancelled before.
        assert not replaced.exclude(state=State.CANCELLED, reason__in=("replaced", "cancelled")).exists()
        assert not Message.objects.filter(submission__replaced_by=None, reason="replaced").exists()


@pytest.mark.django_db
def test_any_sequence_keeps_what_was_promised() -> None:
    run_state_machine_as_test(
        AnySequence,
        settings=settings(
            deadline=None,
            max_examples=14,
            stateful_step_count=12,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
