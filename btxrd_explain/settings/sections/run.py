"""The settings of the section `run`."""

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import Shard


class RunSettings(Section):
    """Where the network runs."""

    shard: Shard | None = Field(
        default=None,
        description=(
            "Work on one of several shares of the images, such as 1/8, 2/8 and so on for the tasks of a job array. "
            "Each writes a table of its own, predictions.shard-1-of-8.parquet; 'btxrd-explain merge' makes them one."
        ),
    )
