"""Everything at once on synthetic radiographs, with the small classifier that ships with the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from btxrd_explain.commands import annotate_iou, gallery, infer, report
from btxrd_explain.progress import Listener, WithoutRows
from btxrd_explain.settings import AnnotationSettings, DataSettings, ModelSettings, OutputSettings, Settings
from btxrd_explain.synthetic import demo_checkpoint
from btxrd_explain.synthetic.dataset import write_dataset
from btxrd_explain.system.places import check_own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from btxrd_explain.commands.annotate_iou import AnnotateIouResult
    from btxrd_explain.commands.gallery import GalleryResult
    from btxrd_explain.commands.infer import InferResult
    from btxrd_explain.commands.report import ReportResult

SEED = 2025
"""Seed of the demo's radiographs; the classifier was trained on others."""
_DATA, _RESULTS = "BTXRD-synthetic", "results"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made.

    Attributes:
        folder: The folder of everything.
        data: The synthetic data set, laid out like the BTXRD download.
        infer: Predictions.
        gallery: Picture grids.
        annotate_iou: Heat maps against annotations.
        report: All of it as one page.
    """

    folder: Path
    data: Path
    infer: InferResult
    gallery: GalleryResult
    annotate_iou: AnnotateIouResult
    report: ReportResult

    def pictures(self) -> Iterator[Path]:
        """Yield the pictures to open."""
        yield from self.gallery.figures.values()
        kinds = ("annotation_comparison", "annotation_curve", "annotation_size")
        yield from (self.annotate_iou.files[kind] for kind in kinds if kind in self.annotate_iou.files)

    def files(self) -> dict[str, object]:
        """Return what was written, as plain JSON values."""
        return {
            "synthetic": True,
            "data": str(self.data),
            "predictions": str(self.infer.table.path),
            "gallery": {name: str(path) for name, path in self.gallery.figures.items()},
            "annotation_comparison": self.annotate_iou.figure and str(self.annotate_iou.figure),
            "annotation_report": str(self.annotate_iou.document),
            "report": str(self.report.page),
            "mean_iou": self.annotate_iou.report.mean_iou,
        }


def run(folder: Path, listener: Listener | None = None) -> DemoResult:
    """Write synthetic radiographs to ``folder/BTXRD-synthetic`` and run all commands on their test split.

    Args:
        folder: Where everything is written; made if missing.
        listener: Told of progress; None is silent.

    Returns:
        What was made.

    Raises:
        OutputError: The folder cannot be written, or something else is in the way.
    """
    listener = listener or Listener()
    for name in (_DATA, _RESULTS):
        check_own(folder / name, folder=True)
    data = write_dataset(folder / _DATA, seed=SEED)
    settings = Settings(
        data=DataSettings(root=data.root, split_csv=data.split_csv, split="test"),
        model=ModelSettings(checkpoint=demo_checkpoint(), device="cpu"),
        annotation=AnnotationSettings(panels=6),
        output=OutputSettings(directory=folder / _RESULTS),
    )
    quiet = WithoutRows(listener)  # the demo tells of files, not of images
    return DemoResult(
        folder=folder,
        data=data.root,
        infer=infer.run(settings, quiet),
        gallery=gallery.run(settings, quiet),
        annotate_iou=annotate_iou.run(settings, quiet),
        report=report.run(settings, quiet),
    )
