"""Verbs for a network: targets, training, published checkpoints, reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import OutputPath

PresetName = Literal["tiny", "small", "base"]
Backbone = Literal["transformer", "gnn_lsh", "favor"]
Head = Annotated[
    Literal["direct", "sharing"] | None,
    arg(
        metavar="{direct,sharing}",
        help_behavior_hint="(default: sharing, if the labels hold energy shares)",
    ),
]
Minutes = Annotated[float | None, arg(metavar="MINUTES", help_behavior_hint="(default: no limit)")]
Epochs = Annotated[
    int | None,
    arg(metavar="NUMBER", help_behavior_hint="(default: 30, or no limit with --max-minutes)"),
]
Threads = Annotated[int | None, arg(metavar="NUMBER", help_behavior_hint="(default: all cores)")]
Threshold = Annotated[
    float | None, arg(metavar="PROBABILITY", help_behavior_hint="(default: as stored in the model)")
]
EventIds = Annotated[
    tuple[int, ...], arg(metavar="[EVENT_ID ...]", help_behavior_hint="(default: none)")
]


def label(
    events: Positional[Path],
    output: OutputPath,
    definition: Literal["closed", "mlpf-2.5"] = "closed",
    elements: Literal["final", "fine"] = "final",
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
        elements: Tracks with the final clusters of the baseline, or with finer ones (needs
            `simulate --fine-elements`). A network is used with the elements it was trained on.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline

    pipeline.label(events, output, definition, overwrite, elements)


def train(
    labelled: Positional[Path],
    output: OutputPath,
    preset: PresetName = "small",
    max_minutes: Minutes = None,
    epochs: Epochs = None,
    seed: int = 1,
    threads: Threads = None,
    resume: bool = False,
    backbone: Backbone = "transformer",
    head: Head = None,
) -> None:
    """Train a network on labelled events.

    Writes a folder with the model, checkpoints and the loss curve. The training ends after
    --epochs or --max-minutes, whichever comes first; the learning rate decreases towards that end.
    After Ctrl-C, --resume continues the training. Next: `partflow reconstruct`.

    Example: partflow train labelled/ --preset small --output run/ --max-minutes 10

    Args:
        labelled: Folder of `partflow label`, or one split of `partflow ingest --format tfds`.
        output: Folder to write.
        preset: Size of the network.
        max_minutes: Longest training [min].
        epochs: Largest number of passes over the events.
        seed: Seed of the initial weights and of the order of events.
        threads: Number of threads.
        resume: Continue the training in --output.
        backbone: How elements exchange information: attention of each element to all others
            (transformer), attention in linear time (favor), or messages in bins of a learned hash
            (gnn_lsh).
        head: How a neutral particle gets its energy: from one cluster, corrected (direct), or from
            its shares in all clusters around it (sharing). Published data sets hold no shares.
    """
    from partflow import pipeline

    result = pipeline.train(
        labelled, output, preset, max_minutes, epochs, seed, threads, resume, backbone, head
    )
    print(
        f"{result.folder}: trained on {result.events_seen:,} events in {result.minutes:.1f} min "
        f"({result.events_per_second:.0f} events/s); validation loss {result.validation_loss:.4f}"
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
    model: str,
    output: OutputPath,
    overwrite: bool = False,
    save_embeddings: bool = False,
    save_attention: EventIds = (),
    threshold: Threshold = None,
    adapt_detector: bool = False,
    device: str = "cpu",
    threads: Threads = None,
    dtype: Literal["auto", "float32", "bfloat16"] = "float32",
) -> None:
    """Reconstruct the particles of every event with a trained network, or by rules.

    The network reads only tracks and clusters, never the truth. Writes one Parquet file with the
    candidates, and with the energy shares of a network that has them. Next: `partflow evaluate`.

    Example: partflow reconstruct events/ --model run/ --output mlpf.parquet

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        model: Folder of `partflow train` or `partflow import-checkpoint`, or `baseline` for the
            candidates of the rules.
        output: Parquet file to write.
        overwrite: Replace an output that was made with other settings.
        save_embeddings: Also write the embedding of every element, to OUTPUT.embeddings.parquet.
        save_attention: Also write the attention maps of the events with these event_ids, to
            OUTPUT.attention.parquet.
        threshold: Smallest probability at which an element becomes a particle, from 0 to 1.
        adapt_detector: Allow a network that was trained on another detector. It then takes the
            depth of clusters from the calorimeter of these events; all else stays as trained.
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
        adapt_detector,
        device,
        threads,
        dtype,
    )
