"""The text of a model card: metadata, then the sections that model cards have."""

from __future__ import annotations

from typing import Any

from partflow.report.card import results, samples
from partflow.report.card.facts import CardFacts
from partflow.report.card.sections import (
    evaluation_section,
    impact_section,
    model_section,
    start_section,
    training_section,
)
from partflow.report.front_matter import front_matter
from partflow.report.headline import make_headline
from partflow.report.markdown import UNKNOWN, one_line, render

_TAG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-")
MAX_TAG = 40
"""Longest tag, in characters."""


def build_card(facts: CardFacts) -> str:
    """The whole card; the same facts give the same text.

    Names in the facts may come from anywhere: they are shown as text, whatever they contain.
    """
    text = render(
        "card.md.jinja",
        facts=facts,
        warning=_warning(facts),
        headline=_headline(facts),
        model=model_section(facts),
        start=start_section(facts),
        training=training_section(facts),
        evaluation=evaluation_section(facts),
        impact=impact_section(facts),
    )
    return front_matter(metadata(facts)) + "\n" + text


def metadata(facts: CardFacts) -> dict[str, Any]:
    """The metadata of the card, as the hub defines it.

    The hub has no task for particle flow, hence the task `other`. It has none of the data sets
    either: the events are described at the figures.
    """
    network = facts.model.network
    tags = ["particle-flow", "mlpf", "high-energy-physics", "event-reconstruction",
            "electron-positron-collider", "pytorch"]  # fmt: skip
    if network is not None:
        tags += [_tag(network.detector), _tag(network.backbone)]
    values: dict[str, Any] = {
        "license": one_line(facts.licence or UNKNOWN),
        "library_name": "partflow",
        "pipeline_tag": "other",
        "tags": list(dict.fromkeys(tag for tag in tags if tag)),
    }
    if facts.evaluation is not None:
        metrics, candidates = facts.evaluation.metrics, facts.evaluation.candidates
        events = _events_in_words(facts.evaluation.origins)
        index = results.model_index(metrics, candidates, one_line(facts.name), events)
        if index:
            values["model-index"] = index
    return values


def _warning(facts: CardFacts) -> str:
    """What the reader must know first about the events."""
    if facts.evaluation is not None and facts.evaluation.warning:
        return facts.evaluation.warning
    return samples.stand_in_warning(facts.training.origins)


def _headline(facts: CardFacts) -> Any:
    """The main result in one sentence, with remarks; None without an evaluation."""
    if facts.evaluation is None:
        return None
    metrics, name = facts.evaluation.metrics, facts.evaluation.candidates
    sets = results.compared_sets(metrics, name)
    return make_headline({**metrics, "jets": {of: metrics["jets"][of] for of in sets}})


def _events_in_words(origins: tuple[Any, ...]) -> str:
    """Detector and engine of the evaluated events, for the metadata."""
    detectors, engines = samples.detectors(origins), samples.engines(origins)
    words = f"detector {', '.join(detectors) or UNKNOWN}, engine {', '.join(engines) or UNKNOWN}"
    return one_line(words)


def _tag(name: str) -> str:
    """A name as a tag of the hub; empty where it cannot be one."""
    tag = name.lower().replace(" ", "-").replace("_", "-")
    return tag if set(tag) <= _TAG and len(tag) <= MAX_TAG else ""
