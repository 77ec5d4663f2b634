"""Lines of a comparison: one quantity in both engines, its ratio, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.gate import Bound, Verdict, decide
from partflow.validate.measure.estimate import Estimate, of_replicas
from partflow.validate.table.criterion import PLAIN, Unit

VERDICT_WORDS = {
    Verdict.PASS: "agrees",
    Verdict.FAIL: "differs",
    Verdict.UNDECIDED: "not decided",
}
"""How a comparison names the verdicts of `evaluate.gate`."""


@dataclass(frozen=True)
class Quantity:
    """A quantity that is measured in the events of both engines."""

    label: str
    measure: Callable[[Any, Bootstrap], Array]
    """From the tables of one engine and the bootstrap to the value and its replicas,
    [1 + replica]."""
    unit: Unit = PLAIN
    negligible: float = 0.0
    """A smaller difference is none, whatever the ratio; in the quantity's own unit."""
    tolerance: float | None = None
    """Largest relative difference that agrees; None for that of the group."""


@dataclass(frozen=True)
class Line:
    """One quantity of one group of events, in both engines."""

    label: str
    unit: Unit
    reference: Estimate
    fast: Estimate
    ratio: Estimate
    """Fast over reference."""
    tolerance: float
    verdict: Verdict | None
    """None where the quantity cannot be computed in the reference."""


@dataclass(frozen=True)
class Group:
    """Events that are compared together: particles of one kind and energy, or one process."""

    section: str
    """The table that the group belongs to, such as the particle and the region."""
    label: str
    """What distinguishes it there, such as the energy."""
    num_events: int
    lines: Sequence[Line]


def compare_quantities(
    quantities: Sequence[Quantity],
    reference: Any,
    fast: Any,
    bootstrap: Bootstrap,
    tolerance: float,
) -> Iterator[Line]:
    """The lines of all `quantities` that the reference has.

    `reference` and `fast` are the tables of the same generator events in both engines. They share
    the weights of the `bootstrap`, so the interval of a ratio is that of a paired comparison.
    """
    num_events = bootstrap.weights.shape[1]
    for quantity in quantities:
        line = compare_replicas(
            quantity,
            quantity.measure(reference, bootstrap),
            quantity.measure(fast, bootstrap),
            bootstrap,
            num_events,
            tolerance if quantity.tolerance is None else quantity.tolerance,
        )
        if np.isfinite(line.reference.value):
            yield line


def compare_replicas(
    quantity: Quantity,
    reference: Array,
    fast: Array,
    bootstrap: Bootstrap,
    num_events: int,
    tolerance: float,
) -> Line:
    """The line of a quantity from its values and replicas [1 + replica] in both engines.

    The verdict is by the interval of the ratio, which must be within 1 - `tolerance` and
    1 + `tolerance`, or by that of the difference where the tolerance is a negligible difference.
    """
    ratio_replicas = np.divide(
        fast, reference, out=np.full(len(fast), np.nan), where=reference != 0
    )
    ratio = of_replicas(ratio_replicas, bootstrap, num_events)
    if abs(reference[0]) * tolerance > quantity.negligible:
        bound = Bound((quantity.label,), 1 - tolerance, 1 + tolerance)
        decided = ratio
    else:
        bound = Bound((quantity.label,), -quantity.negligible, quantity.negligible)
        decided = of_replicas(fast - reference, bootstrap, num_events)
    verdict = decide(bound, decided.value, (decided.low, decided.high))
    return Line(
        quantity.label,
        quantity.unit,
        of_replicas(reference, bootstrap, num_events),
        of_replicas(fast, bootstrap, num_events),
        ratio,
        tolerance,
        verdict if np.isfinite(reference[0]) else None,
    )


def weighted_sums(values: Array, bootstrap: Bootstrap) -> Array:
    """Sum of `values` [event, ...] over the events and in each replica, [1 + replica, ...]."""
    values = np.asarray(values, dtype=np.float64)
    replicas = np.tensordot(bootstrap.weights.astype(np.float64), values, axes=1)
    return np.concatenate([values.sum(axis=0)[None], replicas])


def ratio_of_sums(numerator: Array, denominator: Array, bootstrap: Bootstrap) -> Array:
    """Ratio of the sums of two quantities [event], NaN without a denominator, [1 + replica]."""
    top, bottom = weighted_sums(numerator, bootstrap), weighted_sums(denominator, bootstrap)
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)


def mean_of(values: Array, selected: Array, bootstrap: Bootstrap) -> Array:
    """Mean of `values` [event] over the `selected` events [event], [1 + replica]."""
    counted = np.where(selected, values, 0.0)
    return ratio_of_sums(counted, np.asarray(selected, dtype=np.float64), bootstrap)


def deviation_of(values: Array, selected: Array, bootstrap: Bootstrap) -> Array:
    """Standard deviation of `values` [event] over the `selected` events, [1 + replica]."""
    if not np.any(selected):
        return np.full(len(bootstrap.weights) + 1, np.nan)
    centred = np.where(selected, values - np.mean(values[selected]), 0.0)  # keeps digits
    mean = mean_of(centred, selected, bootstrap)
    variance = mean_of(centred**2, selected, bootstrap) - mean**2
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))
