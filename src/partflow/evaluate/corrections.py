"""Jet-energy corrections, derived on one half of the events and applied to the other half.

Every jet is corrected by a function that its event did not enter. The function is found by
numerical inversion, as at the LHC (ATLAS, Eur. Phys. J. C 81 (2021) 689, section 5): in bins of
the generated pt, where the resolution does not bias it, the median response R is measured, and
1/R becomes the correction of jets with the reconstructed pt R pt(gen). Where reconstructed pt
times correction rises with pt, the median of corrected jets of one generated pt is exactly this pt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.dijets import DijetSample, pair_masses
from partflow.evaluate.jets import MeasuredJetSample
from partflow.evaluate.response import metric, width
from partflow.evaluate.sample import Sample, select

MIN_JETS = 100
"""Bins with fewer matched jets are merged: at a resolution of 8 % this many give the median
response to 1 %."""
CORRECTED = "corrected"
"""Entry of `metrics.json` with the corrected metrics, in the entry of the uncorrected ones."""


@dataclass(frozen=True)
class JetPairs(Sample):
    """Generator jets and the reconstructed jets matched to them."""

    gen_pt: Array
    """[pair], GeV."""
    reco_pt: Array
    """[pair], GeV; NaN without a match."""
    reco_abs_eta: Array
    """[pair]; NaN without a match."""


@dataclass(frozen=True)
class CorrectionCurve:
    """The correction against reconstructed pt in one bin of abs(eta)."""

    low: float
    """Lower edge in abs(eta)."""
    high: float
    """Upper edge in abs(eta)."""
    pt_edges: Array
    """Edges of the bins in generated pt after merging, [bin + 1] (GeV)."""
    num_jets: Array
    """Matched jets of each bin, [bin]."""
    reco_pt: Array
    """Reconstructed pt at which the correction was determined, [bin] (GeV), increasing."""
    factor: Array
    """Correction there, [bin]."""

    def __call__(self, pt: Array) -> Array:
        """Correction of jets with reconstructed `pt` [jet] (GeV).

        Its logarithm is linear in log pt between the bins, and constant beyond the outer ones.
        """
        positions = np.log(np.maximum(pt, np.finfo(float).tiny))
        return np.exp(np.interp(positions, np.log(self.reco_pt), np.log(self.factor)))

    def to_dict(self) -> dict[str, Any]:
        """The curve as an entry of `metrics.json`."""
        columns = (self.pt_edges[:-1], self.pt_edges[1:], self.num_jets, self.reco_pt, self.factor)
        bins = [
            {"low": low, "high": high, "num_jets": num, "reco_pt": pt, "factor": factor}
            for low, high, num, pt, factor in zip(*(c.tolist() for c in columns), strict=True)
        ]
        return {"low": self.low, "high": self.high, "bins": bins}


def halves(event_id: Array) -> Array:
    """The half of the sample that each event belongs to, 0 or 1, [event].

    It is the highest bit of the splitmix64 hash of the id (Steele, Lea, Flood, OOPSLA 2014), so
    it depends neither on the order of the events nor on a pattern in their ids.

    >>> halves(np.arange(8)).tolist()
    [0, 0, 1, 0, 1, 1, 1, 0]
    """
    x = np.asarray(event_id, dtype=np.int64).astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(63)).astype(np.int64)


def derive_correction(pairs: JetPairs, config: EvaluationConfig) -> list[CorrectionCurve]:
    """The correction from matched jets: a curve for each bin of abs(eta), none without jets.

    The bins are those of `config`, in pt each divided in two; neighbours are merged until every
    bin has MIN_JETS jets. One bin is left where there are fewer. Jets outside of all bins are not
    used.
    """
    pt_edges = np.array(config.pt_edges)
    pt_edges = np.unique([*pt_edges, *np.sqrt(pt_edges[1:] * pt_edges[:-1])])
    eta_edges = np.array(config.abs_eta_edges)
    is_inside = (pairs.gen_pt >= pt_edges[0]) & (pairs.gen_pt < pt_edges[-1])
    is_inside &= (pairs.reco_abs_eta >= eta_edges[0]) & (pairs.reco_abs_eta < eta_edges[-1])
    used = select(pairs, is_inside & (pairs.reco_pt > 0))
    if not len(used.event):
        return []
    return [
        _derive_curve(select(used, (used.reco_abs_eta >= low) & (used.reco_abs_eta < high)),
                      float(low), float(high), pt_edges)
        for low, high in pairwise(_merge_bins(used.reco_abs_eta, eta_edges))
    ]  # fmt: skip


def correction_factors(curves: list[CorrectionCurve], pt: Array, abs_eta: Array) -> Array:
    """Factors by which to multiply the momenta of reconstructed jets, [jet]; 1 without curves.

    `pt` [GeV] and `abs_eta` are [jet]; jets beyond the last bin of abs(eta) take its curve. NaN
    for NaN.
    """
    factors = np.where(np.isfinite(pt), 1.0, np.nan)
    inner_edges = [curve.low for curve in curves[1:]]
    index = np.searchsorted(inner_edges, abs_eta, side="right")
    for place, curve in enumerate(curves):
        factors[index == place] = curve(pt[index == place])
    return factors


def derive_in_halves(
    pairs: JetPairs, half: Array, config: EvaluationConfig
) -> tuple[list[CorrectionCurve], list[CorrectionCurve]]:
    """The correction for each half, derived on the other; `half` [event] is 0 or 1."""
    pair_half = half[pairs.event]
    first, second = (derive_correction(select(pairs, pair_half == other), config)
                     for other in (1, 0))  # fmt: skip
    return first, second


def cross_fitted_factors(pairs: JetPairs, half: Array, config: EvaluationConfig) -> Array:
    """Correction of each reconstructed jet from the half without it, [pair]; NaN without a match.

    `half` [event] is the half, 0 or 1, of each event.
    """
    factors = np.full(len(pairs.event), np.nan)
    for number, curves in enumerate(derive_in_halves(pairs, half, config)):
        rows = half[pairs.event] == number
        factors[rows] = correction_factors(curves, pairs.reco_pt[rows], pairs.reco_abs_eta[rows])
    return factors


def correct_jets(
    sample: MeasuredJetSample, half: Array, config: EvaluationConfig
) -> MeasuredJetSample:
    """The same jets with corrected response; `half` [event] is the half of each event."""
    factors = cross_fitted_factors(_pairs_of_jets(sample), half, config)
    return replace(sample, response=sample.response * factors)


def correct_dijets(sample: DijetSample, half: Array, config: EvaluationConfig) -> DijetSample:
    """The same bosons with their four-vectors of jets corrected; `half` [event] as above.

    The correction is derived from these jets, whose algorithm is not that of the other jets.
    """
    momentum = sample.reco_jets.reshape(-1, 4)
    px, py, pz, _ = momentum.T
    pt = np.hypot(px, py)
    abs_eta = np.arcsinh(np.abs(pz) / np.maximum(pt, np.finfo(float).tiny))
    pairs = JetPairs(np.repeat(sample.event, 2), sample.gen_jet_pt.ravel(), pt, abs_eta)
    factors = cross_fitted_factors(pairs, half, config).reshape(-1, 2)
    jets = sample.reco_jets * factors[:, :, None]
    # `pair_masses` takes two pairs: here both are the same.
    mass = pair_masses(np.concatenate([jets, jets], axis=1))[:, 0]
    return replace(sample, reco_jets=jets, reco_mass=mass)


def correction_entry(
    sample: MeasuredJetSample, half: Array, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """The corrections of both halves and their closure, as `metrics.json` holds them."""
    curves = derive_in_halves(_pairs_of_jets(sample), half, config)
    return {
        "correction": {
            f"for_half_{number}": [curve.to_dict() for curve in of_half]
            for number, of_half in enumerate(curves)
        },
        "closure": _closure(correct_jets(sample, half, config), bootstrap, config),
    }


def _closure(
    corrected: MeasuredJetSample, bootstrap: Bootstrap, config: EvaluationConfig
) -> list[dict[str, Any]]:
    """Median corrected response in bins of the generator jet's abs(eta) and pt."""
    matched = select(corrected, corrected.is_matched)
    result = []
    for low, high in pairwise(config.abs_eta_edges):
        in_eta = select(matched, (matched.gen_abs_eta >= low) & (matched.gen_abs_eta < high))
        bins = []
        for low_pt, high_pt in pairwise(config.pt_edges):
            jets = select(in_eta, (in_eta.gen_pt >= low_pt) & (in_eta.gen_pt < high_pt))
            response = width(jets.response, jets.event, bootstrap)
            median = metric("median", response.median, bootstrap, response.has_interval)
            bins.append({"low": low_pt, "high": high_pt, "num_jets": len(jets.event), **median})
        result.append({"low": low, "high": high, "bins": bins})
    return result


def _pairs_of_jets(sample: MeasuredJetSample) -> JetPairs:
    """The pairs that a sample of generator jets holds."""
    reco_pt = sample.response * sample.gen_pt
    return JetPairs(sample.event, sample.gen_pt, reco_pt, sample.reco_abs_eta)


def _derive_curve(pairs: JetPairs, low: float, high: float, pt_edges: Array) -> CorrectionCurve:
    """The correction from the jets of one bin of abs(eta), of which there is at least one."""
    edges = _merge_bins(pairs.gen_pt, pt_edges)
    index = np.searchsorted(edges, pairs.gen_pt, side="right") - 1
    in_bins = [index == place for place in range(len(edges) - 1)]
    gen_pt = np.array([np.median(pairs.gen_pt[b]) for b in in_bins])
    response = np.array([np.median((pairs.reco_pt / pairs.gen_pt)[b]) for b in in_bins])
    num_jets = np.array([int(b.sum()) for b in in_bins])
    reco_pt = response * gen_pt
    # A reconstructed pt that does not rise with the generated one cannot be inverted.
    rises = reco_pt > np.concatenate([[0.0], np.maximum.accumulate(reco_pt)[:-1]])
    edges = np.append(edges[:-1][rises], edges[-1])
    return CorrectionCurve(low, high, edges, num_jets[rises], reco_pt[rises], 1 / response[rises])


def _merge_bins(values: Array, edges: Array) -> Array:
    """The edges that remain when neighbouring bins are merged until each has MIN_JETS `values`.

    Too few values at the upper end join the bin below.
    """
    kept, number = [edges[0]], 0
    for count, high in zip(np.histogram(values, edges)[0], edges[1:], strict=True):
        number += count
        if number >= MIN_JETS:
            kept.append(high)
            number = 0
    if len(kept) > 1:
        kept.pop()
    return np.array([*kept, edges[-1]])
