"""Two reports beside one another: which figures differ by more than chance, and by how much.

Reports on the same events are compared replica by replica: both were resampled with the same
weights of each event, so what the events share cancels. Reports on other events have independent
replicas, and the variances add.
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
"""Standard deviations from which on a difference is called one: of 300 figures that differ by
chance alone, fewer than one gets as far."""
HEADLINES = ("jets", "met")
"""Groups whose figures are listed even where nothing has changed."""
SMALLER_IS_BETTER = ("iqr", "iqr_over_median", "fake_rate", "expected_calibration_error",
                     "iqr_of_difference")  # fmt: skip
LARGER_IS_BETTER = ("matched_fraction", "efficiency", "reconstructed_fraction")
RESAMPLING = ("num_replicas", "confidence", "seed")
"""Settings that change intervals, not figures."""


@dataclass(frozen=True)
class Report:
    """What a comparison needs of a report folder."""

    folder: Path
    metrics: Mapping[str, Any]
    replicas: Mapping[str, Array]


@dataclass(frozen=True)
class Difference:
    """One figure in both reports."""

    name: str
    """Dotted name in the first report."""
    other_name: str
    """The same in the second: other where its candidates have another name."""
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
        """Change over the first; None where it is zero or tells nothing, beyond tenfold."""
        if abs(self.change) > 10 * abs(self.first):
            return None
        return self.change / self.first if self.first else 0.0

    @property
    def significance(self) -> float | None:
        """Change in standard deviations; None where that is not known."""
        if self.deviation is None:
            return None
        if self.deviation == 0:
            return 0.0 if self.change == 0 else np.inf
        return abs(self.change) / self.deviation

    @property
    def is_significant(self) -> bool:
        """Whether the change is more than chance."""
        return self.significance is not None and self.significance >= SIGNIFICANT

    @property
    def judgement(self) -> str:
        """`better`, `worse`, or only how it changed where neither can be said."""
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
    """All figures that two reports share, the most significant difference first."""

    is_paired: bool
    """Whether both are of the same events."""
    differences: tuple[Difference, ...]

    @property
    def significant(self) -> tuple[Difference, ...]:
        """The differences that are more than chance."""
        return tuple(d for d in self.differences if d.is_significant)

    @property
    def shown(self) -> tuple[Difference, ...]:
        """The significant ones, then the headlines among the others."""
        others = (d for d in self.differences if d.name.split(".")[0] in HEADLINES)
        return (*self.significant, *(d for d in others if not d.is_significant))

    @property
    def sentence(self) -> str:
        """The verdict."""
        how = (
            "on the same events, compared pair by pair"
            if self.is_paired
            else "on different events, compared as independent samples"
        )
        number, found = len(self.differences), self.significant
        if not number:
            return "There is nothing to compare: no figure has an interval in both reports."
        if not found:
            return f"None of {number} figures differs significantly ({how})."
        most = found[0]
        return (
            f"{len(found)} of {number} figures differ by {SIGNIFICANT:g} standard deviations or "
            f"more ({how}); most of all {most.name}: {most.first:.4g} against {most.second:.4g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
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
    """The report in `folder`; raises InputError, or SchemaError for one of another version."""
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give folders of `partflow evaluate`") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); make the report again") from error
    found = metrics.get("format") if isinstance(metrics, dict) else None
    if found != METRICS_FORMAT:
        raise SchemaError(
            f"{path}: format {found}, this version compares {METRICS_FORMAT}; evaluate again"
        )
    return Report(folder, metrics, read_replicas(folder / REPLICAS_FILE))


def compare(first: Report, second: Report) -> Comparison:
    """Every inclusive figure that both reports hold, with the significance of its difference.

    Candidate sets are compared by name; where each report has only one set that is no reference,
    these two are compared whatever their names. Raises ConfigError where the reports were made
    with different definitions.
    """
    _check_definitions(first, second)
    is_paired = first.metrics["events"] == second.metrics["events"] and all(
        first.metrics["config"][key] == second.metrics["config"][key]
        for key in ("num_replicas", "seed")
    )
    renamed = _renamed(first, second)
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

    def weight(difference: Difference) -> float:
        return -1.0 if difference.significance is None else difference.significance

    differences.sort(key=lambda d: (-weight(d), d.name))
    return Comparison(is_paired, tuple(differences))


def _deviation(first: Array, second: Array, is_paired: bool) -> float | None:
    """Standard deviation of the difference of two figures, from their replicas.

    Half of the central 68.3 % of them, which a few wild replicas do not move.
    """
    if is_paired:
        return _half_width(second - first)
    parts = _half_width(first), _half_width(second)
    if parts[0] is None or parts[1] is None:
        return None
    return float(np.hypot(parts[0], parts[1]))


def _half_width(replicas: Array) -> float | None:
    finite = replicas[np.isfinite(replicas)]
    if len(finite) < 2:
        return None
    low, high = np.percentile(finite, [15.87, 84.13])  # a Gaussian's one standard deviation
    return float(high - low) / 2


def _check_definitions(first: Report, second: Report) -> None:
    ours, theirs = first.metrics["config"], second.metrics["config"]
    for name in sorted(set(ours) | set(theirs)):
        if name not in RESAMPLING and ours.get(name) != theirs.get(name):
            raise ConfigError(
                f"{first.folder} and {second.folder}: {name} is {ours.get(name)} in one and "
                f"{theirs.get(name)} in the other; figures of different definitions are not "
                "compared, evaluate one of them again"
            )


def _own_sets(report: Report) -> list[str]:
    return [name for name in report.metrics["jets"] if name not in REFERENCES]


def _renamed(first: Report, second: Report) -> dict[str, str]:
    """Candidate sets of the first report that have another name in the second."""
    ours, theirs = _own_sets(first), _own_sets(second)
    if len(ours) == len(theirs) == 1 and ours != theirs:
        return {ours[0]: theirs[0]}
    return {}


def _rename(name: str, renamed: Mapping[str, str]) -> str:
    """`name` with its candidate set (its second part, which may hold dots) replaced."""
    group, _, rest = name.partition(".")
    for old, new in renamed.items():
        if rest.startswith(f"{old}."):
            return f"{group}.{new}.{rest.removeprefix(f'{old}.')}"
    return name


def _value(metrics: Mapping[str, Any], name: str) -> float | None:
    """The figure at a dotted name; keys may hold dots themselves."""
    if name in metrics:
        value = metrics[name]
        return None if value is None else float(value)
    for key, inner in metrics.items():
        if name.startswith(f"{key}.") and isinstance(inner, Mapping):
            found = _value(inner, name.removeprefix(f"{key}."))
            if found is not None:
                return found
    return None
