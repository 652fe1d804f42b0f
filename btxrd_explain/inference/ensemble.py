"""Whether checkpoints go together as an ensemble, and how its rows are made."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from btxrd_explain.core.geometry import Size
from btxrd_explain.errors import CheckpointError
from btxrd_explain.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import PurePath
    from typing import TypeAlias

    from btxrd_explain.model.classifier import Classifier
    from btxrd_explain.predictions.provenance import Provenance

    Alike: TypeAlias = Classifier | Provenance


def names_of(paths: Sequence[PurePath]) -> tuple[str, ...]:
    """Return names that tell checkpoints apart: of their files, with the folders before them where two are alike.

    >>> from pathlib import PurePath
    >>> names_of([PurePath("runs/fold0/best.pt"), PurePath("runs/fold1/best.pt")])
    ('fold0/best.pt', 'fold1/best.pt')
    """
    ends = [["/".join(path.parts[-count:]) for count in range(1, len(path.parts) + 1)] for path in paths]
    holders = Counter(end for of_path in ends for end in of_path)
    return tuple(plain(next((end for end in of_path if holders[end] == 1), of_path[0])) for of_path in ends)


def joint_provenance(members: Sequence[Provenance]) -> Provenance:
    """Return how the rows of an ensemble are made.

    Args:
        members: How each member alone would make them, with the request of all.

    Raises:
        CheckpointError: Two members have other classes, another activation or another preprocessing.
    """
    first, *others = members
    for other in others:
        check_alike((first.checkpoint, first), (other.checkpoint, other))
    names = [member.checkpoint for member in members]
    layers = _once(member.target_layer for member in members)
    return replace(
        first,
        checkpoint=", ".join(names),
        architecture=", ".join(_once(member.architecture for member in members)),
        target_layer=" / ".join(layers),
        grid=max((member.grid for member in members), key=lambda grid: grid.height * grid.width),
        notes=(f"an ensemble of {len(names)}: probabilities and heat maps are averaged", *_notes(members)),
        findings=tuple(_once(finding for member in members for finding in member.findings)),
        synthetic=any(member.synthetic for member in members),
        members=tuple(names),
    )


def _once(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _notes(members: Sequence[Provenance]) -> Iterator[str]:
    """Yield what is said of all members once, and what is said of some with their names."""
    for note in _once(note for member in members for note in member.notes):
        holders = [member.checkpoint for member in members if note in member.notes]
        yield note if len(holders) == len(members) else f"{', '.join(holders)}: {note}"
    hashes = [member["checkpoint"] for member in members[0].request["members"].values()]
    if len(set(hashes)) < len(hashes):
        yield f"{len(hashes)} checkpoints hold {len(set(hashes))} different ones: equal members count as often"


def check_alike(first: tuple[str, Alike], other: tuple[str, Alike]) -> None:
    """Refuse two members that do not make an ensemble, each given with its name.

    Raises:
        CheckpointError: They have other classes, another activation or another preprocessing.
    """
    (name, one_made), (other_name, other_made) = first, other
    made = one_made, other_made
    facts = (
        ("class names", ", ".join(one_made.class_names), ", ".join(other_made.class_names)),
        ("activation", one_made.activation, other_made.activation),
        ("classes that exclude each other", not one_made.multi_label, not other_made.multi_label),
        *(
            (f"preprocessing: {field.name}", *(getattr(each.preprocessing, field.name) for each in made))
            for field in fields(one_made.preprocessing)
        ),
    )
    unlike = [f"{what} {_shown(one)} and {_shown(two)}" for what, one, two in facts if one != two]
    if unlike:
        raise CheckpointError(
            f"'{name}' and '{other_name}' do not make an ensemble: {'; '.join(unlike)}",
            hint="name checkpoints of the same classes and preprocessing, or give what differs as a setting",
        )


def _shown(value: object) -> str:
    """Return a value for a message.

    >>> _shown(Size(64, 32)), _shown((0.5, 0.5)), _shown("a, b")
    ('64x32', '(0.5, 0.5)', "'a, b'")
    """
    if isinstance(value, Size):
        return f"{value.height}x{value.width}"
    return repr(value) if isinstance(value, str) and " " in value else str(value)
