"""Bounds that the figures of an evaluation must keep: a gate against physics getting worse.

A gate is a TOML file whose tables are places in `metrics.json` and whose entries are bounds:

    [jets.baseline]
    iqr_over_median = { max = 0.07 }
    median = { min = 0.98, max = 1.02 }

    [jets.baseline.bins."10-20"]
    matched_fraction = { min = 0.9 }

Bins are named by their edges. A figure that is null breaks its bound: nobody knows that it holds.
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
    """What one figure must keep."""

    place: tuple[str, ...]
    """Keys in `metrics.json`, one inside the other."""
    low: float | None
    high: float | None

    @property
    def name(self) -> str:
        """The place as a gate writes it."""
        return ".".join(self.place)


def read_gate(path: Path) -> list[Bound]:
    """The bounds in the file.

    Raises InputError where it cannot be read, ConfigError for what is no bound.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a gate file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not TOML ({error}); see the example in docs/metrics.md"
        ) from error
    bounds = list(_bounds(path, tree, ()))
    if not bounds:
        raise ConfigError(f"{path}: holds no bound; a gate that is always open guards nothing")
    return bounds


def _bounds(path: Path, tree: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[Bound]:
    for key, value in tree.items():
        here = (*place, key)
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{path}: {'.'.join(here)} = {value!r} is no bound; write "
                f"{key} = {{ min = ..., max = ... }}"
            )
        if value and set(value) <= set(SIDES) and not _holds_tables(value):
            yield _bound(path, here, value)
        else:
            yield from _bounds(path, value, here)


def _holds_tables(value: Mapping[str, Any]) -> bool:
    return any(isinstance(inner, Mapping) for inner in value.values())


def _bound(path: Path, place: tuple[str, ...], value: Mapping[str, Any]) -> Bound:
    limits = {}
    for side in SIDES:
        limit = value.get(side)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
            raise ConfigError(f"{path}: {'.'.join(place)}: {side} = {limit!r} is no number")
        limits[side] = None if limit is None else float(limit)
    low, high = limits["min"], limits["max"]
    if (low is not None and low != low) or (high is not None and high != high):
        raise ConfigError(f"{path}: {'.'.join(place)}: nan bounds nothing; give a number")
    if low is not None and high is not None and low > high:
        raise ConfigError(f"{path}: {'.'.join(place)}: min {low:g} is above max {high:g}")
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
    low = float("-inf") if bound.low is None else bound.low
    high = float("inf") if bound.high is None else bound.high
    if interval is None:
        is_within = value is not None and low <= value <= high
        return Verdict.PASS if is_within else Verdict.FAIL
    if low <= interval[0] and interval[1] <= high:
        return Verdict.PASS
    is_outside = interval[1] < low or interval[0] > high
    return Verdict.FAIL if is_outside else Verdict.UNDECIDED


def broken_bounds(metrics: Mapping[str, Any], bounds: Sequence[Bound]) -> list[str]:
    """What each broken bound says: its name, the figure and the bound.

    Raises ConfigError, naming it, for a figure that the metrics do not know.
    """
    said = []
    for bound in bounds:
        value, beside = _figure(metrics, bound)
        if value is None:
            said.append(f"{bound.name} is null ({_reason(beside)}), {_wanted(bound)}")
        elif not _keeps(value, bound):
            said.append(f"{bound.name} = {value:.6g}, {_wanted(bound)}")
    return said


def require(metrics: Mapping[str, Any], bounds: Sequence[Bound], gate: Path) -> None:
    """Raise RequirementError, naming each with both figures, where bounds are broken."""
    said = broken_bounds(metrics, bounds)
    if said:
        raise RequirementError(
            f"{gate}: {len(said)} of {len(bounds)} bounds broken: {'; '.join(said)}"
        )


def _keeps(value: float, bound: Bound) -> bool:
    above = bound.low is None or value >= bound.low
    return above and (bound.high is None or value <= bound.high)


def _wanted(bound: Bound) -> str:
    sides = zip(SIDES, (bound.low, bound.high), strict=True)
    return "bound " + ", ".join(f"{side} {limit:g}" for side, limit in sides if limit is not None)


def _figure(metrics: Mapping[str, Any], bound: Bound) -> tuple[float | None, Mapping[str, Any]]:
    """The figure at a bound's place, and the entry that it stands in."""
    inside: Mapping[str, Any] = metrics
    entry: Any = metrics
    for depth, key in enumerate(bound.place):
        if isinstance(entry, list) and all(isinstance(e, Mapping) and "low" in e for e in entry):
            entry = {f"{b['low']:g}-{b['high']:g}": b for b in entry}
        if not isinstance(entry, Mapping) or key not in entry:
            where = ".".join(bound.place[:depth]) or "the metrics"
            known = ", ".join(entry) if isinstance(entry, Mapping) else "nothing"
            raise ConfigError(
                f"gate: {bound.name} is no figure of this evaluation: {where} holds {known}"
            )
        inside, entry = entry, entry[key]
    if entry is not None and (isinstance(entry, bool) or not isinstance(entry, int | float)):
        raise ConfigError(f"gate: {bound.name} is no single figure; name one inside it")
    return entry, inside


def _reason(beside: Mapping[str, Any]) -> str:
    """Why a figure is null, as far as the counts beside it tell."""
    empty = [name for name, value in beside.items() if name.startswith("num_") and value == 0]
    return f"{', '.join(empty)} = 0" if empty else "nothing in this sample to take it from"
