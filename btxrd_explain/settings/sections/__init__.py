"""The settings in their sections: names, kinds, defaults and what they mean.

One module per section; they are the one place that describes a setting. Help texts, the commented YAML template and
the error messages are made from them.
"""

from btxrd_explain.settings.sections.annotation import AnnotationSettings
from btxrd_explain.settings.sections.check import CheckSettings
from btxrd_explain.settings.sections.data import DataSettings
from btxrd_explain.settings.sections.evaluation import EvaluationSettings
from btxrd_explain.settings.sections.export import ExportSettings
from btxrd_explain.settings.sections.gradcam import GradcamSettings
from btxrd_explain.settings.sections.model import ModelSettings
from btxrd_explain.settings.sections.output import OutputSettings
from btxrd_explain.settings.sections.preprocess import PreprocessSettings
from btxrd_explain.settings.sections.report import ReportSettings
from btxrd_explain.settings.sections.run import RunSettings
from btxrd_explain.settings.sections.sanity import SanitySettings
from btxrd_explain.settings.sections.section import Section

__all__ = [
    "AnnotationSettings",
    "CheckSettings",
    "DataSettings",
    "EvaluationSettings",
    "ExportSettings",
    "GradcamSettings",
    "ModelSettings",
    "OutputSettings",
    "PreprocessSettings",
    "ReportSettings",
    "RunSettings",
    "SanitySettings",
    "Section",
]
