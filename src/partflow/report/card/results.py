"""The evaluation of a model: tables with intervals, and the same figures as metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from partflow.core.candidate_sets import REFERENCES, TARGET
from partflow.report.formatting import jet_definition, spaced
from partflow.report.tables import Cell, Table, make_table, metric_cell

Metrics = Mapping[str, Any]

ALL = "all"
"""Name of the sample with the events of all processes."""
TASK = {"type": "other", "name": "particle-flow reconstruction"}
"""The task in the metadata; the hub has no name for it."""
PARTICLES = ("photon", "neutral_hadron")
"""Classes whose rates a card gives: those that the calorimeters alone tell."""


class Figure(NamedTuple):
    """A figure of merit: where it stands in `metrics.json`, and how it is shown."""

    group: str
    """`jets`, `met` or `particles`."""
    key: str
    """Name in the entry of a candidate set."""
    title: str
    name: str
    """Name of the metric in the metadata."""
    digits: int = 3
    part: str = ""
    """Part of the entry: a class of particles, or `relative_to_baseline`."""

    def entry(self, sample: Metrics, candidates: str) -> Metrics:
        """The entry that holds the figure and its interval; empty if there is none."""
        entry = sample.get(self.group, {}).get(candidates, {})
        return entry.get(self.part, {}) if self.part else entry


FIGURES = (
    Figure("jets", "iqr_over_median", "Width of the jet response, IQR/median (smaller is better)",
           "jet response IQR/median", 4),
    Figure("jets", "iqr_over_median", "Width of the jet response over that of the baseline",
           "jet response IQR/median, relative to the baseline", 3, "relative_to_baseline"),
    Figure("jets", "median", "Median of the jet response (1 is best)", "jet response median"),
    Figure("jets", "matched_fraction", "Matched fraction of the generator jets",
           "matched fraction of generator jets"),
    Figure("met", "iqr_over_median",
           "Width of the missing-momentum response, IQR/median (smaller is better)",
           "MET response IQR/median"),
    Figure("met", "median", "Median of the missing-momentum response (1 is best)",
           "MET response median"),
    *(
        Figure("particles", key, f"{title} of {spaced(kind)}s", f"{spaced(kind)} {spaced(key)}",
               3, kind)
        for kind in PARTICLES
        for key, title in (("efficiency", "Efficiency"), ("fake_rate", "Fake rate"))
    ),
)  # fmt: skip
"""The figures of a card, in its order."""


def samples(metrics: Metrics) -> dict[str, Metrics]:
    """The inclusive metrics and, if there are several processes, those of each."""
    processes = metrics["processes"]
    if len(processes) <= 1:
        return {next(iter(processes), ALL): metrics}
    return {ALL: metrics, **processes}


def compared_sets(metrics: Metrics, candidates: str) -> list[str]:
    """The model's candidate set and the reference sets, in the order of the columns."""
    return [candidates, *(name for name in REFERENCES if name in metrics["jets"])]


def sample_table(metrics: Metrics) -> Table:
    """Numbers of events and generator jets of each sample."""
    rows = []
    for name, sample in samples(metrics).items():
        jets = max((entry["num_gen"] for entry in sample["jets"].values()), default=0)
        met = max((entry["num_events"] for entry in sample["met"].values()), default=0)
        rows.append([name, *(f"{number:,}" for number in (sample["num_events"], jets, met))])
    min_met = f"events with generated MET above {metrics['config']['min_gen_met']:g} GeV"
    return make_table(["events", "number", "generator jets", min_met], rows, "")


def figure_tables(metrics: Metrics, candidates: str) -> list[Table]:
    """A table for each figure: a row for each sample, a column for each candidate set."""
    return [_figure_table(figure, metrics, candidates) for figure in FIGURES]


def jets_in_words(metrics: Metrics) -> str:
    """Definition of the jets and of the matching."""
    config = metrics["config"]
    return f"{jet_definition(config)}, matched within ΔR < {config['max_delta_r']:g}"


def model_index(metrics: Metrics, candidates: str, name: str, events: str) -> list[dict[str, Any]]:
    """The figures of the model as the hub's metadata holds them; none of an empty evaluation.

    `name` is that of the model, `events` describes the events, such as "clic, fast simulation".
    """
    results = []
    for sample_name, sample in samples(metrics).items():
        figures = list(_metadata(sample, metrics["config"], candidates))
        dataset = {"type": "simulation", "name": f"{sample_name} ({events})"}
        if figures:
            results.append({"task": dict(TASK), "dataset": dataset, "metrics": figures})
    return [{"name": name, "results": results}] if results else []


def _figure_table(figure: Figure, metrics: Metrics, candidates: str) -> Table:
    """One figure in all samples and candidate sets."""
    sets = compared_sets(metrics, candidates)
    if figure.group == "particles":  # targets are compared with themselves
        sets = [name for name in sets if name != TARGET]
    rows: Sequence[Sequence[Cell | str]] = [
        [
            sample_name,
            *(metric_cell(figure.entry(sample, name), figure.key, figure.digits) for name in sets),
        ]
        for sample_name, sample in samples(metrics).items()
    ]
    return make_table(["events", *sets], rows, figure.title)


def _metadata(sample: Metrics, config: Metrics, candidates: str) -> Iterator[dict[str, Any]]:
    """The figures of one sample that have an interval, with it in words."""
    for figure in FIGURES:
        entry = figure.entry(sample, candidates)
        value = entry.get(figure.key)
        interval = entry.get(f"{figure.key}_ci") or [None]
        if value is None or None in interval:  # of too few events
            continue
        ends = " to ".join(f"{end:.{figure.digits}f}" for end in interval)
        yield {
            "type": f"{figure.group}_{figure.key}",
            "name": f"{figure.name} ({100 * config['confidence']:g} % interval {ends})",
            "value": round(float(value), figure.digits + 2),
        }
