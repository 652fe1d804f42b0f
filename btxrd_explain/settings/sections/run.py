"""The settings of the section `run`."""

from typing import Literal

from pydantic import Field

from btxrd_explain.settings.sections.section import Section
from btxrd_explain.settings.types import CountOrAuto, Shard


class RunSettings(Section):
    """On how many machines the network runs, and what a file that fails means."""

    strict: bool = Field(
        default=False,
        description=(
            "Stop at the first file that fails, with exit code 1; what is done stays in the table. Else the others are "
            "worked on, and each that fails has a row that says why."
        ),
    )
    engine: Literal["local", "ray"] = Field(
        default="local",
        description=(
            "Where images go through the network: local is this process; ray is the worker processes of a Ray cluster "
            "(pip install 'btxrd-explain[ray]'), whose table is a folder of Parquet files."
        ),
    )
    shard: Shard | None = Field(
        default=None,
        description=(
            "Work on one of several shares of the images, such as 1/8, 2/8 and so on for the tasks of a job array. "
            "Each writes a table of its own, predictions.shard-1-of-8.parquet; 'btxrd-explain merge' makes them one."
        ),
    )
    workers: CountOrAuto = Field(
        default="auto",
        description=(
            "With engine: ray, the number of worker processes; auto takes one per GPU of the cluster, without GPUs as "
            "many as its CPUs allow."
        ),
    )
    cpus_per_worker: CountOrAuto = Field(
        default="auto",
        description=(
            "With engine: ray, the CPUs that each worker reserves and uses; auto shares them out among the GPUs, and "
            "takes one where there is none."
        ),
    )
