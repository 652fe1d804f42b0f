"""How much of a heat map's mass lies on the annotation, without a threshold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Energy:
    """A heat map's mass, within the annotation and in all.

    Attributes:
        inside: Sum of the heat map over the annotation.
        total: Sum of the heat map.
        annotation: Pixels in the annotation.
    """

    inside: float
    total: float
    annotation: int

    @property
    def share(self) -> float | None:
        """Energy in the mask, ``Σ(h m) / Σ h``, in [0, 1]; None where the map has no mass or nothing is annotated.

        Also known as relevance mass accuracy (Arras et al., Inf Fusion 81:14, 2022) and energy-based pointing game
        (Wang et al., CVPR Workshops 2020). Its chance level is the annotation's share of the image.
        """
        return self.inside / self.total if self.total > 0 and self.annotation else None

    @property
    def soft_iou(self) -> float | None:
        """Soft IoU, ``Σ min(h, m) / Σ max(h, m)``, in [0, 1]; None where nothing is annotated.

        For a mask of 0 and 1 that is the mass inside over the annotation's area plus the mass outside.
        """
        return self.inside / (self.annotation + self.total - self.inside) if self.annotation else None
