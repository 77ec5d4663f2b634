"""What the figures say, in one sentence and some remarks: computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from partflow.core.candidate_sets import (
    BASELINE,
    PERFECT,
    REFERENCES,
    SHARING,
    SHARING_FINE,
)


class Verdict(NamedTuple):
    """The finding, and what should be known beside it."""

    sentence: str
    remarks: tuple[str, ...] = ()


def verdict(metrics: Mapping[str, Any]) -> Verdict:
    """The verdict on the first candidate set that is no reference, else on the baseline."""
    jets = metrics["jets"]
    if metrics["num_events"] == 0:
        return Verdict("There is nothing to judge: the sample holds no event.")
    if not jets:
        return Verdict("There is nothing to judge: no candidates were given.")
    own = [name for name in jets if name not in REFERENCES]
    name = own[0] if own else BASELINE if BASELINE in jets else next(iter(jets))
    entry = jets[name]
    if entry["num_gen"] == 0:
        return Verdict("There is nothing to judge: no event holds a generator jet.")
    if entry["iqr_over_median"] is None:
        return Verdict(f"No generator jet is matched by a jet of {name}: there is no response.")
    compared = None if name == BASELINE else _comparison(name, jets)
    others = [_comparison(other, jets) or "" for other in own[1:]]
    remarks = [_matching(name, jets), *others, _ceiling(name, jets), _intervals(metrics)]
    if not own:
        remarks.append("No candidates were given beside the references.")
    return Verdict(compared or _width(name, entry), tuple(r for r in remarks if r))


def _width(name: str, entry: Mapping[str, Any]) -> str:
    value = _with_interval(entry["iqr_over_median"], entry["iqr_over_median_ci"], 4)
    return (
        f"The jet response of {name} has IQR/median {value} at a median of {entry['median']:.3f}."
    )


def _comparison(name: str, jets: Mapping[str, Any]) -> str | None:
    """Narrower or wider than the baseline or neither; None where they cannot be compared."""
    relative = jets[name].get("relative_to_baseline", {})
    ratio, interval = relative.get("iqr_over_median"), relative.get("iqr_over_median_ci")
    if ratio is None or interval is None or None in interval:
        return None
    low, high = interval
    own = _with_interval(jets[name]["iqr_over_median"], jets[name]["iqr_over_median_ci"], 4)
    other = f"{jets[BASELINE]['iqr_over_median']:.4f}"
    if low <= 1 <= high:
        return (
            f"The jet response of {name} is about as wide as the baseline's: IQR/median {own} "
            f"against {other}, a ratio of {_with_interval(ratio, interval, 2)}."
        )
    word = "narrower" if ratio < 1 else "wider"
    near, far = sorted(100 * abs(bound - 1) for bound in interval)
    return (
        f"The jet response of {name} is {100 * abs(ratio - 1):.0f} % ({near:.0f} to {far:.0f} %) "
        f"{word} than the baseline's: IQR/median {own} against {other}."
    )


def _matching(name: str, jets: Mapping[str, Any]) -> str:
    entry = jets[name]
    matched = f"{100 * entry['matched_fraction']:.1f} %"
    said = f"{matched} of the {entry['num_gen']} generator jets have a jet of {name} beside them"
    if name == BASELINE or BASELINE not in jets:
        return f"{said}."
    bounds, other_bounds = entry["matched_fraction_ci"], jets[BASELINE]["matched_fraction_ci"]
    other = f"{100 * jets[BASELINE]['matched_fraction']:.1f} %"
    if None in (*bounds, *other_bounds) or bounds[1] >= other_bounds[0]:
        return f"{said}, {other} one of the baseline."
    return f"{said}, but {other} one of the baseline: the two widths are not of the same jets."


def _ceiling(name: str, jets: Mapping[str, Any]) -> str:
    ceiling = jets.get(PERFECT, {}).get("iqr_over_median")
    if name == PERFECT or not ceiling:
        return ""
    factor = jets[name]["iqr_over_median"] / ceiling
    said = f"Perfect particle flow has {ceiling:.4f}; {name} is {factor:.2f} times as wide."
    shared = [
        f"of the {kind} clusters {jets[reference]['iqr_over_median']:.4f}"
        for reference, kind in ((SHARING, "final"), (SHARING_FINE, "fine"))
        if jets.get(reference, {}).get("iqr_over_median")
    ]
    return f"{said} Perfect sharing {', '.join(shared)}." if shared else said


def _intervals(metrics: Mapping[str, Any]) -> str:
    percent = f"{100 * metrics['config']['confidence']:g} %"
    return f"Intervals hold {percent} of a bootstrap over {metrics['num_events']} events."


def _with_interval(value: float, interval: list[float | None], digits: int) -> str:
    low, high = interval
    if low is None or high is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
