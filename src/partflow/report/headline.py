"""The main result of an evaluation in one sentence, with remarks, computed with uncertainties."""

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


class Headline(NamedTuple):
    """The main result, and remarks on it."""

    sentence: str
    remarks: tuple[str, ...] = ()


def make_headline(metrics: Mapping[str, Any]) -> Headline:
    """The headline about the first candidate set that is no reference, or else the baseline."""
    jets = metrics["jets"]
    if metrics["num_events"] == 0:
        return Headline("There is nothing to evaluate: the sample holds no event.")
    if not jets:
        return Headline("There is nothing to evaluate: no candidates were given.")
    user_sets = [name for name in jets if name not in REFERENCES]
    name = user_sets[0] if user_sets else BASELINE if BASELINE in jets else next(iter(jets))
    entry = jets[name]
    if entry["num_gen"] == 0:
        return Headline("There is nothing to evaluate: no event holds a generator jet.")
    if entry["iqr_over_median"] is None:
        return Headline(f"No jet of {name} matches a generator jet: there is no response.")
    main = None if name == BASELINE else _comparison(name, jets)
    others = [_comparison(other, jets) or "" for other in user_sets[1:]]
    remarks = [_matching(name, jets), *others, _ceilings(name, jets), _intervals(metrics)]
    if not user_sets:
        remarks.append("No candidates were given besides the references.")
    return Headline(main or _width(name, entry), tuple(remark for remark in remarks if remark))


def _width(name: str, entry: Mapping[str, Any]) -> str:
    """Width and median of the jet response of one candidate set."""
    value = _with_interval(entry["iqr_over_median"], entry["iqr_over_median_ci"], 4)
    return (
        f"The jet response of {name} has IQR/median {value} at a median of {entry['median']:.3f}."
    )


def _comparison(name: str, jets: Mapping[str, Any]) -> str | None:
    """Whether the response is narrower or wider than the baseline's; None without a baseline."""
    relative = jets[name].get("relative_to_baseline", {})
    ratio, interval = relative.get("iqr_over_median"), relative.get("iqr_over_median_ci")
    if ratio is None or interval is None or None in interval:
        return None
    low, high = interval
    value = _with_interval(jets[name]["iqr_over_median"], jets[name]["iqr_over_median_ci"], 4)
    baseline = f"{jets[BASELINE]['iqr_over_median']:.4f}"
    if low <= 1 <= high:
        return (
            f"The jet response of {name} is about as wide as the baseline's: IQR/median {value} "
            f"against {baseline}, a ratio of {_with_interval(ratio, interval, 2)}."
        )
    word = "narrower" if ratio < 1 else "wider"
    near, far = sorted(100 * abs(bound - 1) for bound in interval)
    return (
        f"The jet response of {name} is {100 * abs(ratio - 1):.0f} % ({near:.0f} to {far:.0f} %) "
        f"{word} than the baseline's: IQR/median {value} against {baseline}."
    )


def _matching(name: str, jets: Mapping[str, Any]) -> str:
    """Fraction of matched generator jets; a warning if it is lower than the baseline's."""
    entry = jets[name]
    matched = f"{100 * entry['matched_fraction']:.1f} %"
    sentence = f"{matched} of the {entry['num_gen']} generator jets match a jet of {name}"
    if name == BASELINE or BASELINE not in jets:
        return f"{sentence}."
    interval, baseline_interval = (of["matched_fraction_ci"] for of in (entry, jets[BASELINE]))
    baseline = f"{100 * jets[BASELINE]['matched_fraction']:.1f} %"
    if None in (*interval, *baseline_interval) or interval[1] >= baseline_interval[0]:
        return f"{sentence}, {baseline} match one of the baseline."
    return (
        f"{sentence}, but {baseline} match one of the baseline: the two widths are not of the "
        "same jets."
    )


def _ceilings(name: str, jets: Mapping[str, Any]) -> str:
    """Width relative to perfect particle flow, and the widths of perfect sharing."""
    ceiling = jets.get(PERFECT, {}).get("iqr_over_median")
    if name == PERFECT or not ceiling:
        return ""
    factor = jets[name]["iqr_over_median"] / ceiling
    sentence = f"Perfect particle flow has {ceiling:.4f}; {name} is {factor:.2f} times as wide."
    shared = [
        f"{jets[reference]['iqr_over_median']:.4f} with the {kind} clusters"
        for reference, kind in ((SHARING, "final"), (SHARING_FINE, "fine"))
        if jets.get(reference, {}).get("iqr_over_median")
    ]
    return f"{sentence} Perfect sharing has {', '.join(shared)}." if shared else sentence


def _intervals(metrics: Mapping[str, Any]) -> str:
    """What the intervals of the page are."""
    percent = f"{100 * metrics['config']['confidence']:g} %"
    return f"Intervals are {percent} intervals of a bootstrap over {metrics['num_events']} events."


def _with_interval(value: float, interval: list[float | None], digits: int) -> str:
    """A value followed by its interval, if it has one."""
    low, high = interval
    if low is None or high is None:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
