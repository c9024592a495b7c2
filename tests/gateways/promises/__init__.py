"""What every gateway promises, each promise a function that raises AssertionError when it is not kept.

The suite (test_contract.py) asks them of each gateway; its own control (test_contract_itself.py) shows for each of them
that a gateway which breaks it is found. They stand on the rig alone, so they may be called outside pytest as well.
"""

from collections.abc import Callable
from typing import Final

from tests.gateways.promises import breaks, inward, making, outward, recorded
from tests.gateways.rig_modules import RigModule
from tests.gateways.trial import Trial

# Asked of a fresh gateway with its peer.
OF_A_GATEWAY: Final[tuple[Callable[[Trial], None], ...]] = (
    outward.each_class_is_on_the_wire,
    outward.each_kind_of_sender_is_on_the_wire,
    outward.what_is_not_declared_is_refused_before_it_leaves,
    outward.the_text_on_the_wire_is_the_text_given,
    outward.a_full_chunk_has_one_outcome_each_in_its_order,
    outward.threads_may_send_at_once,
    breaks.a_break_after_reading_leaves_the_outcome_open,
    breaks.nobody_there_means_not_sent,
    breaks.a_lost_peer_is_noticed,
    inward.reports_and_answers_come_exactly_when_declared,
    inward.they_come_the_declared_ways,
    inward.what_is_polled_is_offered_until_acknowledged,
    inward.rubbish_at_the_door_is_survived,
    inward.keys_name_one_event_each,
    recorded.every_error_is_recorded,
    recorded.garbage_leaves_the_outcome_open,
    making.secrets_are_declared,
)
# Asked of a gateway's class and its options.
OF_A_CLASS: Final[tuple[Callable[[RigModule], None], ...]] = (
    making.making_one_connects_to_nothing,
    making.wrong_options_are_named_and_not_shown,
)
