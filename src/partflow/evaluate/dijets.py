"""Masses of bosons that decay to two jets, in `ww` and `zh`: what the jets are there for.

Generator particles (no neutrinos) and candidates are each forced into four jets by the Durham
algorithm (`ee_kt`, exclusive; S. Catani et al., Phys. Lett. B269 (1991) 432), with all of their
energy, without a lowest pt. The four generator jets are paired so that the two masses come
nearest to those of the process's bosons (least sum of squared distances); events where one of
them is MAX_MASS_DISTANCE or more away are left out, for their bosons did not go to what can be
seen, or their jets do not follow the decay. The candidates' jets are matched one to one to the
generator's by the least sum of angles and take over their pairing, so that every set of
candidates is judged on the same pairs: the response is that of the jets, not of a pairing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, figure, width, width_figures
from partflow.evaluate.sample import Sample, select

BOSON_MASSES = {"W": 80.369, "Z": 91.188, "H": 125.20}  # GeV, PDG 2024
BOSONS = {"ww": ("W", "W"), "zh": ("Z", "H")}
"""The two bosons of each process that has a pair."""
BOSON_NAMES = tuple(BOSON_MASSES)
MAX_MASS_DISTANCE = 10.0
"""Generator-level dijets further than this from the mass of their boson are not judged [GeV]."""
NUM_JETS = 4
PAIRINGS = np.array([(a, b, *sorted({0, 1, 2, 3} - {a, b})) for a, b in
                     ((0, 1), (0, 2), (0, 3), (2, 3), (1, 3), (1, 2))])  # fmt: skip
"""Orders of four jets: the first two are those of the first boson."""
ORDERS = np.array(list(permutations(range(NUM_JETS))))
_PX, _PY, _PZ, _ENERGY = range(4)


@dataclass(frozen=True)
class DijetSample(Sample):
    """Bosons of many events, and what one set of candidates made of them."""

    boson: Array
    """Index in BOSON_NAMES, [boson]."""
    gen_mass: Array
    """[boson], GeV."""
    reco_mass: Array
    """[boson], GeV; NaN where the candidates are too few for four jets."""


@dataclass(frozen=True)
class GenDijets:
    """Generator jets of some events with two bosons each."""

    event: Array
    """Number of the event in its run, [pair]."""
    boson: Array
    """Index in BOSON_NAMES of both bosons, [pair, 2]."""
    jets: Array
    """px, py, pz, E [GeV] of the first boson's jets, then of the second's, [pair, 4, 4]."""


def exclusive_jets(
    name: str, offsets: Array, momentum: tuple[Array, Array, Array], energy: Array, event: Array
) -> Array:
    """Four jets of each of the events numbered `event`, [event, jet, 4] (GeV); NaN where too few.

    Raises DataError, naming the set, where a momentum is not finite.
    """
    from partflow.core.jets import cluster_exclusive_jets

    is_chosen = np.zeros(len(offsets) - 1, dtype=bool)
    is_chosen[event] = True
    counts = np.diff(offsets)
    keep = np.repeat(is_chosen, counts)
    own_offsets = np.concatenate([[0], np.cumsum(counts[is_chosen])])
    px, py, pz, own_energy = (column[keep] for column in (*momentum, energy))
    try:
        return cluster_exclusive_jets(own_offsets, px, py, pz, own_energy, NUM_JETS)
    except DataError as error:
        raise DataError(f"{name}: {error}; make these particles again") from error


def find_bosons(process: Array, jets_of: Any) -> GenDijets:
    """The bosons of events of the processes in BOSONS.

    `jets_of(event)` gives the generator jets of the events numbered so, [event, jet, 4].
    """
    event = np.flatnonzero(np.isin(process, list(BOSONS)))
    pairs = [BOSONS[name] for name in process[event]]
    boson = np.array([[BOSON_NAMES.index(b) for b in pair] for pair in pairs]).reshape(-1, 2)
    wanted = np.array(list(BOSON_MASSES.values()))[boson.astype(np.int64)]
    jets = jets_of(event)
    ordered = jets[:, PAIRINGS]  # [event, pairing, jet, 4]
    distance = np.abs(pair_masses(ordered) - wanted[:, None])
    cost = np.where(np.isfinite(distance), distance, np.inf)
    best = np.argmin((cost**2).sum(axis=-1), axis=-1)
    rows = np.arange(len(event))
    is_seen = np.all(cost[rows, best] < MAX_MASS_DISTANCE, axis=-1)
    return GenDijets(event[is_seen], boson[is_seen], ordered[rows, best][is_seen])


def judge_dijets(gen: GenDijets, jets: Array, first_event: int) -> DijetSample:
    """Compare a candidate set's `jets` [pair, 4, 4], of the events of `gen`, to the generator's."""
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
    )


def dijet_metrics(sample: DijetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mass response reco/gen and the mass peak, by boson; bosons that no event has are left out.

    A process whose bosons were all left out has none either.
    """
    result = {}
    for index, name in enumerate(BOSON_NAMES):
        own = select(sample, sample.boson == index)
        if not len(own.event):
            continue
        seen = select(own, np.isfinite(own.reco_mass))
        response = width(seen.reco_mass / seen.gen_mass, seen.event, bootstrap)
        peak = width(seen.reco_mass, seen.event, bootstrap)
        gen_peak = width(own.gen_mass, own.event, bootstrap)
        result[name] = {
            "num_gen": len(own.event),
            **_reconstructed(own, bootstrap),
            **width_figures(response, bootstrap),
            **figure("mass_median", peak.median, bootstrap, peak.has_interval),
            **figure("mass_iqr", peak.iqr, bootstrap, peak.has_interval),
            **figure("gen_mass_median", gen_peak.median, bootstrap, gen_peak.has_interval),
            **figure("gen_mass_iqr", gen_peak.iqr, bootstrap, gen_peak.has_interval),
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


def _reconstructed(sample: DijetSample, bootstrap: Bootstrap) -> dict[str, Any]:
    found = np.isfinite(sample.reco_mass).astype(np.float64)
    event, boson_to_event = np.unique(sample.event, return_inverse=True)
    part, whole = np.bincount(boson_to_event, found), np.bincount(boson_to_event)
    values = np.concatenate([[found.mean()], bootstrap.ratio(part, whole, event)])
    return figure("reconstructed_fraction", values, bootstrap, len(event) >= MIN_EVENTS)
