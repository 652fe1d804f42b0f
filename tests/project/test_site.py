"""The documentation site builds without a warning, with its generated texts and pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from btxrd_explain.model.aliases import FACTS, SECTIONS
from btxrd_explain.settings import SETTINGS

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://example.org/btxrd-explain"


_BUILD = """
from functools import partial
from btxrd_explain.commands import demo
from mkdocs.__main__ import cli
demo.write_dataset = partial(demo.write_dataset, per_class={"test": 4})
cli()
"""
"""Builds as ``mkdocs`` does, with a demo of fewer radiographs."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", _BUILD, "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "REPOSITORY_URL": REPOSITORY}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_generated_text_is_filled_in(site: Path) -> None:
    pages = {path: path.read_text("utf-8") for path in site.rglob("*.html")}
    assert not [
        path for path, text in pages.items() if "<!-- demo_" in text.partition("<article")[2].partition("</article")[0]
    ]
    settings = pages[site / "reference" / "settings" / "index.html"]
    assert all(f"<code>{setting.key}</code>" in settings for setting in SETTINGS.values())
    assert "<code>threshold</code>, <code>--threshold</code>" in settings
    assert "<code>--inputs</code>" not in settings
    facts = pages[site / "reference" / "checkpoint-facts" / "index.html"]
    names = [name for aliases in FACTS.values() for name in (*aliases.certain, *aliases.likely, *aliases.within)]
    assert all(f"<code>{name}</code>" in facts for name in (*names, *chain(*SECTIONS.values())))
    commands = pages[site / "reference" / "commands" / "index.html"]
    assert "btxrd-explain annotate-iou" in commands
    assert "[bold]" not in commands
    assert "<code>INPUT</code>" in commands
    assert "&lt;list[str]&gt;" not in commands


def test_pictures_come_from_the_code(site: Path) -> None:
    for name in (
        "tutorial/annotation_comparison.png",
        "explanation/ceiling.png",
        "explanation/thresholds.png",
        "howto/own-map.png",
    ):
        assert (site / name).read_bytes().startswith(b"\x89PNG")


def test_the_changelog_is_a_page(site: Path) -> None:
    text = (site / "changelog" / "index.html").read_text("utf-8")
    assert "0.1.0" in text
    assert 'href="../reference/changes-0.2/"' in text


def test_the_start_page_leads_to_changelog_and_repository(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    assert 'href="changelog/"' in text.partition("<article")[2]
    assert f'href="{REPOSITORY}"' in text


def test_names_in_texts_are_kept_whole_and_long_code_is_not(site: Path) -> None:
    text = (site / "reference" / "inputs" / "index.html").read_text("utf-8")
    assert "<code>unreadable</code>" in text
    assert '<code class="long">image_id,split,label\\n000046.png,test,Benign</code>' in text
    assert "code:not([class])" in (site / "assets" / "site.css").read_text("utf-8")


def test_every_picture_opens_in_its_own_size(site: Path) -> None:
    articles = [
        path.read_text("utf-8").partition("<article")[2].partition("</article")[0] for path in site.rglob("*.html")
    ]
    pictures = [
        found for text in articles for found in re.findall(r'(?:<a href="([^"]+)"[^>]*>)?<img [^>]*src="([^"]+)"', text)
    ]
    assert len(pictures) >= 9
    assert all(link == source for link, source in pictures)


def test_examples_of_commands_are_blocks_of_code(site: Path) -> None:
    text = (site / "reference" / "commands" / "index.html").read_text("utf-8")
    assert "<p>Examples:</p>\n<div" in text
    assert "<p>btxrd-explain" not in text
    assert "```" not in text


def test_examples_and_results_of_functions_are_whole(site: Path) -> None:
    text = (site / "reference" / "library" / "index.html").read_text("utf-8").partition("<article")[2]
    assert '<div class="language-pycon highlight">' in text
    assert "<blockquote>" not in text
    returned = re.findall(r"<p>The classifier: <code>preprocess.*?</p>", text, flags=re.DOTALL)
    assert returned
    assert all(result.endswith("what was taken, and from where.</p>") for result in returned)


def test_the_start_page_shows_the_readmes_picture(site: Path) -> None:
    assert 'src="assets/demo.png"' in (site / "index.html").read_text("utf-8")
    assert (site / "assets" / "demo.png").read_bytes() == (ROOT / "docs" / "assets" / "demo.png").read_bytes()


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert 'src="http' not in text
        assert 'rel="stylesheet" href="http' not in text
