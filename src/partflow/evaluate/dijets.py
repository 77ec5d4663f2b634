"""Masses of bosons that decay to two jets, in the processes `ww` and `zh`.

The generator particles without neutrinos, and the candidates, are each clustered into exactly
four jets by the Durham algorithm (`ee_kt`, exclusive; S. Catani et al., Phys. Lett. B269 (1991)
432), without a lowest pt. The four generator jets are paired so that the two masses come nearest
to those of the process's bosons (least sum of squared differences). Events where one mass differs
by MAX_MASS_DIFFERENCE or more are left out: a boson decayed invisibly, or the jets do not follow
the decay. The candidates' jets are matched one to one to the generator's jets by the least sum of
angles and take over their pairing. All candidate sets are therefore compared on the same pairs,
and the response is that of the jets, not of a pairing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, metric, width, width_metrics
from partflow.evaluate.sample import Sample, select

BOSON_MASSES = {"W": 80.369, "Z": 91.188, "H": 125.20}  # GeV, PDG 2024
BOSONS = {"ww": ("W", "W"), "zh": ("Z", "H")}
"""The two bosons of each process that has a pair."""
BOSON_NAMES = tuple(BOSON_MASSES)
MAX_MASS_DIFFERENCE = 10.0
"""Events with a generator dijet mass further than this from its boson's are left out [GeV]."""
NUM_JETS = 4
PAIRINGS = np.array([(a, b, *sorted({0, 1, 2, 3} - {a, b})) for a, b in
                     ((0, 1), (0, 2), (0, 3), (2, 3), (1, 3), (1, 2))])  # fmt: skip
"""Orders of four jets: the first two are those of the first boson."""
ORDERS = np.array(list(permutations(range(NUM_JETS))))
_PX, _PY, _PZ, _ENERGY = range(4)


@dataclass(frozen=True)
class DijetSample(Sample):
    """Bosons of many events, generated and reconstructed from one candidate set."""

    boson: Array
    """Index in BOSON_NAMES, [boson]."""
    gen_mass: Array
    """[boson], GeV."""
    reco_mass: Array
    """[boson], GeV; NaN where an event has too few candidates for four jets."""
    gen_jet_pt: Array
    """pt of the boson's two generator jets, [boson, 2] (GeV)."""
    reco_jets: Array
    """(px, py, pz, E) of the jets matched to them, [boson, 2, 4] (GeV)."""


@dataclass(frozen=True)
class GenDijets:
    """Generator jets of the events that hold a pair of bosons."""

    event: Array
    """Number of the event in its chunk, [pair]."""
    boson: Array
    """Index in BOSON_NAMES of both bosons, [pair, 2]."""
    jets: Array
    """(px, py, pz, E) of the first boson's two jets, then of the second's, [pair, 4, 4] (GeV)."""


def exclusive_jets(
    name: str, offsets: Array, momentum: tuple[Array, Array, Array], energy: Array, event: Array
) -> Array:
    """Four jets of each of the events numbered `event`, [event, jet, 4] (GeV).

    For `name`, `offsets`, `momentum` and `energy` see `jets.find_jets`. Jets of events with fewer
    than four objects are NaN. Raises DataError if a momentum is not finite.
    """
    from partflow.core.jets import cluster_exclusive_jets

    is_selected = np.zeros(len(offsets) - 1, dtype=bool)
    is_selected[event] = True
    counts = np.diff(offsets)
    keep = np.repeat(is_selected, counts)
    selected_offsets = np.concatenate([[0], np.cumsum(counts[is_selected])])
    px, py, pz, selected_energy = (column[keep] for column in (*momentum, energy))
    try:
        return cluster_exclusive_jets(selected_offsets, px, py, pz, selected_energy, NUM_JETS)
    except DataError as error:
        raise DataError(f"{name}: {error}; make these particles again") from error


def find_bosons(process: Array, jets_of: Any) -> GenDijets:
    """The boson pairs of events of the processes in BOSONS.

    `process` [event] names the processes; `jets_of(event)` returns the generator jets of the
    events with these numbers, [event, jet, 4] (GeV).
    """
    event = np.flatnonzero(np.isin(process, list(BOSONS)))
    pairs = [BOSONS[name] for name in process[event]]
    boson = np.array([[BOSON_NAMES.index(b) for b in pair] for pair in pairs]).reshape(-1, 2)
    boson_mass = np.array(list(BOSON_MASSES.values()))[boson.astype(np.int64)]
    jets = jets_of(event)
    ordered = jets[:, PAIRINGS]  # [event, pairing, jet, 4]
    difference = np.abs(pair_masses(ordered) - boson_mass[:, None])
    difference = np.where(np.isfinite(difference), difference, np.inf)
    best = np.argmin((difference**2).sum(axis=-1), axis=-1)
    rows = np.arange(len(event))
    is_near = np.all(difference[rows, best] < MAX_MASS_DIFFERENCE, axis=-1)
    return GenDijets(event[is_near], boson[is_near], ordered[rows, best][is_near])


def judge_dijets(gen: GenDijets, jets: Array, first_event: int) -> DijetSample:
    """Compare the jets of one candidate set with the generator's.

    `jets` [pair, 4, 4] (GeV) are of the events of `gen`; the first event of the chunk has number
    `first_event` in the evaluation.
    """
    cosine = np.einsum("...ik,...jk->...ij", _directions(gen.jets), _directions(jets))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))  # [pair, gen jet, jet]
    sums = sum(angle[:, jet, ORDERS[:, jet]] for jet in range(NUM_JETS))
    best = ORDERS[np.argmin(sums, axis=-1)] if len(jets) else np.empty((0, NUM_JETS), np.int64)
    matched = np.take_along_axis(jets, best[:, :, None], axis=1)
    return DijetSample(
        np.repeat(gen.event + first_event, 2),
        gen.boson.ravel(),
        pair_masses(gen.jets).ravel(),
        pair_masses(matched).ravel(),
        np.hypot(gen.jets[..., _PX], gen.jets[..., _PY]).reshape(-1, 2),
        matched.reshape(-1, 2, 4),
    )


def dijet_metrics(sample: DijetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mass response reco/gen and mass peak by boson; bosons that occur in no event are absent."""
    result = {}
    for index, name in enumerate(BOSON_NAMES):
        generated = select(sample, sample.boson == index)
        if not len(generated.event):
            continue
        reconstructed = select(generated, np.isfinite(generated.reco_mass))
        response = width(
            reconstructed.reco_mass / reconstructed.gen_mass, reconstructed.event, bootstrap
        )
        peak = width(reconstructed.reco_mass, reconstructed.event, bootstrap)
        gen_peak = width(generated.gen_mass, generated.event, bootstrap)
        result[name] = {
            "num_gen": len(generated.event),
            **_reconstructed_fraction(generated, bootstrap),
            **width_metrics(response, bootstrap),
            **metric("mass_median", peak.median, bootstrap, peak.has_interval),
            **metric("mass_iqr", peak.iqr, bootstrap, peak.has_interval),
            **metric("gen_mass_median", gen_peak.median, bootstrap, gen_peak.has_interval),
            **metric("gen_mass_iqr", gen_peak.iqr, bootstrap, gen_peak.has_interval),
        }
    return result


def pair_masses(jets: Array) -> Array:
    """Invariant masses [GeV] of the first two and of the last two of four jets, [..., 4, 4].

    >>> jets = np.array([[3.0, 0, 0, 3], [-3, 0, 0, 3], [0, 1, 0, 1], [0, 1, 0, 1]])
    >>> pair_masses(jets).tolist()
    [6.0, 0.0]
    """
    pairs = np.stack([jets[..., :2, :].sum(axis=-2), jets[..., 2:, :].sum(axis=-2)], axis=-2)
    square = pairs[..., _ENERGY] ** 2 - (pairs[..., :_ENERGY] ** 2).sum(axis=-1)
    return np.sqrt(np.maximum(square, 0.0))


def _directions(jets: Array) -> Array:
    """Unit vectors of jets [..., 4]."""
    momentum = jets[..., :_ENERGY]
    length = np.linalg.norm(momentum, axis=-1, keepdims=True)
    return momentum / np.maximum(length, np.finfo(float).tiny)


def _reconstructed_fraction(sample: DijetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Fraction of bosons with a reconstructed mass, with its interval."""
    is_reconstructed = np.isfinite(sample.reco_mass).astype(np.float64)
    event, boson_to_event = np.unique(sample.event, return_inverse=True)
    part, whole = np.bincount(boson_to_event, is_reconstructed), np.bincount(boson_to_event)
    values = np.concatenate([[is_reconstructed.mean()], bootstrap.ratio(part, whole, event)])
    return metric("reconstructed_fraction", values, bootstrap, len(event) >= MIN_EVENTS)
