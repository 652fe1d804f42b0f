"""Files of the tool's own and those of other people, paths and URLs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from btxrd_explain.errors import InputError, OutputError
from btxrd_explain.system.places import (
    absolute,
    check_own,
    check_own_folders,
    check_replaceable,
    in_folder,
    is_url,
    make_folder,
    on_this_machine,
    open_own,
    open_to_read,
    place_of,
    result_place,
    without_secrets,
)
from tests.support.refusals import assert_refused

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")


def test_nothing_and_a_file_can_be_the_tools_own(tmp_path: Path) -> None:
    check_own(tmp_path / "absent")
    (tmp_path / "file").touch()
    check_own(tmp_path / "file")
    check_own(tmp_path, folder=True)
    check_own(tmp_path / "file" / "below")  # said when it is worked with


@needs_pipes
def test_a_link_a_folder_a_pipe_and_a_socket_are_in_the_way_by_their_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # names of sockets are short
        listening.bind("socket")
        for kind in ("folder", "link", "pipe", "socket"):
            path = tmp_path / kind
            message = f"'{path}' is in the way: it is a {kind} that btxrd-explain did not make"
            assert_refused(lambda path=path: check_own(path), OutputError, message)  # type: ignore[misc]


def test_a_file_is_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="it is a file that"):
        check_own(tmp_path / "file", folder=True)


def test_no_folder_that_leads_to_a_file_is_a_link(tmp_path: Path) -> None:
    own, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    (own / "real").mkdir(parents=True)
    elsewhere.mkdir()
    check_own_folders(own / "real" / "absent" / "file.png", own)
    (own / "linked").symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"linked' is in the way: it is a link"):
        check_own_folders(own / "linked" / "file.png", own)
    moved = tmp_path / "moved"
    moved.symlink_to(own)
    with pytest.raises(OutputError, match="it is a link"):
        check_own_folders(moved / "real" / "file.png", moved)


@needs_pipes
def test_a_link_may_be_replaced_and_a_pipe_may_not(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    check_replaceable(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to pipe").symlink_to(tmp_path / "pipe")
    check_replaceable(tmp_path / "to pipe")
    with pytest.raises(OutputError, match="a pipe"):
        check_replaceable(tmp_path / "pipe")


def test_an_own_file_is_opened_in_place_and_one_of_two_names_is_not(tmp_path: Path) -> None:
    path = tmp_path / "own"
    with os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
        file.write(b"content")
    assert path.read_bytes() == b"content"
    (tmp_path / "second").hardlink_to(path)
    with pytest.raises(OutputError, match="a hard link"):
        open_own(path, os.O_RDONLY)
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir())) if opened.exists() else 0
    with pytest.raises(OutputError):
        open_own(path, os.O_RDONLY)
    assert (len(list(opened.iterdir())) if opened.exists() else 0) == before  # nothing stays open


@needs_pipes
def test_reading_follows_links_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with open_to_read(tmp_path / "link") as file:
        assert file.read() == b"content"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a file"):
        open_to_read(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        open_to_read(tmp_path / "absent")


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://me:mine@bucket/run", "s3://***@bucket/run"),
        ("s3://:mine@bucket/run", "s3://***@bucket/run"),
        ("https://host/a.png?X-Amz-Signature=12&x=1", "https://host/a.png?***"),
        ("https://host/a.png?a=1&sig=2", "https://host/a.png?***"),
        ("https://host/a.png?TOKEN=\n2", "https://host/a.png?***"),
        ("https://host/a.png?page=2", "https://host/a.png?page=2"),
        ("abfs://images@account/a.png", "abfs://images@account/a.png"),
        ("s3://bucket/me:mine@run", "s3://bucket/me:mine@run"),
        ("me:mine@host?token=1", "me:mine@host?token=1"),
    ],
)
def test_credentials_of_a_url_are_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown


def test_a_url_with_credentials_is_refused_without_repeating_them() -> None:
    with pytest.raises(InputError, match="holds credentials") as caught:
        place_of("s3://me:mine@bucket/run")
    assert "mine" not in str(caught.value)


def test_an_unknown_kind_of_url_is_one_error() -> None:
    with pytest.raises(InputError, match=r"cannot open 'nosuch://x/y'"):
        place_of("nosuch://x/y")


def test_a_url_of_this_machine_is_a_path() -> None:
    place = place_of("file:///data/run/a.parquet")
    assert on_this_machine(place) == result_place("file:///data/run/a.parquet") == Path("/data/run/a.parquet")
    in_memory = place_of("memory://run/a.parquet")
    assert on_this_machine(in_memory) is in_memory
    assert is_url(in_memory)
    assert not is_url(Path("run/a.parquet"))


def test_what_a_table_names_is_seen_from_its_folder(tmp_path: Path) -> None:
    assert in_folder(tmp_path, "../a.png") == tmp_path / "../a.png"
    assert in_folder(tmp_path, str(tmp_path / "a.png")) == tmp_path / "a.png"
    assert str(in_folder(tmp_path, "memory://x/a.png")) == "memory://x/a.png"


def test_in_a_store_what_a_table_names_has_no_dots() -> None:
    store = place_of("memory://bucket/run")
    assert str(in_folder(store, "../images/a.png")) == "memory://bucket/images/a.png"
    assert in_folder(store, "/data/a.png") == Path("/data/a.png")


def test_absolute_paths_have_no_dots_and_urls_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(Path("a/../b")) == str(tmp_path / "b")
    assert absolute(place_of("memory://bucket/run")) == "memory://bucket/run"
