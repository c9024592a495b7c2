"""Why a message is where it is: each word that the code keeps, and the sentence that a person reads."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# The word of a change of state that says more than its sentence: reports and pages ask for it.
SENT_AGAIN = "sent_again"
# The word of what waits until a person lets the gateway go on, whenever it is looked at next.
GATEWAY_PAUSED = "gateway_paused"

SENTENCES: dict[str, str | Promise] = {
    # Certainly not sent yet.
    "gateway_unreachable": _("The operator cannot be reached. The message will be tried again."),
    "throttled": _("The operator asks us to slow down. The message will be tried again."),
    "out_of_funds": _("The provider's credit is used up. The administrator must top it up; the message waits."),
    "bad_configuration": _(
        "The provider refuses our settings. The administrator must correct them; the message waits."
    ),
    GATEWAY_PAUSED: _("The administrator has paused the gateway. The message waits until it goes on."),
    "no_short_number": _("No short number is free for this recipient at the moment. The message waits for one."),
    "number_disabled": _("The administrator has disabled this number. The message waits until it is enabled again."),
    "number_full": _("As many messages as this number may send in a day have left from it. The message waits."),
    "window": _(
        "Commercial messages do not leave at this hour or on this day where the recipient is. The message waits until "
        "they do."
    ),
    "lease_ended": _("A process stopped before it handed the message over. The message returned to the queue."),
    "moved": _("Its departure was changed."),
    # Refused for good.
    "rejected": _("The operator refused the message. Its price was given back."),
    "invalid_recipient": _("This number cannot receive SMS. The price was given back."),
    "unsupported": _("The operator cannot carry this kind of message. The price was given back."),
    "spam": _("The operator suspects spam. Change the text before you send it again."),
    "too_many_attempts": _("The message could not be handed over after several attempts. Its price was given back."),
    "validity_over": _("The message could not leave while it was valid. Its price was given back."),
    "opted_out": _(
        "This number was put on the STOP list before the message left, so it was not sent. Its price was given back."
    ),
    "number_gone": _(
        "This number did not belong to your account any more when the message was to leave, so it was not sent. Its "
        "price was given back."
    ),
    "cancelled": _("Cancelled before it left. Its price was given back."),
    "replaced": _("Changed before it left: another message took its place. Its price was given back."),
    # May have left.
    "outcome_unknown": _(
        "The connection broke while the message was handed over: it may have left. It is not sent again by itself."
    ),
    "crash": _("A process stopped while it handed the message over: it may have left. It is not sent again by itself."),
    "restored": _(
        "The installation was restored from a back-up, and the message may have left after that was made. It is not "
        "sent again by itself."
    ),
    "never_confirmed": _("Nobody ever confirmed this message. Its price was given back."),
    # What a person decided about it, and what a late report did.
    "said_sent": _("It was not known whether the message had left; somebody has said that it was sent."),
    SENT_AGAIN: _("It was not known whether the message had left; somebody has had it sent again."),
    "given_up": _("It was not known whether the message had left; somebody has given it up. Its price was given back."),
    "arrived_first": _(
        "Before the message left again, a report said that it had left the first time. It was not sent a second time."
    ),
    # Said by delivery reports.
    "absent": _("The phone is switched off or out of reach."),
    "memory_full": _("The phone's memory is full."),
    "barred": _("The number is barred or no longer in use."),
    "blocked": _("The recipient or the operator blocks these messages."),
    "content": _("The operator refused the content."),
    "operator_failure": _("The recipient's operator had a failure."),
    "handset": _("The phone cannot receive this kind of message."),
    "ported": _("The number was taken to another operator and cannot be reached there."),
    "roaming": _("The phone is abroad and cannot be reached there."),
    "subscriber_credit": _("The recipient has no credit left with the operator."),
    "sender_refused": _("The provider or the operator does not accept this sender."),
    "unknown": _("The operator gave no reason."),
}

# Of a message that a claim took and gave back without having handed it over, so that it was not tried.
NOT_HANDED_OVER: dict[str, str | Promise] = {
    "": _("The message was not handed over, and returned to the queue."),
    "gateway_unreachable": _(
        "The gateway had stopped taking messages, so this one was not handed over. It returned to the queue."
    ),
}
# Of a message that was never tried, because its gateway rests after others were.
RESTS = _("The gateway rests after a failure: this message was not tried yet. It leaves when the gateway goes on.")
RESTS_UNTIL = _(
    "The gateway rests after a failure: this message was not tried yet. The gateway goes on at %(hour)s at the "
    "earliest."
)


def known(reason: str) -> str:
    """The word when it is one of these, else "unknown": a gateway's own word stays in its raw answer."""
    return reason if reason in SENTENCES else "unknown"


def sentence(reason: str) -> str:
    """The sentence for a reason's word, "" for none; an unknown word is said to be unknown."""
    if not reason:
        return ""
    return str(SENTENCES[known(reason)])
