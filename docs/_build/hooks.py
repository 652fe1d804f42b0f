"""Fills the site's pages from the code and from a run of the demo, so that no text or picture can be out of date."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from btxrd_explain.commands import demo
from pictures import ceiling_picture, own_map_picture, scores_picture, threshold_picture
from tutorial import demo_summary, demo_tree

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_TEXTS: dict[str, str] = {}
_LONG = 32
"""Characters of code in a sentence or a cell from which on it may be broken into lines."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Run the demo, and add its pictures and those that are drawn here."""
    with tempfile.TemporaryDirectory() as folder:
        result = demo.run(Path(folder) / "btxrd-explain-demo")
        pictures = {f"tutorial/{path.name}": path.read_bytes() for path in result.pictures()}
        _TEXTS.update(demo_tree=demo_tree(result), demo_summary=demo_summary(result))
    pictures["explanation/ceiling.png"] = ceiling_picture()
    pictures["explanation/thresholds.png"] = threshold_picture()
    pictures["explanation/scores.png"] = scores_picture()
    pictures["howto/own-map.png"] = own_map_picture()
    files.append(File.generated(config, "changelog.md", content=_changelog(Path(config.config_file_path).parent)))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    return files


def _changelog(root: Path) -> str:
    """Return the project's changelog, with its links to pages as the site has them."""
    return (root / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 -- MkDocs' signature
    """Put the generated texts in the place of their names, and lead to the page of the changelog."""
    markdown = markdown.replace("](../CHANGELOG.md)", "](changelog.md)")
    return re.sub(r"<!-- (demo_\w+) -->", lambda match: _TEXTS[match[1]], markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 -- MkDocs' signature
    """Let every picture open in its own size, and mark code that may be broken into lines."""
    html = re.sub(rf"<code>([^<]{{{_LONG},}})</code>", r'<code class="long">\1</code>', html)
    return re.sub(r'<img [^>]*\bsrc="([^"]+)"[^>]*>', r'<a href="\1" title="Open in full size">\g<0></a>', html)
