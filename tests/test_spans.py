"""Which messages a question was about, as a text that comes back with the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose import spans

KEYS = st.sets(st.integers(1, 200))


def test_keys_that_follow_one_another_are_one_span() -> None:
    assert spans.said([1400, 812, 814, 813]) == "812-814,1400"
    assert spans.said([]) == ""
    assert len(spans.said(range(100_000, 200_000))) < 20


@given(KEYS, KEYS)
def test_the_text_names_these_keys_and_no_others(asked: set[int], there: set[int]) -> None:
    keys = sorted(there)
    found = spans.among(keys, spans.said(asked))
    assert found == ([key for key in keys if key in asked] if asked or not keys else None)


def test_a_text_that_is_longer_than_any_page_makes_is_not_read() -> None:
    apart = range(0, 2 * spans.MOST + 4, 2)
    text = spans.said(apart)
    assert spans.among(apart, text) == list(apart[: spans.MOST])
    assert spans.among(apart, text + ",7") is None
    assert spans.among([], "," * spans.MOST) == []


@pytest.mark.parametrize("text", ["", "x", "1,,2", "1-", "-1", "1-2-3", " 1", "\u0661", "1" * 19, "1;2", "1\n"])
def test_what_cannot_be_read_names_none(text: str) -> None:
    assert spans.among([1, 2, 3], text) is None


@pytest.mark.parametrize("text", ["1-999999999999999999", "3-1,2", "1-9,2-3,5", "2,2,2"])
def test_whatever_somebody_writes_it_names_only_keys_that_are_there(text: str) -> None:
    assert set(spans.among([1, 2, 3], text) or []) <= {1, 2, 3}
