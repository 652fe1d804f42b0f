"""All settings of a run in one immutable object."""

from pydantic import BaseModel, ConfigDict

from btxrd_explain.settings.analysis_sections import (
    AnnotationSettings,
    CheckSettings,
    EvaluationSettings,
    ExportSettings,
    InterventionSettings,
    MapsSettings,
    ReportSettings,
    SanitySettings,
    StudySettings,
)
from btxrd_explain.settings.sections import (
    DataSettings,
    GradcamSettings,
    ModelSettings,
    OutputSettings,
    PreprocessSettings,
    RunSettings,
)


class Settings(BaseModel):
    """Everything a run depends on; immutable.

    Made directly, it holds defaults and the given values only, so that a library call never depends on the
    environment. Users' files, variables and flags come in through :func:`btxrd_explain.settings.load_settings`,
    which knows where each value came from.

    >>> from pathlib import Path
    >>> Settings().gradcam.examples_per_class
    3
    >>> Settings(output=OutputSettings(directory=Path("run"))).output.predictions_path.as_posix()
    'run/predictions.parquet'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    gradcam: GradcamSettings = GradcamSettings()
    annotation: AnnotationSettings = AnnotationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    sanity: SanitySettings = SanitySettings()
    intervention: InterventionSettings = InterventionSettings()
    output: OutputSettings = OutputSettings()
    export: ExportSettings = ExportSettings()
    run: RunSettings = RunSettings()
    maps: MapsSettings = MapsSettings()
    report: ReportSettings = ReportSettings()
    check: CheckSettings = CheckSettings()
    study: StudySettings = StudySettings()
