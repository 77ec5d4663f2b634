"""Verbs around a network: targets, published checkpoints, reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import OutputPath
from partflow.cli.executor_options import Address, ExecutorName
from partflow.core.executors import open_executor
from partflow.model.dtype import Dtype

Threads = Annotated[int | None, arg(metavar="NUMBER", help_behavior_hint="(default: all cores)")]
Probability = Annotated[
    float | None, arg(metavar="PROBABILITY", help_behavior_hint="(default: as stored in the model)")
]
ClassName = Annotated[
    str | None, arg(metavar="PACKAGE.MODULE:CLASS", help_behavior_hint="(default: none)")
]
ModelName = Annotated[
    str | None, arg(metavar="MODEL", help_behavior_hint="(default: a bundled model)")
]
EventIds = Annotated[
    tuple[int, ...], arg(metavar="[EVENT_ID ...]", help_behavior_hint="(default: none)")
]


def label(
    events: Positional[Path],
    output: OutputPath,
    definition: Literal["closed", "mlpf-2.5"] = "closed",
    elements: Literal["final", "fine"] = "final",
    workers: int = 1,
    executor: ExecutorName = "local",
    address: Address = None,
    overwrite: bool = False,
) -> None:
    """Find the target of every track and cluster: the particle that it should become.

    Reads the truth in events of `partflow simulate` or `partflow ingest`. Writes Parquet shards
    with elements and targets, flat arrays for training, and label-report.json. Next: `partflow
    train`.

    Example: partflow label events/ --output labelled/

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: Folder to write.
        definition: Definition of the targets: closed, in which no energy is lost, or the published
            one of MLPF v2.2.0, mlpf-2.5.
        elements: Tracks with the final clusters of the baseline, or with finer ones. A network is
            used with the elements it was trained on.
        workers: Number of processes; the output is the same with any number.
        executor: Where shards are labelled: in processes of this machine (local) or on a Ray
            cluster (pip install "partflow[ray]"). The output is the same.
        address: Address of the Ray cluster.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline

    with open_executor(executor, workers, address) as chosen:
        pipeline.label(
            events, output, definition, overwrite, elements, workers=workers, executor=chosen
        )


def import_checkpoint(
    checkpoint: Positional[Path],
    kwargs: Path,
    output: OutputPath,
    overwrite: bool = False,
) -> None:
    """Import a published checkpoint (MLPF v2.2.0) as a model folder.

    No code in the files is executed: a file that holds more than plain data is refused. Next:
    `partflow reconstruct`.

    Example: partflow import-checkpoint mlpf.pth --kwargs model_kwargs.pkl --output model/

    Args:
        checkpoint: File with the weights (.pth).
        kwargs: Arguments of the model, published with the weights (.pkl, or the same as .json).
        output: Folder to write.
        overwrite: Replace an output that was made from other files.
    """
    from partflow import pipeline

    pipeline.import_checkpoint(checkpoint, kwargs, output, overwrite)


def reconstruct(
    events: Positional[Path],
    output: OutputPath,
    model: ModelName = None,
    overwrite: bool = False,
    save_embeddings: bool = False,
    save_attention: EventIds = (),
    threshold: Probability = None,
    max_background_probability: Probability = None,
    adapt_detector: bool = False,
    backbone: ClassName = None,
    head: ClassName = None,
    device: str = "cpu",
    threads: Threads = None,
    dtype: Dtype = "float32",
) -> None:
    """Reconstruct the particles of every event with a trained network, or by rules.

    The network reads only tracks and clusters, never the truth. Writes one Parquet file with the
    candidates, and with the energy shares of a network that has them. Next: `partflow evaluate`.

    Example: partflow reconstruct events/ --model run/ --output mlpf.parquet

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: Parquet file to write.
        model: Folder of `partflow train` or `partflow import-checkpoint`, the name of a bundled
            model (`partflow models list`), or `baseline` for the candidates of the rules. Without
            it, the bundled model for the detector of the events and for their simulation.
        overwrite: Replace an output that was made with other settings.
        save_embeddings: Also write the embedding of every element, to OUTPUT.embeddings.parquet.
        save_attention: Also write the attention maps of the events with these event_ids, to
            OUTPUT.attention.parquet.
        threshold: Smallest probability at which an element becomes a particle, from 0 to 1.
        max_background_probability: Leave out particles that are from overlaid background with a
            larger probability, by a network that was trained with --predict-background.
        adapt_detector: Allow a network that was trained on another detector. It then takes the
            depth of clusters from the calorimeter of these events; all else stays as trained.
        backbone: The backbone of a network that was trained with one of your own, named again,
            since it is code that is executed: package.module:Class.
        head: The same for a head of your own.
        device: Device of the network: cpu, cuda, cuda:1, mps.
        threads: Number of CPU threads. Each reconstructs events by itself, and the candidates do
            not depend on their number.
        dtype: Type of numbers of the network's matrix products. bfloat16 is faster where the
            processor has it and rounds to 3 digits; auto chooses it where it is faster.
    """
    from partflow import pipeline

    pipeline.reconstruct(
        events,
        model,
        output,
        overwrite,
        save_embeddings,
        save_attention,
        threshold,
        max_background_probability,
        adapt_detector,
        backbone,
        head,
        device,
        threads,
        dtype,
    )
