"""JSON documents that were never valid: some fields as they should be, others whatever Python's JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping

NASTY = (
    "",
    "a\nb",
    "\x1b[2J",
    "[red]",
    "<script>",
    "$x$",
    "..",
    "../../etc/passwd",
    "a" * 5000,
    "\u202e",
    "\ud800",
    "=1+1",
)
"""Text that formats, escapes, climbs or fills."""

numbers = (
    st.sampled_from([0, -0.0, 1, -1, 0.5, 3, 7, 8, 10, 1e5, -1e5, 1e300, 5e-324, 20_000, 20_001, 2**31, 2**63, 10**400])
    | st.floats()
)
scalars = st.none() | st.booleans() | numbers | st.sampled_from(NASTY) | st.text(max_size=5)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NASTY) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def points(most: int = 6) -> st.SearchStrategy[Any]:
    """Draw lists of points, mostly of finite numbers near the image."""
    near = st.integers(-3, 13) | st.floats(-3, 13)
    return st.lists(st.lists(near, min_size=2, max_size=2) | st.lists(numbers, max_size=3), max_size=most)


def objects(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw objects of which each field is likely what it should be, may be anything, and may be missing."""
    drawn = {key: st.one_of(value, value, value, anything) for key, value in fields.items()}
    return st.fixed_dictionaries({}, optional=drawn) | st.fixed_dictionaries(drawn)
