"""Checkpoints that were made to run code, to exhaust memory or time, or to mislead; made here byte by byte."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save

from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier
from tests.hostile.fuzz.harness import outcome
from tests.support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.zeros(2)}


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _global(name: str) -> bytes:
    module, _, what = name.rpartition(".")
    return f"c{module}\n{what}\n".encode()


def _call(name: str, arguments: bytes) -> bytes:
    return _global(name) + b"(" + arguments + b"tR"


def _number(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def _dict(value: bytes, key: bytes | None = None) -> bytes:
    return b"\x80\x02}" + (key or _text("state_dict")) + value + b"s."


def _storage(count: int, key: str = "0", kind: str = "torch.FloatStorage") -> bytes:
    return b"(" + _text("storage") + _global(kind) + _text(key) + _text("cpu") + _number(count) + b"tQ"


def _tensor(count: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    shape, steps = (b"(" + b"".join(map(_number, values)) + b"t" for values in (size, stride))
    hooks = _global("collections.OrderedDict") + b")R"
    return _call("torch._utils._rebuild_tensor_v2", _storage(count) + _number(offset) + shape + steps + b"\x89" + hooks)


def _archive(program: bytes, data: bytes = bytes(16), *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return a file as torch writes it, of a pickle and one storage."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/data/0", data)
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def _legacy(program: bytes) -> bytes:
    """Return a file as torch wrote it until 2020, of a pickle without numbers."""
    head = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    return head + program + pickle.dumps([], 2)


def _nested(depth: int) -> bytes:
    """Return a tuple that holds itself 2**depth times."""
    steps = b")q\x00"
    for _ in range(depth):
        steps += b"h\x00h\x00\x86q\x00"  # what is below stays on the stack
    return steps


BOMB = _call("os.system", _text("echo > ran"))
PROGRAMS: dict[str, tuple[bytes, str]] = {
    "system": (_dict(BOMB), r"os\.system.*would run code"),
    "posix": (_dict(_call("posix.system", _text("echo > ran"))), r"posix\.system.*would run code"),
    "eval": (_dict(_call("builtins.eval", _text("open('ran', 'w')"))), r"builtins\.eval.*would run code"),
    "in the facts": (_dict(BOMB, _text("config")), "would run code"),
    "as a key": (_dict(b"N", BOMB), "would run code"),
    "torch's loader": (_dict(_call("torch.serialization.load", _text("other.pt"))), r"torch\.serialization\.load"),
    "torch's hub": (_dict(_call("torch.hub.load", _text("a/b"))), r"torch\.hub\.load"),
    "numpy's loader": (_dict(_call("numpy.load", _text("other.npy"))), r"numpy\.load"),
    "numpy's memmap": (_dict(_call("numpy.memmap", _text("ran"))), r"numpy\.memmap"),
    "attribute": (_dict(_call("builtins.getattr", _text("a"))), r"builtins\.getattr"),
    "new style": (b"\x80\x04" + pickle.dumps({"state_dict": os.getcwd})[2:], "its pickle has a step"),
    "object": (_dict(_global("builtins.object") + b")\x81"), r"builtins\.object"),
    "zeros": (_dict(_call("builtins.bytearray", _number(2**40))), r"builtins\.bytearray"),
    "tensor of a size": (_dict(_call("torch.FloatTensor", _number(2**40))), r"torch\.FloatTensor"),
    "storage of a size": (_dict(_call("torch.FloatStorage", _number(2**40))), r"calls torch\.FloatStorage"),
    "sparse": (_dict(_call("torch._utils._rebuild_sparse_tensor", b"")), "_rebuild_sparse_tensor"),
    "quantised": (_dict(_call("torch._utils._rebuild_qtensor", b"")), "_rebuild_qtensor"),
    "meta": (_dict(_call("torch._utils._rebuild_meta_tensor_no_storage", b"")), "_rebuild_meta_tensor"),
    "nested": (_dict(_call("torch._utils._rebuild_nested_tensor", b"")), "_rebuild_nested_tensor"),
    "wrapper": (_dict(_call("torch._utils._rebuild_wrapper_subclass", b"")), "_rebuild_wrapper_subclass"),
    "array of a size": (_dict(_call("numpy.ndarray", b"(" + _number(2**40) + b"t")), r"calls numpy\.ndarray"),
    "array of objects": (_dict(_call("numpy.dtype", _text("O8"))), "not a plain number"),
    "array of fields": (_dict(_call("numpy.dtype", _text("f8,O"))), "not a plain number"),
    "key that takes ages": (_dict(b"N", b"(" + _nested(60) + b"t"), "keys that are neither"),
    "key of a pair that takes ages": (
        _dict(_call("collections.OrderedDict", b"]](" + b"(" + _nested(60) + b"t" + _text("v") + b"ea")),
        "keys that are neither",
    ),
    "record by arguments": (_dict(_call("argparse.Namespace", b"]")), "argparse.Namespace of more than its fields"),
    "record of pairs": (_dict(_call("easydict.EasyDict", b"]")), "easydict.EasyDict of more than its fields"),
    "record with a state of its own": (
        _dict(_global("argparse.Namespace") + b")\x81(" + _text("a") + _text("b") + b"tb"),
        "a record a state that is not a dict",
    ),
    "record with items": (_dict(_global("argparse.Namespace") + b")\x81" + _text("a") + b"Ns"), "what is not a dict"),
    "record with keys that take ages": (
        _dict(_global("argparse.Namespace") + b")\x81}(" + _nested(60) + b"tNsb"),
        "keys that are neither",
    ),
    "record in itself": (
        _dict(_global("argparse.Namespace") + b")\x81q\x01}" + _text("a") + b"h\x01sb"),
        "holds itself",
    ),
    "record of a nearby name": (_dict(_global("argparse.ArgumentParser") + b")\x81"), r"argparse\.ArgumentParser"),
    "factory that runs": (_dict(_call("collections.defaultdict", _global("os.getcwd"))), r"os\.getcwd.*would run code"),
    "factory of torch": (_dict(_call("collections.defaultdict", _global("torch.Size"))), "defaultdict of more than"),
    "factory and items": (
        _dict(_call("collections.defaultdict", _global("builtins.list") + b"]")),
        "defaultdict of more",
    ),
    "factory that is called": (_dict(_call("builtins.list", b"")), r"calls builtins\.list"),
    "factory that is made": (_dict(_global("builtins.dict") + b")\x81"), "not a plain record"),
    "set that takes ages": (_dict(_call("builtins.set", b"]" + _nested(60) + b"\x85a")), "step|set of what|appends"),
    "codec that takes ages": (
        _dict(_call("_codecs.encode", _text("ä" * 10**6) + _text("punycode"))),
        "encodes text other than",
    ),
    "deep": (b"\x80\x02" + b"]" * 10**4 + b"a" * (10**4 - 1) + b".", "more than 100 lists"),
    "list in itself": (b"\x80\x02]q\x00h\x00a.", "holds itself"),
    "huge memo": (b"\x80\x02}r\xff\xff\xff\xffj\xff\xff\xff\xff0.", "its pickle has a step POP"),
    "huge text": (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged"),
    "never ends": (b"\x80\x02}", "damaged"),
    "nothing on the stack": (b"\x80\x02tR.", "damaged"),
    "huge storage": (_dict(_tensor(2**40, (2**40,), (1,))), "asks for 4398046511104 bytes"),
    "negative storage": (_dict(_tensor(-1, (1,), (1,))), "not a storage of a tensor"),
    "storage of what is none": (_dict(b"(" + _text("module") + b"tQ"), "damaged"),
    "stride of 0": (_dict(b"}" + _text("w") + _tensor(4, (2**20, 2**20), (0, 0)) + b"s"), r"not plain tensors.*\(w\)"),
    "beyond its storage": (
        _dict(b"}" + _text("w") + _tensor(4, (2**20,), (1,)) + b"s"),
        "not a readable checkpoint|plain",
    ),
    "negative stride": (_dict(b"}" + _text("w") + _tensor(4, (4,), (-1,)) + b"s"), "not a readable checkpoint"),
    "negative size": (_dict(b"}" + _text("w") + _tensor(4, (-4,), (1,)) + b"s"), "not a readable checkpoint"),
    "shape beyond all numbers": (_dict(b"}" + _text("w") + _tensor(4, (2**62, 2**62), (0, 0)) + b"s"), "c.pt"),
    "key of megabytes": (_dict(b"}" + _text("w" * 10**7) + _tensor(4, (9,), (0,)) + b"s"), "not plain tensors"),
}


def _refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checkpoint(path)
    assert str(caught.value).isprintable()
    assert caught.value.hint
    assert sorted(path.parent.iterdir()) == [path], "something was written"


@pytest.mark.parametrize("wrap", [_archive, _legacy])
@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_pickles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrap: Callable[[bytes], bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    program, message = PROGRAMS[name]
    if wrap is _legacy and "plain tensors" in message:
        message = "not plain tensors|not a readable checkpoint"  # the numbers are missing, too
    _refused(tmp_path / "c.pt", wrap(program), message)


def test_what_these_bytes_are_made_of_is_read_where_it_is_harmless(tmp_path: Path) -> None:
    """The same helpers make a checkpoint that is accepted, so that none of them is refused for another reason."""
    program = _dict(b"}" + _text("w") + _tensor(4, (2, 2), (2, 1)) + b"s")
    (tmp_path / "c.pt").write_bytes(_archive(program, np.arange(4, dtype=np.float32).tobytes()))
    assert read_checkpoint(tmp_path / "c.pt").weights["w"].tolist() == [[0, 1], [2, 3]]


def test_pickles_of_too_many_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.untrusted.pickles._MOST_STEPS", 1000)
    program = b"\x80\x02](" + b"N" * 1000 + b"e."
    _refused(tmp_path / "c.pt", _archive(program), "more than 1000 steps")


def test_a_pickle_of_another_name_is_looked_through_too(tmp_path: Path) -> None:
    """torch finds entries whatever their case."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/DATA.PKL", _dict(BOMB))
        archive.writestr("archive/version", "3")
    _refused(tmp_path / "c.pt", content.getvalue(), "would run code")


def test_compressed_archives(tmp_path: Path) -> None:
    zeros = _dict(_text("\0" * 10**7))
    bomb = _archive(zeros, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    _refused(tmp_path / "c.pt", bomb, "the archive is compressed")


def _directory(archive: bytes) -> int:
    return archive.index(b"PK\x01\x02")


def test_entries_that_claim_to_be_larger_than_the_file(tmp_path: Path) -> None:
    archive = bytearray(_archive(_dict(b"N")))
    place = archive.index(b"archive/data/0", _directory(bytes(archive))) - 46
    archive[place + 20 : place + 28] = struct.pack("<II", 2**31, 2**31)
    _refused(tmp_path / "c.pt", bytes(archive), "larger than the file|damaged|is not a readable")


def test_entries_that_overlap(tmp_path: Path) -> None:
    """A hundred entries of the same bytes are larger together than the file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", _dict(b"N"))
        archive.writestr("archive/data/0", bytes(10**5))
        info = archive.getinfo("archive/data/0")
        for number in range(1, 100):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            twin.header_offset, twin.CRC, twin.file_size, twin.compress_size = (
                info.header_offset, info.CRC, info.file_size, info.compress_size
            )  # fmt: skip
            archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]
    _refused(tmp_path / "c.pt", content.getvalue(), "larger than the file")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize("twin", ["archive/data.pkl", "archive/Data.pkl"])
def test_two_entries_of_one_name(tmp_path: Path, twin: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("archive/data.pkl", _dict(b"}"))
        archive.writestr(twin, _dict(b"}"))
    _refused(tmp_path / "c.pt", content.getvalue(), "two entries of one name")


def test_two_lists_of_entries(tmp_path: Path) -> None:
    """Python takes the list just before the end, other readers the one at the place that the end names."""
    hidden = _archive(_dict(BOMB))
    shown = _archive(_dict(b"}"))
    end = struct.pack("<HHHHIIH", 0, 0, 4, 4, 246, _directory(hidden), 0)
    _refused(tmp_path / "c.pt", hidden + shown[:-18] + end, "two lists of entries|not a readable")


def test_names_that_lead_elsewhere_are_never_followed(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../archive/data.pkl", _dict(b"}"))
        archive.writestr("/etc/passwd", "x")
        archive.writestr("../escaped", "x")
    (tmp_path / "in").mkdir()
    _refused(tmp_path / "in" / "c.pt", content.getvalue(), "c.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_oldest_format_of_torch(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = _dict(BOMB)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    _refused(tmp_path / "c.pt", content.getvalue(), "neither one of torch nor")


def _safetensors(header: object, data: bytes = bytes(24), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(*shape: int, start: int = 0, end: int = 24, kind: str = "F32") -> dict[str, object]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}


DEEP = b'{"__metadata__": {"btxrd_explain": "' + b"[" * 50_000 + b'"}, "w": ' + json.dumps(_entry(2, 3)).encode() + b"}"
HEADERS = {
    "length of 2**63": _safetensors({"w": _entry(2, 3)}, length=2**63),
    "length beyond the file": _safetensors({"w": _entry(2, 3)}, length=10**6),
    "length of megabytes": _safetensors(b"{" + b" " * (17 * 2**20) + b"}"),
    "cut short": _safetensors({"w": _entry(2, 3)})[:40],
    "no JSON": _safetensors(b"{w}"),
    "deep": _safetensors(b'{"w":' + b"[" * 10**6 + b"]" * 10**6 + b"}"),
    "deep facts": _safetensors(DEEP),
    "facts of another type": _safetensors({"__metadata__": {"btxrd_explain": "[1]"}, "w": _entry(2, 3)}),
    "overlapping": _safetensors({"v": _entry(2, 3), "w": _entry(2, 2, start=8)}),
    "shape larger than its data": _safetensors({"w": _entry(2**20, 2**20)}),
    "shape beyond all numbers": _safetensors({"w": _entry(2**62, 2**62)}),
    "negative shape": _safetensors({"w": _entry(-2, -3)}),
    "offsets beyond the file": _safetensors({"w": _entry(2**30, end=2**32)}),
    "offsets reversed": _safetensors({"w": _entry(2, 3, start=24, end=0)}),
    "wrong kind": _safetensors({"w": _entry(2, 3, kind="F64")}),
    "unknown kind": _safetensors({"w": _entry(2, 3, kind="OBJECT")}),
    "nothing": _safetensors({}, data=b""),
    "twice": _safetensors(b'{"w":%b,"w":%b}' % ((json.dumps(_entry(3, end=12)).encode(),) * 2), data=bytes(12)),
}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("name", sorted(set(HEADERS) - {"twice"}))
def test_broken_headers(tmp_path: Path, name: str, suffix: str) -> None:
    _refused(tmp_path / f"c{suffix}", HEADERS[name], rf"c\{suffix}'")


def test_a_key_that_is_there_twice_is_one_tensor(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(HEADERS["twice"])
    assert list(read_checkpoint(tmp_path / "c.safetensors").weights) == ["w"]


@pytest.mark.parametrize("name", ["c.pt", "c.safetensors", "c"])
def test_content_decides_whatever_the_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for content in (save(WEIGHTS), _saved(WEIGHTS), _saved(WEIGHTS, legacy=True)):
        path.write_bytes(content)
        weights = read_checkpoint(path).weights
        assert all(torch.equal(weights[key], WEIGHTS[key]) for key in WEIGHTS)


def _saved(content: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def test_every_infinite_tensor_is_counted_and_some_are_named(tmp_path: Path) -> None:
    broken = {f"w{number}": torch.tensor([0.0, float("nan") if number % 2 else 1.0]) for number in range(10)}
    message = r"5 of 10 weights in .* hold NaN or infinities \(w1, w3, w5, \.\.\.\)"
    _refused(tmp_path / "c.pt", _saved(broken), message)


def test_weights_that_share_their_numbers_are_read(tmp_path: Path) -> None:
    """A module that is used twice, or a slice of a larger tensor, is not a bomb."""
    shared = torch.arange(1000.0)
    state = {f"block{number}.w": shared for number in range(100)} | {"part": shared[10:20]}
    (tmp_path / "c.pt").write_bytes(_saved(state))
    weights = read_checkpoint(tmp_path / "c.pt").weights
    assert weights["part"].tolist() == list(range(10, 20))
    assert torch.equal(weights["block99.w"], shared)


def test_windows_of_one_storage_do_not_add_up_without_end(tmp_path: Path) -> None:
    shared = torch.zeros(100_000)
    state = {f"w{number}": shared[number:] for number in range(100)}
    _refused(tmp_path / "c.pt", _saved(state), "not plain tensors")


def test_plain_values_of_numpy_keep_their_values(tmp_path: Path) -> None:
    facts = {
        "number": np.float32(0.5),
        "index": np.int64(3),
        "truth": np.bool_(True),
        "text": np.str_("Größe"),
        "other order": np.float64(0.25).astype(">f8"),
        "array": np.array([[1, 2], [3, 4]], order="F"),
        "texts": np.array(["Normal", "Benign"]),
        "by index": {np.int64(0): "Normal"},
    }
    (tmp_path / "c.pt").write_bytes(_saved({"state_dict": WEIGHTS} | facts))
    read = read_checkpoint(tmp_path / "c.pt").facts
    assert (read["number"], read["index"], read["truth"], read["text"]) == (0.5, 3, True, "Größe")
    assert read["other order"] == 0.25
    assert [list(row) for row in read["array"]] == [[1, 2], [3, 4]]
    assert list(read["texts"]) == ["Normal", "Benign"]
    assert read["by index"] == {0: "Normal"}


def test_folders_and_pipes_are_not_waited_for(tmp_path: Path) -> None:
    """The pipe in a process of its own, which is ended where it waits."""
    (tmp_path / "a.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "folder.pt").mkdir()
    command = ["infer", str(tmp_path / "a.png"), "--checkpoint"]
    process = [sys.executable, "-m", "btxrd_explain", *command, str(tmp_path / "pipe.pt")]
    piped = subprocess.run(process, capture_output=True, text=True, timeout=1200, check=False)
    ended = {"pipe.pt": (piped.returncode, piped.stderr)}
    for name in ("folder.pt", "nowhere.pt"):
        ended[name] = (3, run(*command, tmp_path / name, code=3).stderr)
    for name, (code, said) in ended.items():
        assert code == 3, said
        assert f"{name}'" in said
        assert "check --checkpoint" in " ".join(said.split())


ARCHITECTURE = "test_resnet"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    found: dict[str, torch.Tensor] = timm.create_model(ARCHITECTURE, num_classes=3).state_dict()
    return found


def _misused(path: Path, content: dict[str, object], message: str) -> None:
    """Write a checkpoint of plain values, and expect it to be refused when the classifier is built."""
    path.write_bytes(_saved(content))
    with pytest.raises(CheckpointError, match=message) as caught:
        build_classifier(read_checkpoint(path), Wishes(architecture=ARCHITECTURE, class_names=("a", "b", "c")))
    assert str(caught.value).isprintable()
    assert caught.value.hint


def _laughs() -> object:
    value: object = ()
    for _ in range(60):
        value = (value, value)
    return value


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"class_names": ["x" * 10**7, "b", "c"]}, "class name 'x"),
        ({"class_names": ["a", "a", "c"]}, "twice"),
        ({"class_names": ["", "a", "c"]}, "1 to 1000 characters"),
        ({"class_names": []}, "there are 0 class names"),
        ({"class_names": [str(number) for number in range(20_000)]}, "class names, which must be 1 to 10000"),
        ({"class_names": "abc"}, "class names are a str"),
        ({"class_names": [None, 1, 2]}, "a class name is a NoneType"),
        ({"class_names": [_laughs(), "b", "c"]}, "a class name is a tuple"),
        ({"class_names": {"a": [1], "b": 2}}, "cannot be used"),
        ({"class_names": 7}, "cannot be used"),
        ({"class_names": torch.zeros(())}, "cannot be used"),
        ({"image_size": 10**9}, "image size of 1000000000"),
        ({"image_size": -1}, "image size of -1"),
        ({"image_size": 0}, "image size of 0"),
        ({"image_size": float("inf")}, "cannot be used"),
        ({"image_size": float("nan")}, "cannot be used"),
        ({"image_size": "9" * 10_000}, "cannot be used"),
        ({"image_size": [32, 5000]}, "image size of 32 x 5000"),
        ({"image_size": []}, "image size of no sides"),
        ({"image_size": [_laughs(), _laughs()]}, "cannot be used"),
        ({"image_size": torch.zeros(5)}, "cannot be used"),
        ({"num_classes": {}}, "cannot be used"),
        ({"num_classes": 10**9}, "is for 1000000000 classes, but 3 are named"),
        ({"normalization": {"mean": [float("nan")] * 3}}, "one finite number per channel"),
        ({"normalization": {"std": [0.0] * 3}}, "not above 0"),
        ({"normalization": {"std": [1e-30] * 3}}, "not above 0"),
        ({"normalization": {"mean": [0.5] * 10**5}}, "one finite number per channel"),
        ({"normalization": {"mean": [0.5] * 2}}, "2 channels"),
        ({"normalization": {"mean": "abc"}}, "cannot be used"),
        ({"normalization": {"mean": torch.zeros(3, 3)}}, "cannot be used"),
        ({"normalization": {"mean": np.zeros(10**6)}}, "one finite number per channel"),
        ({"arch": "hf-hub:someone/evil"}, "not the name of an architecture"),
        ({"arch": "x" * 10**7}, "not the name of an architecture"),
        ({"arch": "resnet18.a:b"}, "not the name of an architecture"),
        ({"arch": "../../resnet18"}, "not the name of an architecture"),
        ({"arch": "[" * 50}, "not the name of an architecture"),
        ({"arch": "resnet18.no_such_tag"}, "do not fit the architecture|cannot make"),
        ({"arch": "vit_giant_patch14_224"}, "do not fit the architecture"),
    ],
)
def test_facts_that_mislead(
    tmp_path: Path, state: dict[str, torch.Tensor], facts: dict[str, object], message: str
) -> None:
    _misused(tmp_path / "c.pt", {"state_dict": state} | facts, message)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"fc.bias": torch.zeros(4)}, r"1 of another shape: fc\.bias \(4,\) instead of \(3,\)"),
        ({"fc.bias": torch.zeros(3, dtype=torch.int64)}, r"1 of another type: fc\.bias torch\.int64 instead"),
        ({"fc.bias": torch.zeros(3, dtype=torch.complex64)}, r"1 of another type: fc\.bias torch\.complex64"),
        ({"conv1.0.weight": torch.zeros(1, 10**6, 1, 1)}, r"of another shape: conv1\.0\.weight"),
        ({"x" * 10**7: torch.zeros(1)}, "1 unexpected: xxx"),
        ({"\x1b[31m": torch.zeros(1)}, r"1 unexpected: \\x1b"),
        ({"fc.bias": torch.full((3,), 1e300, dtype=torch.float64)}, r"NaN or infinities \(fc\.bias\)"),
    ],
)
def test_weights_that_mislead(
    tmp_path: Path, state: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], message: str
) -> None:
    _misused(tmp_path / "c.pt", {"state_dict": state | weights}, message)


def test_more_weights_than_any_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btxrd_explain.model.checkpoint._MOST_WEIGHTS", 1)
    _refused(tmp_path / "c.pt", _saved(WEIGHTS), "has 2 weights, more than any network")


def test_an_image_size_that_the_architecture_does_not_take(tmp_path: Path) -> None:
    content = {"state_dict": WEIGHTS, "arch": "vit_tiny_patch16_224", "image_size": 7}
    _misused(tmp_path / "c.pt", content, "cannot make 'vit_tiny_patch16_224'|do not fit")


_PEAK = """
import resource, sys
from pathlib import Path
import numpy, timm, torch
from btxrd_explain.errors import CheckpointError
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.classifier import Wishes, build_classifier
from tests.hostile.fuzz.harness import outcome
from btxrd_explain.model.classifier import Wishes, build_classifier
from tests.hostile.fuzz.harness import outcome

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        build_classifier(read_checkpoint(path), Wishes(class_names=("a", "b", "c")))
    except CheckpointError:
        continue
    sys.exit(f"{path} was not refused")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak of memory in kilobytes")
def test_no_bomb_takes_memory(tmp_path: Path) -> None:
    """All of them in one process, which says by how much its memory has grown at most."""
    for number, (program, _) in enumerate(PROGRAMS.values()):
        if len(program) < 10**6:
            (tmp_path / f"program{number}.pt").write_bytes(_archive(program))
    for number, header in enumerate(HEADERS.values()):
        (tmp_path / f"header{number}.safetensors").write_bytes(header)
    (tmp_path / "zeros.pt").write_bytes(_archive(_dict(_text("\0" * 10**8)), compression=zipfile.ZIP_DEFLATED))
    (tmp_path / "giant.pt").write_bytes(_saved({"state_dict": WEIGHTS, "arch": "vit_gigantic_patch14_224"}))
    command = [sys.executable, "-c", _PEAK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200


def test_a_text_of_gigabytes_makes_no_room_for_itself(tmp_path: Path) -> None:
    """A file's own ``read`` would allocate what a damaged length asks for before it reads the little that is there."""
    (tmp_path / "c.pt").write_bytes(b"\x80\x02X\xff\xff\xff\xff" + b"abc")
    result = outcome(lambda: read_checkpoint(tmp_path / "c.pt"), folder=tmp_path, megabytes=64)
    assert isinstance(result, CheckpointError)
