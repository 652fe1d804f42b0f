"""The settings of the section `model`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import BatchSize, ClassNames, Device, FilePath, Text


class ModelSettings(Section):
    """The classifier and where it runs."""

    checkpoint: FilePath | None = Field(
        default=None,
        description=(
            "Trained weights: a PyTorch checkpoint or a .safetensors file, or demo for the classifier that ships with "
            "the package. Pickled code is never run."
        ),
    )
    architecture: Text | None = Field(
        default=None,
        description=("Name of the network in timm, such as efficientnet_b0; needed where the checkpoint does not say."),
    )
    factory: Text | None = Field(
        default=None,
        description=(
            "For a network that is not in timm: package.module:callable, which is called with num_classes and "
            "returns the network; modules in the current directory are found. Your code is run."
        ),
    )
    class_names: ClassNames | None = Field(
        default=None,
        description=(
            "Classes in the order of the network's outputs, such as [Normal, Benign, Malignant]; needed where "
            "the checkpoint does not say."
        ),
    )
    device: Device = Field(
        default="auto",
        description="Where the network runs; auto takes CUDA, then Apple's GPU (mps), then the CPU.",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        default="fp32",
        description="Precision of the network; bf16 and fp16 are faster on GPUs, slower on most CPUs. Heat maps are "
        "summed in float32 always.",
    )
    batch_size: BatchSize = Field(
        default="auto",
        description=(
            "Radiographs in one forward pass; auto fits it to the device. Where memory is short it is halved. Results "
            "do not depend on it."
        ),
    )
    compile: bool = Field(
        default=False,
        description=(
            "Whether torch.compile translates the network up to the explained layer: a minute or more at the start, "
            "for passes that are faster on GPUs and on some CPUs. Results stay the same within rounding."
        ),
    )
