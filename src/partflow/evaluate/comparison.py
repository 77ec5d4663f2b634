"""Compare two reports: which metrics differ by more than chance, and by how much.

Two reports on the same events are compared replica by replica: both were resampled with the same
weights of each event, so that fluctuations of the common events cancel. Reports on different
events have independent replicas, and the variances add.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.candidate_sets import REFERENCES
from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.records import Array
from partflow.evaluate.evaluator import METRICS_FORMAT
from partflow.evaluate.replicas import REPLICAS_FILE, read_replicas

SIGNIFICANT = 3.0
"""Standard deviations from which a difference counts as significant. Among 300 metrics that differ
by chance alone, fewer than one is expected above it."""
ALWAYS_LISTED = ("jets", "met")
"""Groups whose metrics are listed even where nothing has changed."""
SMALLER_IS_BETTER = ("iqr", "iqr_over_median", "fake_rate", "expected_calibration_error",
                     "iqr_of_difference")  # fmt: skip
LARGER_IS_BETTER = ("matched_fraction", "efficiency", "reconstructed_fraction")
NO_DEFINITIONS = ("num_replicas", "confidence", "seed", "correct")
"""Settings that change intervals, or add metrics, but change no metric."""
ONE_SIGMA = (15.87, 84.13)
"""Percentiles at one standard deviation below and above the mean of a Gaussian."""


@dataclass(frozen=True)
class Report:
    """The files of a report folder that a comparison reads."""

    folder: Path
    metrics: Mapping[str, Any]
    replicas: Mapping[str, Array]
    """Replicas [replica] of the inclusive metrics, by dotted name."""


@dataclass(frozen=True)
class Difference:
    """One metric in both reports."""

    name: str
    """Dotted name in the first report."""
    other_name: str
    """Dotted name in the second report; it differs if its candidate set has another name."""
    first: float
    second: float
    deviation: float | None
    """Standard deviation of second - first; None where there is no interval."""

    @property
    def change(self) -> float:
        """Second - first."""
        return self.second - self.first

    @property
    def relative_change(self) -> float | None:
        """Change over the first value; None where that is zero or the change is over tenfold."""
        if abs(self.change) > 10 * abs(self.first):
            return None
        return self.change / self.first if self.first else 0.0

    @property
    def significance(self) -> float | None:
        """Absolute change in standard deviations; None where there is no interval."""
        if self.deviation is None:
            return None
        if self.deviation == 0:
            return 0.0 if self.change == 0 else np.inf
        return abs(self.change) / self.deviation

    @property
    def is_significant(self) -> bool:
        """Whether the change is at least SIGNIFICANT standard deviations."""
        return self.significance is not None and self.significance >= SIGNIFICANT

    @property
    def judgement(self) -> str:
        """`same`, `better` or `worse`; `larger` or `smaller` where neither is better."""
        kind = self.name.rpartition(".")[2]
        if not self.is_significant:
            return "same"
        if kind in SMALLER_IS_BETTER:
            return "better" if self.change < 0 else "worse"
        if kind in LARGER_IS_BETTER:
            return "better" if self.change > 0 else "worse"
        return "larger" if self.change > 0 else "smaller"


@dataclass(frozen=True)
class Comparison:
    """All metrics that two reports share, the most significant difference first."""

    is_paired: bool
    """Whether both reports are of the same events."""
    differences: tuple[Difference, ...]

    @property
    def significant(self) -> tuple[Difference, ...]:
        """The significant differences."""
        return tuple(d for d in self.differences if d.is_significant)

    @property
    def listed(self) -> tuple[Difference, ...]:
        """The significant differences, then the other metrics of the groups ALWAYS_LISTED."""
        others = (d for d in self.differences if d.name.split(".")[0] in ALWAYS_LISTED)
        return (*self.significant, *(d for d in others if not d.is_significant))

    @property
    def sentence(self) -> str:
        """The result of the comparison in one sentence."""
        how = (
            "on the same events, compared event by event"
            if self.is_paired
            else "on different events, compared as independent samples"
        )
        total, significant = len(self.differences), self.significant
        if not total:
            return "There is nothing to compare: no metric has an interval in both reports."
        if not significant:
            return f"None of {total} metrics differs significantly ({how})."
        largest = significant[0]
        return (
            f"{len(significant)} of {total} metrics differ by {SIGNIFICANT:g} standard deviations "
            f"or more ({how}). The most significant is {largest.name}: {largest.first:.4g} in the "
            f"first report, {largest.second:.4g} in the second."
        )

    def to_dict(self) -> dict[str, Any]:
        """The comparison as `partflow compare --output` writes it as JSON."""
        return {
            "verdict": self.sentence,
            "is_paired": self.is_paired,
            "significant_from": SIGNIFICANT,
            "differences": [
                {
                    "name": d.name,
                    "other_name": d.other_name,
                    "first": d.first,
                    "second": d.second,
                    "change": d.change,
                    "deviation": d.deviation,
                    "judgement": d.judgement,
                    "is_significant": d.is_significant,
                }
                for d in self.differences
            ],
        }


def read_report(folder: Path) -> Report:
    """Read the report in `folder`.

    Raises InputError if a file is missing or damaged, SchemaError if it is of another format.
    """
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give folders of `partflow evaluate`") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); run `partflow evaluate` again"
        ) from error
    file_format = metrics.get("format") if isinstance(metrics, dict) else None
    if file_format != METRICS_FORMAT:
        raise SchemaError(
            f"{path}: format {file_format}, this version compares {METRICS_FORMAT}; "
            "run `partflow evaluate` again"
        )
    return Report(folder, metrics, read_replicas(folder / REPLICAS_FILE))


def compare(first: Report, second: Report) -> Comparison:
    """Compare all inclusive metrics that both reports hold.

    Candidate sets are compared by name. Where each report has only one set that is no reference,
    these two are compared even if their names differ. Raises ConfigError if the reports were made
    with different definitions.
    """
    _check_definitions(first, second)
    is_paired = first.metrics["events"] == second.metrics["events"] and all(
        first.metrics["config"][key] == second.metrics["config"][key]
        for key in ("num_replicas", "seed")
    )
    renamed = _renamed_sets(first, second)
    differences = []
    for name, replicas in first.replicas.items():
        other_name = _rename(name, renamed)
        if other_name not in second.replicas:
            continue
        before, after = _value(first.metrics, name), _value(second.metrics, other_name)
        if before is None or after is None:
            continue
        deviation = _deviation(replicas, second.replicas[other_name], is_paired)
        differences.append(Difference(name, other_name, before, after, deviation))

    def significance(difference: Difference) -> float:
        """Key to sort by; differences without an interval come last."""
        return -1.0 if difference.significance is None else difference.significance

    differences.sort(key=lambda d: (-significance(d), d.name))
    return Comparison(is_paired, tuple(differences))


def _deviation(first: Array, second: Array, is_paired: bool) -> float | None:
    """Standard deviation of the difference of two metrics, from their replicas.

    Half of the central 68.3 % interval, which a few outlying replicas do not change.
    """
    if is_paired:
        return _half_width(second - first)
    parts = _half_width(first), _half_width(second)
    if parts[0] is None or parts[1] is None:
        return None
    return float(np.hypot(parts[0], parts[1]))


def _half_width(replicas: Array) -> float | None:
    """Half of the central 68.3 % interval; None with fewer than two finite replicas."""
    finite = replicas[np.isfinite(replicas)]
    if len(finite) < 2:
        return None
    low, high = np.percentile(finite, ONE_SIGMA)
    return float(high - low) / 2


def _check_definitions(first: Report, second: Report) -> None:
    """Raise ConfigError if the settings of the reports differ in the definition of a metric."""
    settings, other_settings = first.metrics["config"], second.metrics["config"]
    for name in sorted(set(settings) | set(other_settings)):
        value, other_value = settings.get(name), other_settings.get(name)
        if name not in NO_DEFINITIONS and value != other_value:
            raise ConfigError(
                f"{first.folder} and {second.folder}: {name} is {value} in one and {other_value} "
                "in the other; run `partflow evaluate` again with the same settings"
            )


def _user_sets(report: Report) -> list[str]:
    """Names of the candidate sets that are no references."""
    return [name for name in report.metrics["jets"] if name not in REFERENCES]


def _renamed_sets(first: Report, second: Report) -> dict[str, str]:
    """Candidate sets of the first report that have another name in the second."""
    names, other_names = _user_sets(first), _user_sets(second)
    if len(names) == len(other_names) == 1 and names != other_names:
        return {names[0]: other_names[0]}
    return {}


def _rename(name: str, renamed: Mapping[str, str]) -> str:
    """Replace the candidate set, the second part of a dotted name, which may itself hold dots."""
    group, _, rest = name.partition(".")
    for old, new in renamed.items():
        if rest.startswith(f"{old}."):
            return f"{group}.{new}.{rest.removeprefix(f'{old}.')}"
    return name


def _value(metrics: Mapping[str, Any], name: str) -> float | None:
    """The metric with a dotted name; the keys may themselves hold dots."""
    if name in metrics:
        value = metrics[name]
        return None if value is None else float(value)
    for key, inner in metrics.items():
        if name.startswith(f"{key}.") and isinstance(inner, Mapping):
            inner_value = _value(inner, name.removeprefix(f"{key}."))
            if inner_value is not None:
                return inner_value
    return None
