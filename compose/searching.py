"""What a person types to find a number or words, as the pages of what goes out look it up."""

import re

from django.db.models import Q

# What a person types who looks for a number.
_NUMBER = re.compile(r"[\d\s+().-]+")


def holds(text: str, *, words: str, number: str) -> Q:
    """The condition that the field `words` holds `text`, or the field `number` (E.164) when that reads as one."""
    found = Q(**{f"{words}__icontains": text})
    # 06… is how a French number is typed; +336… is how it is kept.
    digits = re.sub(r"\D", "", text).removeprefix("00").lstrip("0")
    if digits and _NUMBER.fullmatch(text):
        found |= Q(**{f"{number}__contains": digits})
    return found
