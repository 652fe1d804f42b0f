from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import InputError
from btxrd_explain.inputs.score_table import read_scores

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "image_id,class,probability,label,split,height,width\n1.png,a,0.25,b,test,3,4\n1.png,b,0.75,b,test,3,4\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace(".25", ",25").replace(".75", ",75"),
        PLAIN.replace("0.25", '"0,25"').replace("0.75", '"0,75"'),
    ],
)
def test_decimals_are_written_with_a_point_or_a_comma(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    (image,) = read_scores(tmp_path / "scores.csv").values()
    assert image.probabilities == {"a": 0.25, "b": 0.75}
    assert (image.label, image.split, image.size) == ("b", "test", Size(3, 4))


def test_a_decimal_comma_between_commas_is_not_cut_in_two(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(PLAIN.replace("0.75", "0,75"))
    with pytest.raises(InputError, match=r"line 3 has 8 cells, and the header 7: put cells .* in quotes"):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize("value", ["1,000,5", "1.5", "2,5", "-0,1", "much", "0,2,5"])
def test_what_is_no_probability_is_named_with_its_line(tmp_path: Path, value: str) -> None:
    (tmp_path / "scores.csv").write_text(PLAIN.replace(",", ";").replace("0.75", value))
    with pytest.raises(InputError, match=f"line 3: '{value}' is not a probability from 0 to 1"):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize("size", ["0,4", "3,", "-3,4", "3,x", "3,20001", "2147483648,4", "3," + "9" * 400])
def test_what_is_no_size_is_named_with_its_line(tmp_path: Path, size: str) -> None:
    """A table has no room for more pixels, and no radiograph so many."""
    (tmp_path / "scores.csv").write_text(PLAIN.replace("0.75,b,test,3,4", f"0.75,b,test,{size}"))
    with pytest.raises(InputError, match=r"line 3: .* is not a size in pixels, from 1 to 20,000 each") as refused:
        read_scores(tmp_path / "scores.csv")
    assert str(refused.value).isprintable()
