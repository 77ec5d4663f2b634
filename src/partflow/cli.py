"""The command line: one thin verb per stage.

Rooms are imported by the verb that needs them, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.extras import SubcommandApp

from partflow import __version__
from partflow.core.errors import ConfigError, PartflowError
from partflow.generate.config import Gun

app = SubcommandApp()
INTERRUPTED = 128 + signal.SIGINT

Output = Annotated[Path, arg(metavar="PATH")]
Preset = Literal["tiny", "small", "base"]


@app.command
def generate(
    output: Output,
    process: str = "ttbar",
    num_events: int = 200,
    seed: int = 1,
    energy: float = 380.0,
    gun: Gun = Gun(),  # noqa: B008 (frozen)
    overwrite: bool = False,
) -> None:
    """Make generator particles with Pythia8, or single particles with a gun.

    Example: partflow generate --process ttbar --num-events 200 --seed 7 --output gen.parquet

    Args:
        output: Parquet file to write.
        process: qq, ttbar, ww (both to quarks), zh, uds (no radiation), or gun.
        num_events: Number of events.
        seed: The same seed gives the same events.
        energy: Centre-of-mass energy [GeV].
        gun: Settings of --process gun.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline
    from partflow.generate.config import GenerationConfig

    config = GenerationConfig(process, num_events, seed, energy, gun)
    pipeline.generate(config, output, overwrite)


@app.command
def simulate(
    generated: Positional[list[Path]],
    output: Output,
    detector: str = "clic",
    workers: int = 1,
    tracker_material: bool = True,
    realistic: bool = False,
    fine_elements: bool = False,
    overwrite: bool = False,
) -> None:
    """Simulate the detector and run the rule-based reconstruction.

    Writes a folder of Parquet shards with hits, tracks, clusters, the baseline's particles,
    and the truth. An interrupted run goes on where it stopped.

    Example: partflow simulate gen.parquet --output events/ --workers 2

    Args:
        generated: File(s) of `partflow generate`.
        output: Folder to write.
        detector: Detector to simulate: clic or cld.
        workers: Processes to use; the result is the same with any number.
        tracker_material: Conversions and interactions in the tracker.
        realistic: Decays in flight, bremsstrahlung, fake and duplicate tracks, noise, hit times
            and yoke hits, too; the published figures of this program are without them.
        fine_elements: Write finer clusters, too, for `label --elements fine`.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline
    from partflow.simulate.config import SimulationConfig
    from partflow.simulate.config import realistic as with_everything

    config = with_everything() if realistic else SimulationConfig()
    config = replace(config, tracker_material=tracker_material)
    pipeline.simulate(generated, output, detector, config, workers, overwrite, fine_elements)


@app.command
def ingest(
    files: Positional[list[Path]],
    output: Output,
    format: Literal["edm4hep", "tfds"] = "edm4hep",
    detector: Literal["clic", "cld"] = "clic",
    process: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> None:
    """Read full-simulation EDM4hep files, or published data sets, in place of a simulation.

    A bad event costs itself and a bad file costs itself: both are named in ingest-report.json.

    Example: partflow ingest 'rec/*.root' --detector cld --output events/

    Args:
        files: Files, folders or patterns; with --format tfds, data set folders.
        output: Folder to write; with --format tfds it holds train/ and test/, labelled.
        format: edm4hep or tfds.
        detector: Detector the files are of; it sets the field.
        process: What the events are; the file's name without its number, if not given.
        workers: Processes to use; the result is the same with any number.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.ingest(files, output, format, detector, workers, process, overwrite)


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
    """
    from partflow import pipeline

    result = pipeline.train(labelled, output, preset, max_minutes, epochs, seed, threads, resume)
    print(
        f"{result.folder}: {result.events_seen:,} events in {result.minutes:.1f} min "
        f"({result.events_per_second:.0f} events/s), validation loss {result.validation_loss:.4f}"
    )


@app.command
def reconstruct(
    events: Positional[Path], model: str, output: Output, overwrite: bool = False
) -> None:
    """Find the particles of every event with a trained network, or by rule.

    Example: partflow reconstruct events/ --model run/ --output mlpf.parquet

    Args:
        events: Folder of `partflow simulate`.
        model: Folder of `partflow train`, or `baseline` for the rule-based particles.
        output: Parquet file to write.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.reconstruct(events, model, output, overwrite)


@app.command
def evaluate(
    events: Positional[Path],
    output: Output,
    candidates: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Judge particles against truth: jets, missing momentum, efficiencies.

    The baseline, perfect particle flow and the training target always stand beside the given
    candidates. Writes metrics.json, plots and index.html.

    Example: partflow evaluate events/ --candidates mlpf=mlpf.parquet --output report/

    Args:
        events: Folder of `partflow simulate`.
        output: Folder to write.
        candidates: NAME=FILE, files of `partflow reconstruct`.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    _show_verdict(pipeline.evaluate(events, _named_files(candidates), output, overwrite), output)


@app.command
def inspect(path: Positional[Path]) -> None:
    """Say what a file or folder is, and what will not work with it.

    Example: partflow inspect events/

    Args:
        path: Output of a partflow command, EDM4hep file or TFDS data set.
    """
    from rich.console import Console

    from partflow.ingest.inspection import inspect as look
    from partflow.ingest.inspection_page import render

    Console().print(render(look(path)))


@app.command(name="export-dataset")
def export_dataset(
    source: Positional[Path],
    output: Output,
    format: Literal["tfds", "edm4hep"] = "tfds",
    name: str = "",
    candidates: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write labelled events as a published data set, or events as EDM4hep files.

    Example: partflow export-dataset labelled/ --format tfds --output tfds/

    Args:
        source: Folder of `partflow label` (tfds) or of `simulate` or `ingest` (edm4hep).
        output: Folder to write.
        format: tfds or edm4hep.
        name: Name of the data set (tfds); clic_edm_PROCESS_pf if not given.
        candidates: NAME=FILE, further ReconstructedParticle collections (edm4hep).
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.export_dataset(source, output, format, name, _named_files(candidates), overwrite)


@app.command
def validate(
    output: Output,
    reduced: bool = False,
    workers: int = 1,
    seed: int = 31_000,
    write_docs: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Check the simulated detector and the baseline against a table of targets.

    Writes the table, pictures and event displays; ends with status 1 if a line fails. An
    interrupted run goes on where it stopped.

    Example: partflow validate --output validation/

    Args:
        output: Folder to write.
        reduced: A small fraction of the events, with wide intervals.
        workers: Processes to use; the result is the same with any number.
        seed: First seed; those below 10000 belong to tuning and are refused.
        write_docs: Page whose table is replaced, as docs/simulation.md.
        overwrite: Replace an output made with other settings.
    """
    from partflow.validate import validate as run
    from partflow.validate.page import write_page

    passed = run(output, reduced, workers, seed, overwrite)
    if write_docs is not None:
        write_page(output, write_docs)
    if not passed:
        raise SystemExit(1)


@app.command
def demo(output: Output = Path("demo"), workers: int = 2, seed: int = 1) -> None:
    """Go the whole way in a few minutes: events, training, reconstruction, report.

    Example: partflow demo --output demo/

    Args:
        output: Folder for everything that is made.
        workers: Processes and threads to use.
        seed: The same seed gives the same events.
    """
    from partflow import pipeline

    _show_verdict(pipeline.demo(output, workers, seed), output / "report")


def main() -> None:
    """Entry point: a user's mistake ends in one line and a nonzero status."""
    if sys.argv[1:] == ["--version"]:
        print(f"partflow {__version__}")
        return
    sys.exit(_run(_parse_and_run))


def _parse_and_run() -> None:
    app.cli(prog="partflow", description=_DESCRIPTION, config=(FlagCreatePairsOff,))


_DESCRIPTION = """Machine-learned particle flow for e+e- collisions, from the generator to judged
particles. The verbs in their order: generate, simulate (or ingest), label, train, reconstruct,
evaluate; demo does them all."""


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except PartflowError as error:
        print(f"partflow: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("partflow: interrupted; the same command goes on or starts again", file=sys.stderr)
        return INTERRUPTED
    return 0


def _show_verdict(metrics: dict[str, Any], report: Path) -> None:
    from rich.console import Console

    from partflow.evaluate.table import jet_table

    # Into a file or a pipe the table is written whole, however narrow the terminal was.
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(jet_table(metrics))
    console.print(f"The report: {report / 'index.html'}", soft_wrap=True)


def _named_files(pairs: tuple[str, ...]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ConfigError(f"--candidates {pair}: give NAME=FILE, as in mlpf=mlpf.parquet")
        if name in named:
            raise ConfigError(f"--candidates {pair}: the name {name!r} is given twice")
        named[name] = Path(file)
    return named
