"""Stage `card`: a model folder and a report -> the README.md of the model, with pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.candidate_sets import REFERENCES
from partflow.core.errors import ConfigError, InputError, OutputError, SchemaError
from partflow.core.origins import Origin, completed, find_origin, provenance_at
from partflow.core.outputs import output_error, replacing, write_text
from partflow.core.progress import say, say_done
from partflow.core.provenance import CARD_FILE, CARD_PICTURE, Provenance, fingerprint

if TYPE_CHECKING:  # these import torch and matplotlib
    from partflow.report.card.facts import (
        CardFacts,
        EvaluationFacts,
        ModelFacts,
        ModelLink,
        Picture,
        TrainingFacts,
    )

PICTURES = {
    "jet_resolution_pt": "Width of the jet response against the transverse momentum of the jet",
    "jet_scale_pt": "Median of the jet response against the transverse momentum of the jet",
    "jet_response": "Jet response",
    "met_response": "Response of the missing transverse momentum",
    "particle_efficiency_pt": "Efficiency of each class against the transverse momentum",
    "particle_fake_rate_pt": "Fake rate of each class against the transverse momentum",
}
"""Captions of the plots of a report that a card shows, by name."""
HISTORY_COLUMNS = ("epoch", "steps", "events_seen", "minutes", "events_per_second",
                   "training_loss", "validation_loss")  # fmt: skip
"""Columns of `training.csv` that a card shows."""
LOSS_PICTURE = "Training and validation loss"
MAX_PICTURE_BYTES = 5_000_000
PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG file."""


def card(
    run: Path,
    report: Path | None = None,
    name: str | None = None,
    output: Path | None = None,
    *,
    candidates: str | None = None,
    licence: str | None = None,
    developers: str | None = None,
    repository: str | None = None,
    data: Sequence[Path] = (),
    watts: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the model card of a model folder; returns the path of the card.

    Args:
        run: Folder of a training, or any other model folder.
        report: Folder of `evaluate`, with a candidate set of the model.
        name: Name of the model; that of the repository or of the folder if None.
        output: Folder of the card; that of the model if None.
        candidates: Candidate set of the report that is the model's; needed if there are several.
        licence: Licence of the weights, by its name on the hub.
        developers: Who made the model.
        repository: Repository of the hub, USER/NAME.
        data: Further files and folders in which the inputs of training and evaluation are searched.
        watts: Power of a core, or of an accelerator, in the estimate of the energy [W].
        overwrite: Replace a card of other content.

    Raises:
        InputError: There is no such model or report, or a file of it is damaged.
        ConfigError: The report does not tell which candidate set is the model's.
        OutputError: There is another card.
    """
    from partflow.report.card.card import build_card

    if watts is not None and not watts > 0:
        raise ConfigError(f"--watts {watts:g}: give a positive number")
    folder = run if output is None else output
    facts = _facts(run, report, candidates, data)
    facts = replace(
        facts,
        name=name or (repository or run.resolve().name).rpartition("/")[2],
        licence=licence,
        developers=developers,
        repository=repository,
        watts=watts,
    )
    sources = _picture_sources(run, report)
    facts = replace(facts, pictures=tuple(picture for picture, _ in sources))
    try:
        text = build_card(facts)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        where = run if report is None else f"{run} or {report}"
        raise SchemaError(
            f"{where}: files that this version did not write ({type(error).__name__}: {error}); "
            "evaluate again"
        ) from error
    _write(folder, text, [(picture.file, source) for picture, source in sources], overwrite)
    return folder / CARD_FILE


def _write(folder: Path, text: str, pictures: Sequence[tuple[str, Path]], overwrite: bool) -> None:
    """Write the pictures, then the card; remove pictures of a former card."""
    path = folder / CARD_FILE
    if path.is_file() and not overwrite:
        if path.read_text(encoding="utf-8", errors="replace") != text:
            raise OutputError(
                f"{path}: exists, with other content; give another --output, or --overwrite"
            )
        say_done(path)
        return
    for name, source in pictures:
        with replacing(folder / name) as temporary:
            temporary.write_bytes(source.read_bytes())
    write_text(path, text)
    names = {name for name, _ in pictures}
    try:
        for old in folder.iterdir():
            if CARD_PICTURE.fullmatch(old.name) and old.name not in names:
                old.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _facts(
    run: Path, report: Path | None, candidates: str | None, data: Sequence[Path]
) -> CardFacts:
    """What model folder and report tell."""
    from partflow.report.card.facts import CardFacts

    model = _model_facts(run)
    evaluation = None if report is None else _evaluation(run, report, candidates, data)
    training = _training_facts(run, model.provenance, data)
    return CardFacts(name="", model=model, training=training, evaluation=evaluation)


def _model_facts(run: Path) -> ModelFacts:
    """What the model folder tells about the network."""
    from partflow.model.config import ModelConfig
    from partflow.model.files import CONFIG_FILE, THRESHOLD_FILE
    from partflow.model.folder import load_config, load_provenance
    from partflow.report.card.facts import ModelFacts

    config = load_config(run)  # first: it checks the folder
    description = _json_object(run / CONFIG_FILE) or {}
    number, version = (description.get(key) for key in ("num_parameters", "partflow_version"))
    threshold = _json_object(run / THRESHOLD_FILE)
    return ModelFacts(
        config=json.loads(json.dumps(asdict(config))),
        network=config if isinstance(config, ModelConfig) else None,
        num_parameters=number if isinstance(number, int) else None,
        partflow_version=version if isinstance(version, str) else None,
        provenance=load_provenance(run),
        threshold=None if threshold is None else threshold.get("choice"),
    )


def _training_facts(
    run: Path, provenance: Provenance | None, data: Sequence[Path]
) -> TrainingFacts:
    """What the files of the training tell; a model from elsewhere has none of them."""
    from partflow.report.card.facts import TrainingFacts
    from partflow.train.configuration import CONFIGURATION_FILE, read_config
    from partflow.train.history import HISTORY_FILE
    from partflow.train.resources import read_resources
    from partflow.train.training_data import TrainingData, read_training_data

    places = [run.resolve().parent, *data]
    found = read_training_data(run)
    if found is None and provenance is not None:
        inputs = provenance.inputs.items()
        found = TrainingData((), tuple(find_origin(*given, places) for given in inputs))
    elif found is not None:
        initial = found.initial_model
        found = replace(
            found,
            origins=tuple(completed(origin, places) for origin in found.origins),
            initial_model=None if initial is None else completed(initial, places),
        )
    has_config = (run / CONFIGURATION_FILE).is_file()
    return TrainingFacts(
        data=found,
        configuration=read_config(run / CONFIGURATION_FILE) if has_config else None,
        history=_history(run / HISTORY_FILE),
        resources=read_resources(run),
    )


def _history(path: Path) -> list[dict[str, float]]:
    """The rows of `training.csv`; none where there is no such file."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(stream)]
    except (OSError, ValueError, TypeError) as error:
        raise SchemaError(f"{path}: damaged ({error}); remove it") from error
    missing = [name for name in HISTORY_COLUMNS for row in rows if name not in row]
    if missing:
        raise SchemaError(f"{path}: no column {missing[0]}; remove it")
    return rows


def _evaluation(
    run: Path, report: Path, candidates: str | None, data: Sequence[Path]
) -> EvaluationFacts:
    """What the report tells about the model."""
    from partflow.evaluate.comparison import read_report
    from partflow.report.card.facts import EvaluationFacts
    from partflow.report.card.samples import stand_in_warning

    metrics = read_report(report).metrics
    name = _candidate_set(metrics, report, candidates)
    provenance = provenance_at(report)
    places = [report.resolve().parent, *data]
    inputs = {} if provenance is None else provenance.inputs
    origins = [find_origin(*given, places) for given in inputs.items()]
    link = _link(run, origins)
    if link == "other":
        say(
            f"{report}: its candidates were made by another model than {run}, or before files in "
            "it were changed; the card says so"
        )
    events = tuple(
        o for o in origins if o.provenance is not None and o.provenance.stage == "events"
    )
    return EvaluationFacts(
        metrics=metrics,
        candidates=name,
        origins=events or tuple(origin for origin in origins if origin.provenance is None),
        link=link,
        warning=stand_in_warning(events),
    )


def _candidate_set(metrics: Any, report: Path, candidates: str | None) -> str:
    """The candidate set of the report that is the model's."""
    if not isinstance(metrics.get("jets"), dict):
        raise SchemaError(f"{report}: metrics.json holds no jets; evaluate again")
    names = [name for name in metrics["jets"] if name not in REFERENCES]
    listed = ", ".join(names) or "none"
    if candidates is None:
        if len(names) != 1:
            raise ConfigError(
                f"{report}: candidate sets {listed}; name that of the model with --candidates, or "
                "evaluate its candidates"
            )
        return str(names[0])
    if candidates not in names:
        raise ConfigError(f"--candidates {candidates}: {report} has {listed}; choose one of these")
    return candidates


def _link(run: Path, origins: Sequence[Origin]) -> ModelLink:
    """Whether the model in `run` made the evaluated candidates."""
    found = [o for o in origins if o.provenance is not None and o.provenance.stage == "candidates"]
    model = fingerprint(run)
    if any(model in o.provenance.inputs.values() for o in found if o.provenance is not None):
        return "same"
    is_complete = found and all(origin.provenance is not None for origin in origins)
    return "other" if is_complete else "unknown"


def _picture_sources(run: Path, report: Path | None) -> list[tuple[Picture, Path]]:
    """The pictures that exist, each with the file that is copied."""
    from partflow.report.card.facts import Picture
    from partflow.report.evaluation import PLOTS_FOLDER
    from partflow.train.history import FIGURE_FILE

    sources = []
    if report is not None:
        sources = [
            (Picture(f"card_{name}.png", caption), report / PLOTS_FOLDER / f"{name}.png")
            for name, caption in PICTURES.items()
        ]
    sources.append((Picture("card_loss.png", LOSS_PICTURE), run / FIGURE_FILE))
    return [(picture, source) for picture, source in sources if _is_picture(source)]


def _is_picture(path: Path) -> bool:
    """Whether a file is a PNG of a size for a page."""
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            return False
        with path.open("rb") as stream:
            return stream.read(len(PNG)) == PNG
    except OSError:
        return False


def _json_object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no such file, InputError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise SchemaError(f"{path}: no JSON object; make the model again")
    return content
