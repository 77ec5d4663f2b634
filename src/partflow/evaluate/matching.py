"""Match each generator jet to the nearest reconstructed jet, for all events at once."""

from __future__ import annotations

import numpy as np

from partflow.core.errors import DataError
from partflow.core.kinematics import delta_r
from partflow.core.records import Array, Collection, offsets_from_counts

PAIRS_PER_BLOCK = 1 << 20
"""Pairs of jets held in memory at a time: about 50 MB."""


def match_nearest(gen_jets: Collection, reco_jets: Collection, max_delta_r: float) -> Array:
    """Row of the nearest reco jet of the same event for each gen jet, [gen jet].

    -1 where no reco jet has delta R < `max_delta_r`. Several gen jets may share a reco jet; of
    equally near reco jets the first is taken. Raises DataError if the numbers of events differ.

    The pairs of all events stand in one flat array, grouped by gen jet, and each group is reduced
    to its minimum. Groups are processed in blocks to limit the memory.
    """
    if gen_jets.num_events != reco_jets.num_events:
        raise DataError(
            f"jets of {reco_jets.num_events} events cannot be matched to gen jets of "
            f"{gen_jets.num_events}; give candidates of the same events"
        )
    event = gen_jets.event_index
    first_reco = reco_jets.offsets[:-1][event]
    pair_offsets = offsets_from_counts(reco_jets.counts[event])
    nearest = np.full(len(gen_jets), -1, dtype=np.int64)
    start = 0
    while start < len(gen_jets):
        last_pair = pair_offsets[start] + PAIRS_PER_BLOCK
        stop = max(start + 1, int(np.searchsorted(pair_offsets, last_pair, side="right")) - 1)
        block = slice(start, stop)
        nearest[block] = _nearest_in_groups(
            gen_jets.eta[block],
            gen_jets.phi[block],
            reco_jets,
            first_reco[block],
            np.diff(pair_offsets[start : stop + 1]),
            max_delta_r,
        )
        start = stop
    return nearest


def _nearest_in_groups(
    eta: Array, phi: Array, reco_jets: Collection, first: Array, length: Array, max_delta_r: float
) -> Array:
    """Row of the nearest reco jet among rows first..first+length of each gen jet, or -1."""
    nearest = np.full(len(eta), -1, dtype=np.int64)
    gen = np.repeat(np.arange(len(eta)), length)
    if len(gen) == 0:
        return nearest
    starts = np.cumsum(length) - length
    reco = np.arange(len(gen)) + np.repeat(first - starts, length)
    distance = delta_r(eta[gen], phi[gen], reco_jets.eta[reco], reco_jets.phi[reco])
    occupied = length > 0
    minimum = np.full(len(eta), np.inf)
    minimum[occupied] = np.minimum.reduceat(distance, starts[occupied])
    matches = np.flatnonzero((distance == minimum[gen]) & (distance < max_delta_r))[::-1]
    nearest[gen[matches]] = reco[matches]  # reversed: of equal distances the first is written last
    return nearest
