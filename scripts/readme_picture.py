"""Draws the picture of the README from a run of the demo: ``nox -s picture``.

The radiographs in it are synthetic, which a banner in the picture and a text in the PNG file say.
"""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path

from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from btxrd_explain.commands import demo
from btxrd_explain.system.files import write_bytes

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "demo.png"
WIDTH = 1100
"""Pixels; the page of a repository shows a README at less than a thousand."""
MARK = "SYNTHETIC radiographs, made by 'btxrd-explain demo'"
_MARGIN = 20
_FONT_SIZE = 18
_INK, _PAPER = (255, 255, 255), (176, 32, 32)


def marked(figure: Image.Image) -> bytes:
    """Return a figure as a PNG file of ``WIDTH`` pixels, marked as synthetic in its lower right corner."""
    height = round(figure.height * WIDTH / figure.width)
    picture = figure.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), _FONT_SIZE)
    canvas = ImageDraw.Draw(picture)
    corner = (WIDTH - _MARGIN, height - _MARGIN)
    left, top, right, bottom = canvas.textbbox(corner, MARK, font=font, anchor="rd")
    canvas.rectangle((left - 8, top - 6, right + 8, bottom + 6), fill=_PAPER)
    canvas.text(corner, MARK, font=font, fill=_INK, anchor="rd")
    facts = PngInfo()
    facts.add_text("Description", MARK)
    file = BytesIO()
    picture.save(file, "PNG", optimize=True, pnginfo=facts)
    return file.getvalue()


def main() -> None:
    """Run the demo in a folder of its own, and write the comparison of its heat maps and annotations."""
    with tempfile.TemporaryDirectory() as folder:
        figure = demo.run(Path(folder) / "demo").annotate_iou.files["annotation_comparison"]
        with Image.open(figure) as picture:
            write_bytes(PICTURE, marked(picture))


if __name__ == "__main__":
    main()
