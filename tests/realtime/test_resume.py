"""Resume points: what clients may say, and that anything else leads to a reload rather than a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import resume


@pytest.mark.parametrize(
    ("text", "organizations", "numbers"),
    [
        ("", [3], None),
        (" ", [3, 5], None),
        ("17", [3], {3: 17}),
        ("0", [3], {3: 0}),
        ("3:17", [3], {3: 17}),
        ("3:17,5:40", [3, 5], {3: 17, 5: 40}),
        # a bare number says nothing where there are several organizations
        ("17", [3, 5], {}),
        ("-1", [3], {}),
        ("seventeen", [3], {}),
        ("3:17,", [3], {}),
        ("9" * 30, [3], {}),
        ("١٧", [3], {}),
    ],
)
def test_a_resume_point_is_read(text: str, organizations: list[int], numbers: dict[int, int] | None) -> None:
    assert resume.parse(text, organizations) == numbers


@given(st.dictionaries(st.integers(1, 10**12), st.integers(0, 10**18 - 1), min_size=1, max_size=5))
def test_what_is_rendered_is_read_back(numbers: dict[int, int]) -> None:
    assert resume.parse(resume.render(numbers), list(numbers)) == numbers
