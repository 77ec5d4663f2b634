"""Jet response: reconstructed over generated transverse momentum, and how often there is one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.matching import match_nearest
from partflow.evaluate.response import MIN_EVENTS, Width, figure, width, width_figures
from partflow.evaluate.sample import Sample, select


@dataclass(frozen=True)
class JetSample(Sample):
    """The generator jets of many events, and what one set of candidates made of them."""

    gen_pt: Array
    """[jet], GeV."""
    gen_abs_eta: Array
    """[jet]."""
    response: Array
    """pt(reco)/pt(gen), NaN where no reco jet is matched, [jet]."""

    @property
    def is_matched(self) -> Array:
        """Whether a gen jet has a reco jet, [jet]."""
        return np.isfinite(self.response)


def find_jets(
    name: str, offsets: Array, momentum: tuple[Array, Array, Array], energy: Array,
    config: EvaluationConfig,
) -> Collection:  # fmt: skip
    """Jets of the objects with `momentum` (px, py, pz) and `energy` in events `offsets`.

    Raises DataError, naming the set, where a momentum is not finite.
    """
    from partflow.core.jets import JetDefinition, cluster_jets

    definition = JetDefinition(radius=config.jet_radius, min_pt=config.jet_min_pt)
    try:
        return cluster_jets(offsets, *momentum, energy, definition)[0]
    except DataError as error:
        raise DataError(f"{name}: {error}; make these particles again") from error


def judge_jets(
    gen_jets: Collection, reco_jets: Collection, first_event: int, max_delta_r: float
) -> JetSample:
    """Match and compare the jets of some events, of which the first is number `first_event`."""
    nearest = match_nearest(gen_jets, reco_jets, max_delta_r)
    response = np.full(len(gen_jets), np.nan)
    matched = nearest >= 0
    response[matched] = reco_jets.pt[nearest[matched]] / gen_jets.pt[matched]
    return JetSample(
        gen_jets.event_index + first_event, gen_jets.pt, np.abs(gen_jets.eta), response
    )


def jet_metrics(
    sample: JetSample, baseline: JetSample | None, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """Everything said about the jets of one candidate set; inclusive, then in bins.

    `baseline` holds the same gen jets, judged for the set to compare with.
    """
    result = _entry(sample, baseline, bootstrap)
    for key, column, edges in (
        ("bins", "gen_pt", config.pt_edges),
        ("eta_bins", "gen_abs_eta", config.abs_eta_edges),
    ):
        result[key] = []
        for low, high in pairwise(edges):
            inside = (getattr(sample, column) >= low) & (getattr(sample, column) < high)
            other = None if baseline is None else select(baseline, inside)
            entry = _entry(select(sample, inside), other, bootstrap)
            result[key].append({"low": float(low), "high": float(high), **entry})
    return result


def _entry(sample: JetSample, baseline: JetSample | None, bootstrap: Bootstrap) -> dict[str, Any]:
    """The figures of one set of gen jets."""
    found = _response_width(sample, bootstrap)
    entry = {
        "num_gen": len(sample.event),
        **_matched_fraction(sample, bootstrap),
        **width_figures(found, bootstrap),
    }
    if baseline is not None:
        other = _response_width(baseline, bootstrap)
        ratio = np.divide(
            found.iqr_over_median,
            other.iqr_over_median,
            out=np.full(found.iqr.shape, np.nan),
            where=other.iqr_over_median > 0,
        )
        both = found.has_interval and other.has_interval
        entry["relative_to_baseline"] = figure("iqr_over_median", ratio, bootstrap, both)
    return entry


def _response_width(sample: JetSample, bootstrap: Bootstrap) -> Width:
    matched = sample.is_matched
    return width(sample.response[matched], sample.event[matched], bootstrap)


def _matched_fraction(sample: JetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    event, jet_to_event = np.unique(sample.event, return_inverse=True)
    num_gen = np.bincount(jet_to_event, minlength=len(event))
    num_matched = np.bincount(jet_to_event, weights=sample.is_matched, minlength=len(event))
    nominal = np.mean(sample.is_matched) if len(sample.event) else np.nan
    replicas = bootstrap.ratio(num_matched, num_gen, event)
    enough = len(event) >= MIN_EVENTS
    return figure("matched_fraction", np.concatenate([[nominal], replicas]), bootstrap, enough)
