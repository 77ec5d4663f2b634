"""Jet response, reconstructed over generated pt, and the fraction of matched generator jets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.matching import match_nearest
from partflow.evaluate.response import MIN_EVENTS, Width, metric, width, width_metrics
from partflow.evaluate.sample import Sample, select


@dataclass(frozen=True)
class JetSample(Sample):
    """Generator jets of many events, and their response in one candidate set."""

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


@dataclass(frozen=True)
class MeasuredJetSample(JetSample):
    """Generator jets with their response, and the direction of the jets that were measured."""

    reco_abs_eta: Array
    """[jet], NaN where no reco jet is matched."""


def find_jets(
    name: str, offsets: Array, momentum: tuple[Array, Array, Array], energy: Array,
    config: EvaluationConfig,
) -> Collection:  # fmt: skip
    """Cluster the objects of each event into jets, by the definition of `config`.

    Args:
        name: Name of the set of objects, for the error message.
        offsets: Rows of each event, [event + 1].
        momentum: px, py and pz, each [object] (GeV).
        energy: [object] (GeV).
        config: Radius and lowest pt of the jets.

    Raises:
        DataError: A momentum is not finite.
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
    """Match the jets of some events, the first of which has number `first_event`."""
    measured = measure_jets(gen_jets, reco_jets, first_event, max_delta_r)
    return JetSample(*(getattr(measured, column.name) for column in fields(JetSample)))


def measure_jets(
    gen_jets: Collection, reco_jets: Collection, first_event: int, max_delta_r: float
) -> MeasuredJetSample:
    """Match jets as `judge_jets` does, and keep the direction of the reconstructed ones."""
    nearest = match_nearest(gen_jets, reco_jets, max_delta_r)
    response, reco_abs_eta = np.full((2, len(gen_jets)), np.nan)
    matched = nearest >= 0
    response[matched] = reco_jets.pt[nearest[matched]] / gen_jets.pt[matched]
    reco_abs_eta[matched] = np.abs(reco_jets.eta[nearest[matched]])
    return MeasuredJetSample(
        gen_jets.event_index + first_event, gen_jets.pt, np.abs(gen_jets.eta), response,
        reco_abs_eta,
    )  # fmt: skip


def jet_metrics(
    sample: JetSample, baseline: JetSample | None, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """Jet metrics of one candidate set: inclusive, in bins of pt and in bins of abs(eta).

    `baseline` holds the same gen jets with the response of the baseline.
    """
    result = _jet_entry(sample, baseline, bootstrap)
    for key, column, edges in (
        ("bins", "gen_pt", config.pt_edges),
        ("eta_bins", "gen_abs_eta", config.abs_eta_edges),
    ):
        result[key] = []
        for low, high in pairwise(edges):
            inside = (getattr(sample, column) >= low) & (getattr(sample, column) < high)
            baseline_inside = None if baseline is None else select(baseline, inside)
            entry = _jet_entry(select(sample, inside), baseline_inside, bootstrap)
            result[key].append({"low": float(low), "high": float(high), **entry})
    return result


def _jet_entry(
    sample: JetSample, baseline: JetSample | None, bootstrap: Bootstrap
) -> dict[str, Any]:
    """The metrics of one selection of gen jets."""
    response = _response_width(sample, bootstrap)
    entry = {
        "num_gen": len(sample.event),
        **_matched_fraction(sample, bootstrap),
        **width_metrics(response, bootstrap),
    }
    if baseline is not None:
        baseline_response = _response_width(baseline, bootstrap)
        ratio = np.divide(
            response.iqr_over_median,
            baseline_response.iqr_over_median,
            out=np.full(response.iqr.shape, np.nan),
            where=baseline_response.iqr_over_median > 0,
        )
        both = response.has_interval and baseline_response.has_interval
        entry["relative_to_baseline"] = metric("iqr_over_median", ratio, bootstrap, both)
    return entry


def _response_width(sample: JetSample, bootstrap: Bootstrap) -> Width:
    """Width of the response of the matched jets."""
    matched = sample.is_matched
    return width(sample.response[matched], sample.event[matched], bootstrap)


def _matched_fraction(sample: JetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Fraction of gen jets with a matched reco jet, with its interval."""
    event, jet_to_event = np.unique(sample.event, return_inverse=True)
    num_gen = np.bincount(jet_to_event, minlength=len(event))
    num_matched = np.bincount(jet_to_event, weights=sample.is_matched, minlength=len(event))
    nominal = np.mean(sample.is_matched) if len(sample.event) else np.nan
    replicas = bootstrap.ratio(num_matched, num_gen, event)
    values = np.concatenate([[nominal], replicas])
    return metric("matched_fraction", values, bootstrap, len(event) >= MIN_EVENTS)
