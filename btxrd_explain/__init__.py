"""Show where a bone-tumour X-ray classifier looks, and measure whether it looks at the tumour.

All names come from :mod:`btxrd_explain.api`, and are imported when they are first used, so that importing the package
costs next to nothing.
"""

TYPE_CHECKING = False  # not typing's: what is imported here could be interrupted before the tool listens
if TYPE_CHECKING:
    from btxrd_explain.api import (
        annotate_iou,
        build_gallery_grid,
        check,
        compare,
        compute_cam_iou,
        create_overlay,
        demo,
        denormalize_tensor,
        evaluate,
        explain,
        export,
        gallery,
        generate_gradcam,
        import_maps,
        infer,
        intervene,
        layers,
        load_annotation_mask,
        load_classifier,
        merge,
        methods,
        overlay,
        performance,
        read_annotation,
        read_predictions,
        read_radiograph,
        report,
        sanity,
        score,
        select_examples,
        study,
    )

__all__ = [
    "annotate_iou",
    "build_gallery_grid",
    "check",
    "compare",
    "compute_cam_iou",
    "create_overlay",
    "demo",
    "denormalize_tensor",
    "evaluate",
    "explain",
    "export",
    "gallery",
    "generate_gradcam",
    "import_maps",
    "infer",
    "intervene",
    "layers",
    "load_annotation_mask",
    "load_classifier",
    "merge",
    "methods",
    "overlay",
    "performance",
    "read_annotation",
    "read_predictions",
    "read_radiograph",
    "report",
    "sanity",
    "score",
    "select_examples",
    "study",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 -- takes long to import

        return version("btxrd-explain")
    if name not in __all__:
        raise AttributeError(f"module 'btxrd_explain' has no attribute {name!r}")
    from btxrd_explain import api  # noqa: PLC0415 -- see above

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
