"""Jets of flat four-vectors by fastjet, event by event, for labels and metrics."""

from __future__ import annotations

import contextlib
import ctypes
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import awkward as ak
import fastjet
import numpy as np

from partflow.core.errors import DataError
from partflow.core.kinematics import eta_from_momentum
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import JETS


@dataclass(frozen=True)
class JetDefinition:
    """The generalised-kt algorithm for e+e- (`ee_genkt`), with power -1 like anti-kt."""

    radius: float = 0.4
    """Angular radius R [rad]."""
    power: float = -1.0
    """Exponent p of the energy in the distance min(E_i^2p, E_j^2p)."""
    min_pt: float = 5.0
    """Least transverse momentum of a jet [GeV]."""


def cluster_jets(
    offsets: Array,
    px: Array,
    py: Array,
    pz: Array,
    energy: Array,
    definition: JetDefinition | None = None,
    by_pt: bool = True,
) -> tuple[Collection, Array]:
    """Jets of each event by decreasing pt, and the jet of each input.

    `offsets` [event + 1] delimit the events of the momenta [object] (GeV). Returns the jets and,
    [object], the index of the object's jet within its event, -1 where that jet is below `min_pt`.
    With `by_pt` false the jets keep the order of fastjet, as in the published data sets. Raises
    DataError where an input is not finite.
    """
    definition = definition or JetDefinition()
    counts = np.diff(offsets)
    inputs = _four_vectors(counts, px, py, pz, energy)
    sequence = fastjet.ClusterSequence(
        inputs,
        fastjet.JetDefinition(fastjet.ee_genkt_algorithm, definition.radius, definition.power),
    )
    jets = sequence.inclusive_jets(definition.min_pt)
    constituents = sequence.constituent_index(definition.min_pt)
    jet_counts = ak.to_numpy(ak.num(jets)).astype(np.int64)
    event = np.repeat(np.arange(len(counts)), jet_counts)
    jet_px, jet_py, jet_pz, jet_energy = (
        ak.to_numpy(ak.flatten(jets[k])).astype(np.float64) for k in ("px", "py", "pz", "E")
    )
    pt = np.hypot(jet_px, jet_py)
    order = np.lexsort((-pt, event)) if by_pt else np.arange(len(pt))
    jet_offsets = offsets_from_counts(jet_counts)
    rank_in_event = np.empty(len(order), dtype=np.int64)
    rank_in_event[order] = np.arange(len(order)) - jet_offsets[:-1][event]

    jet_of_object = np.full(int(offsets[-1]), -1, dtype=np.int64)
    num_constituents = ak.to_numpy(ak.flatten(ak.num(constituents, axis=2))).astype(np.int64)
    flat = ak.to_numpy(ak.flatten(constituents, axis=None)).astype(np.int64)
    jet = np.repeat(np.arange(len(event)), num_constituents)
    jet_of_object[np.asarray(offsets)[:-1][event[jet]] + flat] = rank_in_event[jet]

    columns = {
        "pt": pt[order],
        "eta": eta_from_momentum(jet_px, jet_py, jet_pz)[order],
        "phi": np.arctan2(jet_py, jet_px)[order],
        "energy": jet_energy[order],
    }
    return Collection(JETS, jet_offsets, columns), jet_of_object


def cluster_exclusive_jets(
    offsets: Array, px: Array, py: Array, pz: Array, energy: Array, num_jets: int
) -> Array:
    """Each event clustered into `num_jets` jets by the Durham algorithm (`ee_kt`).

    The arguments are those of `cluster_jets`. Returns px, py, pz, E (GeV) of the jets,
    [event, num_jets, 4], in arbitrary order; NaN for an event with fewer objects. Raises DataError
    where an input is not finite.
    """
    counts = np.diff(offsets)
    jets = np.full((len(counts), num_jets, 4), np.nan)
    is_enough = counts >= num_jets
    keep = np.repeat(is_enough, counts)
    inputs = _four_vectors(counts[is_enough], *(v[keep] for v in (px, py, pz, energy)))
    if np.any(is_enough):
        # This algorithm has no radius: the constructor for those that have one refuses it.
        durham = fastjet.JetDefinition0Param(fastjet.ee_kt_algorithm)
        with _without_warning():
            exclusive = fastjet.ClusterSequence(inputs, durham).exclusive_jets(n_jets=num_jets)
        columns = [ak.to_numpy(exclusive[k]) for k in ("px", "py", "pz", "E")]
        jets[is_enough] = np.stack(columns, axis=-1)
    return jets


@contextlib.contextmanager
def _without_warning() -> Iterator[None]:
    """Suppress fastjet's warning about exclusive jets, which is not for the Durham algorithm.

    With it fastjet replaces how Python prints all later warnings; that is restored.
    """
    before = warnings.formatwarning
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "dcut and exclusive jets", UserWarning)
            yield
    finally:
        warnings.formatwarning = before


def _four_vectors(counts: Array, px: Array, py: Array, pz: Array, energy: Array) -> ak.Array:
    """The momenta as fastjet takes them, for events with `counts` [event] objects."""
    momenta = {"px": px, "py": py, "pz": pz, "E": energy}
    for name, values in momenta.items():
        if not np.all(np.isfinite(values)):
            num_bad = np.sum(~np.isfinite(values))
            raise DataError(f"jets: {num_bad} values of {name} not finite; leave these events out")
    _discard_banner()
    return ak.zip(
        {k: ak.unflatten(np.asarray(v, np.float64), counts) for k, v in momenta.items()},
        with_name="Momentum4D",
    )


@cache
def _discard_banner() -> None:
    """Let fastjet print its banner once, to nowhere: standard output is for results.

    The first clustering prints it from C++, not through `sys.stdout`, and its Python package has no
    call to turn it off. README names fastjet and its paper instead.
    """
    c_library = ctypes.CDLL(None)
    c_library.fflush(None)
    stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        definition = fastjet.JetDefinition(fastjet.ee_genkt_algorithm, 1.0, -1.0)
        fastjet.ClusterSequence([fastjet.PseudoJet(1.0, 0.0, 0.0, 1.0)], definition)
        c_library.fflush(None)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)
