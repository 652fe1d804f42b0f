"""Find the heat maps of each image among files, and learn of each file what the table must know beforehand."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from btxrd_explain.commands.import_maps.naming import UNNAMED, Names
from btxrd_explain.core.choices import ResizeMode
from btxrd_explain.core.heatmap import MapStatus, judge
from btxrd_explain.core.preprocess import Preprocessing
from btxrd_explain.errors import InputError
from btxrd_explain.finding import listed, quoted
from btxrd_explain.inputs.heat_map_file import MAP_SUFFIXES, PICKLES, MapFile, map_suffix, read_map_file
from btxrd_explain.system.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from btxrd_explain.inputs.score_table import ScoredImage
    from btxrd_explain.progress import Listener

_PREPROCESSING = TypeAdapter(Preprocessing)
_SIGNS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "positive": lambda values: values,
    "absolute": np.abs,
    "negative": np.negative,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the heat map of a class is.

    Attributes:
        file: The file.
        index: Which of the file's maps.
        image: Which of the file's images; None for a file of one image.
        status: What the map is worth.
        shape: Height and width of the map.
    """

    file: Path
    index: int
    image: int | None
    status: MapStatus
    shape: tuple[int, int]


@dataclass(slots=True)
class Gathered:
    """The heat maps that were found.

    Attributes:
        sign: Which values are evidence.
        maps: Places of the maps by image and class.
        own: What own exports say, by image.
        preprocessing: How radiographs became the input that the maps cover, where own exports say so.
        class_names: The classes in the network's order, where own exports say so.
        multi_label: What own exports say of it.
        kinds: Number of files by suffix.
        hashes: Hash of each file by its name.
    """

    sign: str
    maps: dict[str, dict[str, Place]] = field(default_factory=dict)
    own: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None
    multi_label: bool | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the names and hashes of all files."""
        lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(self.hashes.items()))
        return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()

    def grids(self, image_id: str, classes: Sequence[str]) -> NDArray[np.float32]:
        """Read the maps of an image again, float32, shape ``(maps, height, width)``, in the order of the classes."""
        places = [self.maps[image_id][name] for name in classes if name in self.maps[image_id]]
        files = {place.file: read_map_file(place.file) for place in places}
        planes = [_of_image(files[place.file].values, place.image)[place.index] for place in places]
        return np.stack([signed(plane, self.sign) for plane in planes])


def signed(values: NDArray[np.float32], sign: str) -> NDArray[np.float32]:
    """Return values of which the positive ones are evidence."""
    return _SIGNS[sign](values)


def map_files(maps: Path, listener: Listener) -> list[Path]:
    """Return the files of heat maps: one that is named, or those in a folder and its subfolders.

    Raises:
        InputError: There are none.
    """
    if not maps.exists():
        raise InputError(f"there is no '{maps}'", hint="name a file or a folder of heat maps")
    found = [maps] if maps.is_file() else sorted(path for path in maps.rglob("*") if path.is_file())
    files = [path for path in found if map_suffix(path) in (*MAP_SUFFIXES, *PICKLES)]
    if others := [path.name for path in found if path not in set(files) and not path.name.startswith(".")]:
        listener.note(f"passed over {len(others)} files that are not heat maps: {listed(quoted(others))}")
    if not files:
        raise InputError(f"no heat maps in '{maps}'", hint=f"they end in {', '.join(MAP_SUFFIXES)}")
    return files


def gather(
    files: Sequence[Path],
    root: Path,
    names: Names,
    scores: Mapping[str, ScoredImage],
    ids: tuple[str, ...] | None,
    sign: str,
    listener: Listener,
) -> Gathered:
    """Read all files once; one that cannot be used does not stop the others.

    Args:
        files: The files.
        root: The folder whose subfolders are classes.
        names: The radiographs and classes that are known.
        scores: What a table says of the images.
        ids: The images of a file of several; None where each file says it.
        sign: Which values are evidence.
        listener: Told of files that cannot be used.

    Raises:
        InputError: None of the files can be used.
    """
    gathered = Gathered(sign)
    listener.start("files of heat maps", len(files))
    for path in files:
        label = path.relative_to(root).as_posix() if path != root else path.name
        try:
            file = read_map_file(path)
            _add(gathered, path, file if ids is None else _with_ids(path, file, ids), label, names, scores)
            gathered.kinds[map_suffix(path)] += 1
            gathered.hashes[label] = sha256_of(path)
        except InputError as error:
            listener.failed(label, "not imported", str(error))
        listener.advance()
    if not gathered.maps:
        raise InputError(f"none of the {len(files)} files of heat maps can be used", hint="see above")
    return gathered


def _with_ids(path: Path, file: MapFile, ids: tuple[str, ...]) -> MapFile:
    values = file.values[:, None] if file.values.ndim == 3 else file.values
    if values.shape[0] != len(ids):
        raise InputError(f"'{path}' holds {values.shape[0]} images, and --ids names {len(ids)}")
    return replace(file, values=values, ids=ids)


def _of_image(values: NDArray[np.float32], image: int | None) -> NDArray[np.float32]:
    """Return the maps of one of a file's images; a file whose ids are listed elsewhere has no axis of classes."""
    if image is None:
        return values
    one: NDArray[np.float32] = values[image]
    return one if one.ndim == 3 else one[None]


def _add(
    gathered: Gathered, path: Path, file: MapFile, label: str, names: Names, scores: Mapping[str, ScoredImage]
) -> None:
    """Add the maps of a file, all or none."""
    if file.ids is None and file.values.ndim == 4:
        raise InputError(f"'{path}' holds several images", hint="name them with --ids")
    found: dict[tuple[str, str], Place] = {}
    own = _own(gathered, path, file)
    for image_id, class_names, image in _whose(path, file, label, names, scores):
        for index, (class_name, values) in enumerate(zip(class_names, _of_image(file.values, image), strict=True)):
            if (image_id, class_name) in found or class_name in gathered.maps.get(image_id, {}):
                raise InputError(f"'{path}' is a second heat map of '{class_name}' of '{image_id}'", hint="keep one")
            status = _said(path, file, index) if own else judge(signed(values, gathered.sign))
            found[image_id, class_name] = Place(path, index, image, status, (values.shape[0], values.shape[1]))
            gathered.own |= {image_id: file.facts} if own else {}
    for (image_id, _), place in found.items():
        shapes = {place.shape, *(each.shape for each in gathered.maps.get(image_id, {}).values())}
        if len(shapes) > 1:
            raise InputError(f"the heat maps of '{image_id}' differ in shape: {sorted(shapes)}", hint="save them alike")
    for (image_id, class_name), place in found.items():
        gathered.maps.setdefault(image_id, {})[class_name] = place


def _whose(
    path: Path, file: MapFile, label: str, names: Names, scores: Mapping[str, ScoredImage]
) -> Iterator[tuple[str, tuple[str, ...], int | None]]:
    """Yield the images of a file, with the classes of their maps."""
    count = file.values.shape[-3]
    stem = label.rpartition("/")[2].removesuffix(path.name[-len(map_suffix(path)) :])
    folder = label.rpartition("/")[0].rpartition("/")[2]
    for number, name in enumerate(file.ids or [str(file.facts.get("image_id") or stem)]):
        known = names if file.facts == {} or name in names.images else replace(names, images={})
        image_id, said = known.parts_of(name) if file.facts == {} else (known.images.get(name, name), None)
        of_image = list(scores[image_id].probabilities) if image_id in scores else []
        if file.classes is not None:
            classes = tuple(map(names.class_of, file.classes))
        elif count > 1:
            classes = tuple(names.classes)
        else:
            taken = said or folder or (of_image[0] if len(of_image) == 1 else None)
            taken = taken or (names.classes[0] if len(names.classes) == 1 else None)
            if taken is None and names.classes:
                raise InputError(f"'{path}' does not say whose class its map is", hint="name it <image>_<class>")
            classes = (UNNAMED if taken is None else names.class_of(taken),)
        if len(classes) != count:
            raise InputError(f"'{path}' holds {count} maps of an image", hint="name as many with --class-names")
        yield image_id, classes, number if file.ids is not None else None


def _said(path: Path, file: MapFile, index: int) -> MapStatus:
    """Return what an own export says that a map is worth; a map of zeros is not told apart otherwise."""
    try:
        return MapStatus(file.facts["maps"][index]["status"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' does not say what its maps are worth", hint="export it again") from error


def _own(gathered: Gathered, path: Path, file: MapFile) -> bool:
    """Take over how an own export was made; return whether the file is one."""
    if not file.facts:
        return False
    try:
        made = file.facts["provenance"]
        preprocessing = _PREPROCESSING.validate_python(made["preprocessing"])
        if str(file.facts["scale"]).startswith("ReLU, upsampled to the radiograph"):
            preprocessing = replace(preprocessing, resize=ResizeMode.SQUASH, crop_fraction=1.0)
        classes, several = tuple(map(str, made["class_names"])), bool(made["multi_label"])
    except (LookupError, TypeError, ValidationError) as error:
        raise InputError(f"'{path}' does not say how it was made", hint="export it again") from error
    if gathered.preprocessing not in (None, preprocessing) or gathered.class_names not in (None, classes):
        raise InputError(f"'{path}' was exported in another way than the files before", hint="import each on its own")
    gathered.preprocessing, gathered.class_names, gathered.multi_label = preprocessing, classes, several
    return True
