"""Verbs about a network: what it learns from, how it learns, and what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from partflow.cli.app import Output, app

Preset = Literal["tiny", "small", "base"]
Backbone = Literal["transformer", "gnn_lsh", "favor"]
Head = Literal["direct", "sharing"]


@app.command
def label(
    events: Positional[Path],
    output: Output,
    definition: Literal["closed", "mlpf-2.5"] = "closed",
    elements: Literal["final", "fine"] = "final",
    overwrite: bool = False,
) -> None:
    """Find for every track and cluster the particle it should become.

    Writes Parquet shards to look at and flat arrays to train on.

    Example: partflow label events/ --output labelled/

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: Folder to write.
        definition: closed, in which no energy is lost, or the published one, mlpf-2.5.
        elements: Tracks with the baseline's final clusters, or with finer ones that a network
            is to join; a network remembers which it was trained on.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.label(events, output, definition, overwrite, elements)


@app.command
def train(
    labelled: Positional[Path],
    output: Output,
    preset: Preset = "small",
    max_minutes: float | None = None,
    epochs: int | None = None,
    seed: int = 1,
    threads: int | None = None,
    resume: bool = False,
    backbone: Backbone = "transformer",
    head: Head | None = None,
) -> None:
    """Train a network on labelled events.

    Ends after --epochs or --max-minutes, whichever comes first; the learning rate follows
    whichever is nearer. Ctrl-C keeps what was learnt: --resume goes on from there.

    Example: partflow train labelled/ --preset small --output run/ --max-minutes 10

    Args:
        labelled: Folder of `partflow label`.
        output: Folder for the model and the checkpoints.
        preset: Size of the network.
        max_minutes: Stop after so many minutes of training.
        epochs: Stop after so many passes over the events.
        seed: Seed of the weights and of the order of events.
        threads: Threads to use; all cores if not given.
        resume: Continue the run in --output.
        backbone: How elements exchange: by attention of each to every other, by attention in
            linear time (favor), or in bins of a learned hash (gnn_lsh).
        head: What a neutral particle's energy is: a cluster's, corrected (direct), or the parts
            that it is given of every cluster around it (sharing). If not given: sharing, unless
            the labels hold no shares to learn it from, as those of published data sets.
    """
    from partflow import pipeline

    result = pipeline.train(
        labelled, output, preset, max_minutes, epochs, seed, threads, resume, backbone, head
    )
    print(
        f"{result.folder}: trained on {result.events_seen:,} events in {result.minutes:.1f} min "
        f"({result.events_per_second:.0f} events/s); validation loss {result.validation_loss:.4f}"
    )


@app.command(name="import-checkpoint")
def import_checkpoint(
    checkpoint: Positional[Path], kwargs: Path, output: Output, overwrite: bool = False
) -> None:
    """Make a model folder of a published checkpoint (MLPF v2.2.0).

    Nothing in the files is executed: what is not plain data is refused.

    Example: partflow import-checkpoint mlpf.pth --kwargs model_kwargs.pkl --output model/

    Args:
        checkpoint: File with the weights (.pth).
        kwargs: The model's arguments, stored beside it (.pkl, or the same as .json).
        output: Folder to write, for `partflow reconstruct --model`.
        overwrite: Replace an output made of other files.
    """
    from partflow import pipeline

    pipeline.import_checkpoint(checkpoint, kwargs, output, overwrite)


@app.command
def reconstruct(
    events: Positional[Path],
    model: str,
    output: Output,
    overwrite: bool = False,
    save_embeddings: bool = False,
    save_attention: tuple[int, ...] = (),
    threshold: float | None = None,
    adapt_detector: bool = False,
) -> None:
    """Find the particles of every event with a trained network, or by rule.

    Example: partflow reconstruct events/ --model run/ --output mlpf.parquet

    Args:
        events: Folder of `partflow simulate`.
        model: Folder of `partflow train` or `import-checkpoint`, or `baseline` for the rule-based
            particles.
        output: Parquet file to write.
        overwrite: Replace an output made with other settings.
        save_embeddings: Write what the network makes of every element, too: to
            OUTPUT.embeddings.parquet.
        save_attention: Write the attention maps of the events with these event_ids, too: to
            OUTPUT.attention.parquet.
        threshold: Probability from which on an element becomes a particle; if not given the one
            stored with the model.
        adapt_detector: Use a network that was trained on another detector: it counts the depth of
            clusters from the calorimeter of these events. What else it learnt stays.
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
    )
