"""Sending: what is declared is carried, the rest is refused, and the peer reads what was given."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from compose.gateways.base import Accepted, Outgoing, Unsupported
from tests.gateways.rig import ORIGINATORS, outgoing, told
from tests.gateways.trial import SECONDS, Trial

CLASSES: Final = ("standard", "flash", "sim")
KINDS: Final = tuple(ORIGINATORS)

TEXTS: Final = {
    "the GSM alphabet and its extension table": (
        "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà A-Z a-z 0-9\n^{}\\[~]|€"
    ),
    "French with its typography": "« L’été à Orléans… », coûte 12 € — cœur, naïf, Noël ?",
    "emoji": "Bonjour 😀 👩‍👩‍👧 🇫🇷 é",
    "a STOP clause on a line of its own": "Soldes: -50% sur tout\nSTOP:36111",
    "five parts of the GSM alphabet, € where a part ends": ("a" * 152 + "€") * 4 + "fin",
    "five parts of UCS-2, emoji where a part ends": ("中" * 66 + "😀") * 4 + "fin",
    "what URLs, JSON, XML and CSV take for their own": (
        'a&b=c+d%20%zz;e,f?g#h/i\\j "k" \'l\' <m>]]>&amp; {n} ${o} %(p)s\n"q",\tr'
    ),
    "a digit between spaces": " 1 ",
}


def each_class_is_on_the_wire(trial: Trial) -> None:
    """Each declared class is carried, and the peer can tell it from the others."""
    read: dict[str, str] = {}
    for name in sorted(trial.rig.gateway.capabilities.classes):
        entry = _sent(trial, outgoing(text=f"class {name}", message_class=name, **trial.sender))
        if "class" in entry or not trial.rig.peerless:
            read[name] = json.dumps(entry["class"])
    assert len(set(read.values())) == len(read), f"the peer cannot tell classes from each other: {read}"


def each_kind_of_sender_is_on_the_wire(trial: Trial) -> None:
    """Each declared kind of sender is carried: the peer reads the sender, or can tell what it was asked for."""
    asked: dict[str, str] = {}
    for kind in sorted(trial.rig.gateway.capabilities.sender_kinds):
        message = outgoing(text="hello", sender_kind=kind, message_class=trial.message_class)
        one, other = _sent(trial, message), _sent(trial, message)
        if "from" not in one and trial.rig.peerless:
            continue
        assert one["from"] in (ORIGINATORS[kind], ""), f"{kind}: the peer reads the sender {one['from']!r}"
        if not one["from"]:
            # What differs between two messages from the same sender says nothing about the sender.
            asked[kind] = json.dumps({key: one[key] for key in one if one[key] == other.get(key)})
    assert len(set(asked.values())) == len(asked), f"the peer cannot tell these senders from each other: {asked}"


def what_is_not_declared_is_refused_before_it_leaves(trial: Trial) -> None:
    """A class or kind of sender that is not declared is Unsupported, and the peer hears nothing of it."""
    can = trial.rig.gateway.capabilities
    fine = trial.numbered(1)
    refused = [outgoing(message_class=name, **trial.sender) for name in CLASSES if name not in can.classes]
    refused += [
        outgoing(sender_kind=kind, message_class=trial.message_class) for kind in KINDS if kind not in can.sender_kinds
    ]
    for message in refused:
        said = [told(outcome)["is"] for outcome in trial.send(message)]
        assert said == ["Unsupported"], f"{message.message_class} from {message.sender_kind}: {said}"
    assert trial.received() == [], "the peer received what is not declared"
    if refused and can.batch_size > 1:
        wrong, right = trial.send(refused[0], fine)
        assert isinstance(wrong, Unsupported), f"beside another message: {told(wrong)}"
        assert isinstance(right, Accepted), f"beside one that is not declared: {told(right)}"


def the_text_on_the_wire_is_the_text_given(trial: Trial) -> None:
    """Every kind of text arrives as it was given, character by character."""
    for what, text in TEXTS.items():
        entry = _sent(trial, outgoing(text=text, message_class=trial.message_class, **trial.sender))
        if "text" in entry or not trial.rig.peerless:
            assert entry["text"] == text, f"{what}: the peer reads {entry['text']!r}, not {text!r}"


def a_full_chunk_has_one_outcome_each_in_its_order(trial: Trial) -> None:
    """For `batch_size` messages there are as many outcomes, and each is that of the message in its place."""
    size = trial.rig.gateway.capabilities.batch_size
    assert isinstance(size, int), f"batch_size is {type(size).__name__}"
    assert size >= 1, f"batch_size is {size}"
    chunk = [trial.numbered(number) for number in range(size)]
    _assert_each_has_its_reference(trial, chunk, trial.taken(*chunk))


def threads_may_send_at_once(trial: Trial) -> None:
    """Messages from several threads at once leave once each, and every outcome reaches the thread that asked."""
    size = min(trial.rig.gateway.capabilities.batch_size, 4)
    threads, rounds = 4, 3
    together = threading.Barrier(threads)
    chunks = [
        [[trial.numbered((thread * rounds + each) * size + place) for place in range(size)] for each in range(rounds)]
        for thread in range(threads)
    ]

    def work(mine: Sequence[Sequence[Outgoing]]) -> list[str]:
        together.wait(SECONDS)
        return [reference for chunk in mine for reference in trial.taken(*chunk)]

    with ThreadPoolExecutor(threads) as pool:
        references = [reference for found in pool.map(work, chunks) for reference in found]
    messages = [message for mine in chunks for chunk in mine for message in chunk]
    _assert_each_has_its_reference(trial, messages, references)


def _sent(trial: Trial, message: Outgoing) -> dict[str, Any]:
    """The one entry of what the peer received of a message, which the gateway accepts."""
    before = len(trial.received())
    trial.taken(message)
    entries = trial.received()[before:]
    assert len(entries) == 1, f"the peer received {len(entries)} messages for one"
    entry = entries[0]
    if "to" in entry or not trial.rig.peerless:
        assert entry["to"] == message.recipient, f"the peer reads the recipient {entry['to']!r}"
    return entry


def _assert_each_has_its_reference(trial: Trial, messages: Sequence[Outgoing], references: Sequence[str]) -> None:
    """The peer received each message once, and knows it under the reference that the gateway gave for it."""
    assert len(set(references)) == len(messages), "several messages have one reference"
    entries = trial.received()
    assert len(entries) == len(messages), f"the peer received {len(entries)} messages for {len(messages)}"
    known = {entry["reference"]: entry for entry in entries}
    for message, reference in zip(messages, references, strict=True):
        assert reference in known, f"the peer knows no {reference}"
        entry = known[reference]
        for name, value in (("to", message.recipient), ("text", message.text)):
            if name in entry or not trial.rig.peerless:
                assert entry[name] == value, f"the outcome of {value!r} is that of {entry[name]!r}"
