"""Commands of a model card: those that use the model, and the one that trains it again.

Names come from files: they are quoted for the shell, and a name that is no plain one is replaced.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from partflow.core.known_detectors import DETECTORS
from partflow.generate.processes import PROCESSES
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.registry import HEAD_REGISTRY
from partflow.report.card.facts import CardFacts
from partflow.report.card.samples import configs_of, engines, stand_in_warning

PLACEHOLDER = "USER/NAME"
"""Stands for a repository that is not known yet."""
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_PLAIN = re.compile(r"[\w.:+-]{1,100}", re.ASCII)


def repository(facts: CardFacts) -> str:
    """The repository of the hub, or a placeholder."""
    name = facts.repository or ""
    return name if _REPOSITORY.fullmatch(name) else PLACEHOLDER


def start_commands(facts: CardFacts) -> str:
    """Commands that get the model, make events for it, reconstruct and evaluate them."""
    detector = detector_option(facts)
    events = "partflow simulate gen.parquet" + detector + simulation_options(facts)
    lines = [
        'pip install "partflow[hub]"',
        f"partflow pull {repository(facts)} --output model/",
        f"partflow generate --process {_process(facts)} --num-events 100 --seed 7{detector} "
        "--output gen.parquet",
        f"{events} --output events/",
        f"partflow reconstruct events/ --model model/{_named_code(facts.model.network)} "
        "--output mlpf.parquet",
        "partflow evaluate events/ --candidates mlpf=mlpf.parquet --output report/",
    ]
    return "\n".join(lines)


def start_python(facts: CardFacts) -> str:
    """The reconstruction in Python, of the events that `start_commands` makes."""
    network = facts.model.network
    options = "".join(f", {name}={value!r}" for name, value in own_code(network))
    return f"""\
from pathlib import Path
from partflow import pipeline
from partflow.core.store import read_events

pipeline.reconstruct(Path("events"), "model", Path("candidates.parquet"){options})
candidates = read_events(Path("candidates.parquet"), "candidates").candidates
print(candidates.pdg_id, candidates.pt, candidates.eta, candidates.phi, candidates.energy)"""


def train_command(facts: CardFacts) -> str | None:
    """The command that trains the network again; None for a network from elsewhere."""
    if facts.training.configuration is None:
        return None
    data, provenance = facts.training.data, facts.model.provenance
    names: Sequence[str] = ["labelled"]
    if data is not None:
        names = [origin.name for origin in data.origins]
    elif provenance is not None:
        names = list(provenance.inputs)
    folders = " ".join(f"{_plain(name, 'labelled')}/" for name in names)
    initial = None if data is None else data.initial_model
    start = "" if initial is None else f" --init {_plain(initial.name, 'model')}/"
    return f"partflow train {folders} --config config.toml{start} --output run/"


def detector_option(facts: CardFacts) -> str:
    """The option with the detector of the network, unless that is the default one."""
    network = facts.model.network
    if network is None or network.detector == "clic":
        return ""
    if network.detector in DETECTORS:
        return f" --detector {network.detector}"
    return f" --detector {_plain(network.detector, 'detector')}.json"


def simulation_options(facts: CardFacts) -> str:
    """Options of the simulation without which the network cannot be used, or not as trained."""
    network, data = facts.model.network, facts.training.data
    options = " --fine-elements" if network is not None and network.elements == "fine" else ""
    origins = () if data is None else data.origins
    if engines(origins) == ["geant4"]:
        options += " --engine geant4"
        options += " --stand-in-data" if stand_in_warning(origins) else ""
    return options


def _process(facts: CardFacts) -> str:
    """A process that the network was trained on, or else one that exists."""
    data = facts.training.data
    trained = [] if data is None else list(data.training)
    if data is not None:  # with the default energy
        generated = configs_of(data.origins, "generated")
        trained = [str(config.get("process")) for config in generated] or trained
    return next((name for name in trained if name in PROCESSES), "ttbar")


def own_code(network: ModelConfig | None) -> list[tuple[str, str]]:
    """Backbone and head that are code of one's own, which must be named again, by part."""
    if network is None:
        return []
    parts = [("backbone", network.backbone, BACKBONES), ("head", network.head,
             tuple(HEAD_REGISTRY.built_in))]  # fmt: skip
    return [(name, _plain(of, "package.module:Class")) for name, of, known in parts
            if of not in known and ":" in of]  # fmt: skip


def _named_code(network: ModelConfig | None) -> str:
    """Options of `partflow reconstruct` that name code of one's own."""
    return "".join(f" --{name} {shlex.quote(value)}" for name, value in own_code(network))


def _plain(name: str, instead: str) -> str:
    """A name for the shell: itself if it is a plain one, else `instead`."""
    return name if _PLAIN.fullmatch(name) and not name.startswith("-") else instead
