"""Verbs for files: what they are, and how other programs can read them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import NamedFiles, OutputPath, named_files

DatasetName = Annotated[
    str, arg(metavar="NAME", help_behavior_hint="(default: clic_edm_PROCESS_pf)")
]


def inspect(path: Positional[Path]) -> None:
    """Say what a file or folder is, which commands read it, and what will not work with it.

    Of a folder with several outputs, such as that of `partflow demo`, it lists what each part is.

    Example: partflow inspect events/

    Args:
        path: Output of a partflow command or a folder of outputs, EDM4hep files, or a TFDS data
            set.
    """
    from rich.console import Console

    from partflow.ingest.inspection.inspection import inspect as inspect_path
    from partflow.ingest.inspection.page import render

    Console().print(render(inspect_path(path)))


def export_dataset(
    source: Positional[Path],
    output: OutputPath,
    format: Literal["tfds", "edm4hep"] = "tfds",
    name: DatasetName = "",
    candidates: NamedFiles = (),
    overwrite: bool = False,
) -> None:
    """Write labelled events as a data set for MLPF v2.2.0, or events as EDM4hep files.

    The opposite of `partflow ingest`. Train and test splits are cut by shard: the events need two
    shards or more.

    Example: partflow export-dataset labelled/ --format tfds --output tfds/

    Args:
        source: Folder of `partflow label` (tfds), or of `partflow simulate` or `partflow ingest`
            (edm4hep).
        output: Folder to write.
        format: Format of the output.
        name: Name of the data set (tfds).
        candidates: Further candidate sets (edm4hep): the name of the ReconstructedParticle
            collection to write, and a file of `partflow reconstruct`.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline

    pipeline.export_dataset(source, output, format, name, named_files(candidates), overwrite)
