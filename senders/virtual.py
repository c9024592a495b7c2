"""Virtual numbers: each belongs to one account at a time, and the senders of accounts follow that."""

import phonenumbers
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from senders.models import Sender, VirtualNumber

OTHER_KIND = _(
    "%(account)s has %(number)s already, as a sender of another kind. Delete that one first, then give it the number."
)


class NumberNotFree(Exception):
    """The number cannot be this account's sender; `sentence` says why to the reader, with the number in it."""

    def __init__(self, sentence: str | Promise) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


def hold(sender: Sender) -> None:
    """Take the sender's number for its account, in the caller's transaction. Does nothing for other kinds.

    A number that the administrator never wrote down is made. Raises NumberNotFree when another account has it, or when
    the administrator has disabled it.
    """
    if sender.kind != Sender.Kind.VIRTUAL:
        return
    number, _made = VirtualNumber.objects.select_for_update().get_or_create(
        number=sender.value, defaults={"account_id": sender.account_id, "country": country_of(sender.value)}
    )
    if number.account_id not in (None, sender.account_id):
        raise NumberNotFree(
            _("%(number)s belongs to another SMS account. A virtual number belongs to one account at a time.")
            % {"number": number}
        )
    if not number.enabled:
        raise NumberNotFree(
            _("%(number)s is disabled among the virtual numbers. Only an administrator can enable it, there.")
            % {"number": number}
        )
    if number.account_id is None:
        number.account_id = sender.account_id
        number.save(update_fields=["account"])


def held(sender: Sender) -> bool:
    """Whether the sender may be used, as far as its number goes: that is its account's, and enabled.

    Call it in a transaction: nobody gives the number away or disables it before that ends.
    """
    if sender.kind != Sender.Kind.VIRTUAL:
        return True
    number = locked(sender)
    return number is not None and number.account_id == sender.account_id and number.enabled


def locked(sender: Sender) -> VirtualNumber | None:
    """The sender's virtual number, held until the transaction ends; None for other kinds and for one nobody wrote down.

    Whatever changes both goes by the number first: two that took them in two orders would wait for each other.
    """
    if sender.kind != Sender.Kind.VIRTUAL:
        return None
    return VirtualNumber.objects.select_for_update().filter(number=sender.value).first()


def let_go(sender: Sender) -> None:
    """The account has the sender no longer: its number is free."""
    if sender.kind == Sender.Kind.VIRTUAL:
        VirtualNumber.objects.filter(number=sender.value, account=sender.account_id).update(account=None)


def country_of(number: str) -> str:
    """The country of a number in E.164; "FR" where the number does not tell (satellites, for instance)."""
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        found = None
    return found if found in phonenumbers.SUPPORTED_REGIONS else "FR"
