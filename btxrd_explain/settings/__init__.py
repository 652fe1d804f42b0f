"""Settings shared by all commands: defaults < YAML < environment < flags < ``--set``.

Relative paths start at the working directory, whichever source they come from.
"""

from btxrd_explain.settings.analysis_sections import (
    AnnotationSettings,
    CheckSettings,
    EvaluationSettings,
    ExportSettings,
    ReportSettings,
)
from btxrd_explain.settings.catalogue import SECTIONS, SETTINGS, Setting, section_description
from btxrd_explain.settings.schema import Settings
from btxrd_explain.settings.sections import (
    DataSettings,
    GradcamSettings,
    ModelSettings,
    OutputSettings,
    PreprocessSettings,
    RunSettings,
)
from btxrd_explain.settings.sources import LoadedSettings, load_settings

__all__ = [
    "SECTIONS",
    "SETTINGS",
    "AnnotationSettings",
    "CheckSettings",
    "DataSettings",
    "EvaluationSettings",
    "ExportSettings",
    "GradcamSettings",
    "LoadedSettings",
    "ModelSettings",
    "OutputSettings",
    "PreprocessSettings",
    "ReportSettings",
    "RunSettings",
    "Setting",
    "Settings",
    "load_settings",
    "section_description",
]
