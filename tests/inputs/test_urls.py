"""Radiographs by their URLs, in fsspec's store in memory; those that cross processes:
tests/inference/test_cluster.py."""

from __future__ import annotations

import errno
import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import pytest
from PIL import Image

from btxrd_explain.commands import infer
from btxrd_explain.errors import InputError, RadiographError, SettingsError
from btxrd_explain.inference.explained import ExplainedImage
from btxrd_explain.inputs.dataset import collect
from btxrd_explain.inputs.image_files import list_images
from btxrd_explain.inputs.radiograph import read_radiograph
from btxrd_explain.settings import DataSettings, ModelSettings, OutputSettings, Settings, load_settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.system.files import relative_path, sha256_of
from btxrd_explain.system.places import place_of, reaching

if TYPE_CHECKING:
    from collections.abc import Iterator


def _png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (90 + seed, 70), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def bucket() -> Iterator[str]:
    """The URL of a folder with two radiographs, a torn one, and what must be passed over."""
    store = fsspec.filesystem("memory")
    files = {"a.png": _png(1), "sub/b.PNG": _png(2), "torn.png": b"torn", "notes.txt": b"", ".hidden.png": _png(3)}
    files |= {"images/a.png": _png(1), ".trash/c.png": _png(4)}
    for name, data in files.items():
        store.pipe(f"/bucket/images/{name}", data)
    yield "memory://bucket/images"
    store.rm("/bucket", recursive=True)


def _settings(out: Path, **data: object) -> Settings:
    return Settings(
        data=DataSettings.model_validate(data),
        model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu", batch_size=2),
        output=OutputSettings(directory=out),
    )


def test_a_folder_is_listed_by_the_rules_of_local_ones(bucket: str) -> None:
    listing = list_images(place_of(bucket))
    assert [str(file) for file in listing.files] == [f"{bucket}/{name}" for name in ("a.png", "torn.png", "sub/b.PNG")]
    assert listing.notes == (f"passed over '{bucket}/images', a copy of the folder in itself",)


def test_images_are_collected_one_by_one_and_once(bucket: str) -> None:
    stream = io.BytesIO(f"{bucket}/a.png\n{bucket}/none.png\n{bucket}/sub/b.PNG\n".encode())
    found = collect([f"{bucket}/a.png", "-"], stdin=stream)
    assert [record.image_id for record in found.records] == ["a.png", "b.PNG"]
    assert found.missing == (("none.png", "no such file or directory"),)


def test_images_of_one_name_are_told_apart_by_their_folders(bucket: str, tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/bucket/images/sub/a.png", _png(5))
    assert {r.image_id for r in collect([f"{bucket}/a.png", f"{bucket}/sub/a.png"]).records} == {"a.png", "sub/a.png"}
    (tmp_path / "a.png").write_bytes(_png(6))
    mixed = collect([f"{bucket}/a.png", str(tmp_path / "a.png")]).records
    assert [record.image_id for record in mixed] == [(tmp_path / "a.png").as_posix(), f"{bucket}/a.png"]


def test_a_local_split_csv_names_images_in_a_bucket(bucket: str, tmp_path: Path) -> None:
    table, annotations = tmp_path / "split.csv", tmp_path / "annotations"
    table.write_text("image_id,split,label\na,test,Benign\nb.PNG,train,Normal\nz.png,test,Normal\n")
    annotations.mkdir()
    (annotations / "a.json").write_text("{}")
    settings = load_settings(flags={"data.split_csv": str(table), "data.images": bucket}).settings
    assert settings.model_dump(mode="json")["data"]["images"] == bucket
    found = collect([], images=settings.data.images, split_csv=table, annotations=annotations)
    rows = [(record.image_id, record.label, record.annotation is not None) for record in found.records]
    assert rows == [("a.png", "Benign", True), ("b.PNG", "Normal", False)]
    assert [name for name, _ in found.missing] == ["z.png"]


def test_the_table_of_a_bucket_holds_urls_from_which_radiographs_are_shown(bucket: str, tmp_path: Path) -> None:
    settings = _settings(tmp_path, inputs=(bucket,))
    result = infer.run(settings)
    rows = {row.image_id: row for row in result.rows}
    assert {name: row.path for name, row in rows.items()} == {
        "a.png": f"{bucket}/a.png",
        "b.PNG": f"{bucket}/sub/b.PNG",
        "torn.png": f"{bucket}/torn.png",
    }
    assert [row.status for row in rows.values()] == ["ok", "ok", "unreadable"]
    local = tmp_path / "a.png"
    local.write_bytes(_png(1))
    stamp = rows["a.png"].stamp
    assert stamp is not None
    assert (stamp.size, stamp.sha256) == (len(_png(1)), sha256_of(local))
    (whole,) = result.table.rows(["b.PNG"])
    shown = ExplainedImage.of(whole, result.table).radiograph()
    np.testing.assert_array_equal(shown.pixels, np.array(Image.open(io.BytesIO(_png(2)))))


def test_a_store_without_times_is_told_apart_by_content(bucket: str, tmp_path: Path) -> None:
    settings = _settings(tmp_path, inputs=(bucket,))
    assert [infer.run(settings).computed for _ in range(2)] == [3, 0]
    data = bytearray(_png(1))
    data[-30] ^= 1  # the same size, other content
    fsspec.filesystem("memory").pipe("/bucket/images/a.png", bytes(data))
    assert infer.run(settings).computed == 1


def test_what_a_client_raises_becomes_one_line_and_stays_with_its_file(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = type(fsspec.filesystem("memory"))
    usual = store.info

    def info(self: object, path: str, **options: object) -> object:
        if path.endswith("b.PNG"):
            raise RuntimeError("no\ncredentials")  # not an OSError, as botocore's are not
        return usual(self, path, **options)

    monkeypatch.setattr(store, "info", info)
    rows = {row.image_id: row for row in infer.run(_settings(tmp_path, inputs=(bucket,))).rows}
    assert rows["a.png"].status == "ok"
    assert rows["b.PNG"].status == "unreadable"
    assert "no credentials" in str(rows["b.PNG"].error)
    with pytest.raises(RadiographError, match=r"^cannot read 'memory://bucket/images/sub/b.PNG' \(no credentials\): "):
        read_radiograph(place_of(f"{bucket}/sub/b.PNG"))


def test_errors_of_a_missing_url_name_it_like_those_of_a_path() -> None:
    with pytest.raises(RadiographError, match=r"^cannot read 'memory://b/x.png' \(No such file or directory\): "):
        read_radiograph(place_of("memory://b/x.png"))
    with pytest.raises(PermissionError) as caught, reaching("memory://b"):
        raise PermissionError("Forbidden")
    assert (caught.value.errno, caught.value.filename) == (errno.EACCES, "memory://b")
    with pytest.raises(KeyError), reaching("b"):
        raise KeyError


@pytest.mark.parametrize("url", ["nosuch://bucket/a.png", "memory://bucket/none"])
def test_urls_that_nothing_reads_are_one_line(url: str) -> None:
    with pytest.raises(InputError) as caught:
        collect([url])
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_radiographs_and_tables_may_be_urls(bucket: str) -> None:
    with pytest.raises(SettingsError, match=r"only radiographs .* and the predictions table"):
        load_settings(flags={"data.annotations": bucket})
    assert relative_path(place_of(bucket), Path("out")) == bucket
    assert pickle.loads(pickle.dumps(place_of(bucket))) == place_of(bucket)  # noqa: S301 -- our own
