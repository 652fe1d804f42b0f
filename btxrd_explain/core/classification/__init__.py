"""How good predicted classes and probabilities are, with bootstrap intervals."""

from btxrd_explain.core.classification.calibration import Reliability, reliability
from btxrd_explain.core.classification.curves import Curve, precision_recall, roc
from btxrd_explain.core.classification.performance import ClassPerformance, Performance, measure_performance
from btxrd_explain.core.classification.rates import Rates, rates

__all__ = [
    "ClassPerformance",
    "Curve",
    "Performance",
    "Rates",
    "Reliability",
    "measure_performance",
    "precision_recall",
    "rates",
    "reliability",
    "roc",
]
