"""What the rows of a table say about the data: copies, labels and splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btxrd_explain.core.duplicates import crossing_groups, equal_groups
from btxrd_explain.errors import Caution
from btxrd_explain.inputs.split_csv import is_training

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from btxrd_explain.predictions.index import Index
    from btxrd_explain.predictions.record import Prediction

# Numbers and names in the messages of cautions.


def radiographs(count: int) -> str:
    """Count radiographs.

    >>> radiographs(1), radiographs(2)
    ('1 radiograph', '2 radiographs')
    """
    return f"{count} radiograph{'' if count == 1 else 's'}"


def listed(names: Sequence[str], last: str = "and", *, most: int = 5) -> str:
    """List names, of many the first ones.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ("'a'", "'a', 'b' and 'c'", "'a' and 2 more")
    """
    shown = [f"'{name}'" for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " ".join([*([", ".join(shown[:-1]), last] if len(shown) > 1 else []), shown[-1]])


# What the rows of a table say about the data: copies, labels and splits.


def doubts_of_copies(rows: Index) -> Iterator[Caution]:
    """Look for radiographs with the same content, by the hash of the file.

    Args:
        rows: All rows of a table, whatever is selected of them.
    """
    copies = rows.repeated("sha256")
    groups = equal_groups(row.content for row in copies)
    apart = crossing_groups(groups, [row.split for row in copies])
    contrary = crossing_groups(groups, [row.label for row in copies])
    crossing = {place for group in (*apart, *contrary) for place in group}
    alike = [group for group in groups if crossing.isdisjoint(group)]
    if apart:
        yield Caution(
            "copies-across-splits",
            f"{radiographs(sum(len(group) for group in apart))} have exact copies in another split, such as "
            f"{_two(copies, apart[0], 'split')}",
            "take them out of one of the splits: what was trained on is not a test",
        )
    if contrary:
        yield Caution(
            "copies-labelled-apart",
            f"{radiographs(sum(len(group) for group in contrary))} have exact copies with another label, such as "
            f"{_two(copies, contrary[0], 'label')}",
            "find out which label is right",
        )
    if alike:
        extra = sum(len(group) - 1 for group in alike)
        yield Caution(
            "copies",
            f"{radiographs(extra)} {'is an exact copy' if extra == 1 else 'are exact copies'} of others under another "
            f"name, such as {listed([copies[place].image_id for place in alike[0]], most=2)}",
            "leave them out, or keep them together with --group-column",
        )


def doubts_of_labels(rows: Index, names: Sequence[str]) -> Iterator[Caution]:
    """Look for labels that are none of the classes, which count nowhere.

    Args:
        rows: Rows of a table.
        names: Names of the classes.
    """
    strange = rows.where(~rows.is_in("label", names))
    labels = strange.column("label").drop_null()
    if len(labels):
        found = listed(sorted(labels.unique().to_pylist()))
        yield Caution(
            "labels-unknown",
            f"{radiographs(len(labels))} of {len(rows)} are labelled {found}, which is none of the classes ("
            f"{', '.join(names)}); they count as not labelled",
            "check the spelling in the split CSV and in --class-names",
        )


def doubts_of_split(rows: Index) -> Iterator[Caution]:
    """Look for radiographs of the training split among those that an evaluation is about.

    Args:
        rows: The rows that are evaluated.
    """
    splits = rows.column("split").drop_null().unique().to_pylist()
    trained_on = [split for split in splits if is_training(split)]
    count = int(rows.is_in("split", trained_on).sum())
    if count:
        yield Caution(
            "training-split",
            f"{count} of {radiographs(len(rows))} are of the split {listed(trained_on)}: results on them say how well "
            "the network remembers",
            "name another split with --split",
        )


def _two(rows: Sequence[Prediction], group: Sequence[int], what: str) -> str:
    """Show two of a group of rows that differ in something."""
    known = {getattr(rows[place], what): rows[place].image_id for place in group}
    return " and ".join(f"'{name}' ({value})" for value, name in list(known.items())[:2])
