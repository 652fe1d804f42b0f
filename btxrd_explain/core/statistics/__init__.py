"""What a table of scores says beyond its images: bootstrap intervals, paired differences, rank correlation."""

from btxrd_explain.core.statistics.bootstrap import Estimate, Resampling, mean_intervals
from btxrd_explain.core.statistics.correlation import spearman
from btxrd_explain.core.statistics.pooled import pooled_interval

__all__ = ["Estimate", "Resampling", "mean_intervals", "pooled_interval", "spearman"]
