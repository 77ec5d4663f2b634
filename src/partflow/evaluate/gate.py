"""A gate: bounds on the metrics of an evaluation, checked after each change of the physics.

A gate is a TOML file. Its tables are places in `metrics.json`, its entries are bounds:

    [jets.baseline]
    iqr_over_median = { max = 0.07 }
    median = { min = 0.98, max = 1.02 }

    [jets.baseline.bins."10-20"]
    matched_fraction = { min = 0.9 }

Bins are named by their edges. A metric that is null violates its bound.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.errors import ConfigError, InputError, RequirementError

SIDES = ("min", "max")


class Bound(NamedTuple):
    """The range that one metric must be in."""

    place: tuple[str, ...]
    """Keys in `metrics.json`, from the outermost to the innermost."""
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        """The place as a dotted name."""
        return ".".join(self.place)

    def contains(self, value: float) -> bool:
        """Whether a value is within the bound; the ends are included.

        >>> Bound(("jets", "baseline", "median"), 0.98, None).contains(1.0)
        True
        """
        is_above = self.low is None or value >= self.low
        return is_above and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        """The limits as an error message shows them."""
        sides = zip(SIDES, (self.low, self.high), strict=True)
        limits = [f"{side} {limit:g}" for side, limit in sides if limit is not None]
        return f"bound {', '.join(limits)}"


def read_gate(path: Path) -> list[Bound]:
    """Read the bounds in a gate file.

    Raises InputError if the file cannot be read, ConfigError if an entry is no bound.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a gate file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not TOML ({error}); see the example in docs/explanation/metrics.md"
        ) from error
    bounds = list(_bounds(path, tree, ()))
    if not bounds:
        raise ConfigError(f"{path}: holds no bound; see the example in docs/explanation/metrics.md")
    return bounds


def _bounds(path: Path, tree: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[Bound]:
    """All bounds in a table of the gate file, which stands at `place`."""
    for key, value in tree.items():
        inner_place = (*place, key)
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{path}: {'.'.join(inner_place)} = {value!r} is no bound; write "
                f"{key} = {{ min = ..., max = ... }}"
            )
        has_tables = any(isinstance(inner, Mapping) for inner in value.values())
        if value and set(value) <= set(SIDES) and not has_tables:
            yield _bound(path, inner_place, value)
        else:
            yield from _bounds(path, value, inner_place)


def _bound(path: Path, place: tuple[str, ...], value: Mapping[str, Any]) -> Bound:
    """The bound of one entry; raises ConfigError if its limits are no numbers in order."""
    name = ".".join(place)
    limits = {}
    for side in SIDES:
        limit = value.get(side)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise ConfigError(f"{path}: {name}: {side} = {limit!r} is no number; give a number")
        limits[side] = None if limit is None else float(limit)
    low, high = limits["min"], limits["max"]
    if (low is not None and low != low) or (high is not None and high != high):
        raise ConfigError(f"{path}: {name}: nan is no limit; give a number")
    if low is not None and high is not None and low > high:
        raise ConfigError(f"{path}: {name}: min {low:g} is above max {high:g}; exchange them")
    return Bound(place, low, high)


class Verdict(StrEnum):
    """Whether a metric is within its bound."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "not decided"


def decide(
    bound: Bound, value: float | None, interval: tuple[float, float] | None = None
) -> Verdict:
    """The verdict on a metric: by its value, or by its confidence interval where one is passed.

    By the interval, a metric passes or fails only if the whole interval is inside or outside the
    bound. A value that is None or NaN fails; an interval with NaN decides nothing.

    >>> bound = Bound(("jets", "baseline", "median"), 0.98, 1.02)
    >>> str(decide(bound, 1.01)), str(decide(bound, 1.01, (1.00, 1.03)))
    ('pass', 'not decided')
    """
    if interval is None:
        is_within = value is not None and bound.contains(value)
        return Verdict.PASS if is_within else Verdict.FAIL
    low = float("-inf") if bound.low is None else bound.low
    high = float("inf") if bound.high is None else bound.high
    if low <= interval[0] and interval[1] <= high:
        return Verdict.PASS
    is_outside = interval[1] < low or interval[0] > high
    return Verdict.FAIL if is_outside else Verdict.UNDECIDED


def violated_bounds(metrics: Mapping[str, Any], bounds: Sequence[Bound]) -> list[str]:
    """One message for each violated bound, with its name, the metric and the bound.

    Raises ConfigError for a bound on a metric that does not exist.
    """
    messages = []
    for bound in bounds:
        value, siblings = _metric(metrics, bound)
        if value is None:
            messages.append(f"{bound.name} is null ({_reason(siblings)}), {bound}")
        elif not bound.contains(value):
            messages.append(f"{bound.name} = {value:.6g}, {bound}")
    return messages


def require(metrics: Mapping[str, Any], bounds: Sequence[Bound], gate: Path) -> None:
    """Raise RequirementError, listing metrics and bounds, if any bound is violated."""
    messages = violated_bounds(metrics, bounds)
    if messages:
        raise RequirementError(
            f"{gate}: {len(messages)} of {len(bounds)} bounds violated: {'; '.join(messages)}"
        )


def _metric(metrics: Mapping[str, Any], bound: Bound) -> tuple[float | None, Mapping[str, Any]]:
    """The metric at a bound's place, and the mapping that it is an entry of."""
    parent: Mapping[str, Any] = metrics
    entry: Any = metrics
    for depth, key in enumerate(bound.place):
        if isinstance(entry, list) and all(isinstance(e, Mapping) and "low" in e for e in entry):
            entry = {f"{b['low']:g}-{b['high']:g}": b for b in entry}
        if not isinstance(entry, Mapping) or key not in entry:
            where = ".".join(bound.place[:depth]) or "metrics.json"
            known = ", ".join(entry) if isinstance(entry, Mapping) else "nothing"
            raise ConfigError(
                f"gate: {bound.name} is no metric of this evaluation: {where} holds {known}"
            )
        parent, entry = entry, entry[key]
    if entry is not None and (isinstance(entry, bool) or not isinstance(entry, int | float)):
        raise ConfigError(f"gate: {bound.name} is no single metric; name one of its entries")
    return entry, parent


def _reason(siblings: Mapping[str, Any]) -> str:
    """Why a metric is null, as far as the counts in the same mapping tell."""
    empty = [name for name, value in siblings.items() if name.startswith("num_") and value == 0]
    return f"{', '.join(empty)} = 0" if empty else "it cannot be computed from this sample"
