"""From what the network says of each element to a list of candidates.

A track that is taken for a particle keeps the momentum the tracker measured, which is better by
orders of magnitude than anything the calorimeter adds; its energy follows from the mass of its
class. A cluster has the predicted momentum; a photon has E = p, a neutral hadron E >= p.

Readouts (`ReadoutConfig.kind`):

- `threshold`: the elements with probability >= threshold, whole. A list of particles; but a
  cluster of probability 0.4 counts for nothing and one of 0.6 for everything, which widens jets.
- `expectation`: a cluster's momentum is multiplied by its probability, and so counts on average
  for what it is. Sums are better (jets some 8 % narrower), the list is longer than that of the
  particles and its members are no measurements of one particle each.
- `published`: as MLPF v2.2.0 reads its networks, for which it is the default. Every element that
  is more probably a particle than not, with the momentum and energy that were predicted, also if
  it is a track.

A network with a sharing head was told beforehand who is on the list (`is_listed`), and has divided
the energy of the clusters among those: nothing is multiplied with its probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import CLUSTER, TRACK, TrackFeature
from partflow.core.particles import (
    CHARGED_HADRON,
    ELECTRON,
    MUON,
    NO_PARTICLE,
    PHOTON,
    PION_MASS,
    masses,
)
from partflow.core.records import Array, Collection
from partflow.core.schemas import CANDIDATES
from partflow.model.config import ReadoutConfig
from partflow.model.heads import PARTICLE_CLASSES


class Predictions(NamedTuple):
    """What a network says of each element, [element]; momenta in GeV."""

    probability: Array
    """That the element is a particle."""
    pdg_class: Array
    """Most probable class; no particle, whatever its probability, where that is the class for
    none."""
    pt: Array
    eta: Array
    phi: Array
    energy: Array
    counted: Array
    """What a momentum is multiplied with to count as often as expected."""


def read_out(
    elements: Collection, features: Array, predictions: Predictions, config: ReadoutConfig
) -> Collection:
    """Candidates of each event, in the order of its elements.

    `features` [element, feature] are those of `elements`.
    """
    element_type = features[:, TrackFeature.TYPE]
    is_track, is_cluster = element_type == TRACK, element_type == CLUSTER
    is_charged = is_track & np.isin(predictions.pdg_class, (CHARGED_HADRON, ELECTRON, MUON))
    columns = {
        "pdg_id": predictions.pdg_class,
        "charge": np.where(is_charged, np.sign(features[:, TrackFeature.OMEGA]), 0.0),
        **_momenta(features, is_track, predictions, config),
        "probability": predictions.probability,
        "track_index": _index_among(elements, is_track),
        "cluster_index": _index_among(elements, is_cluster),
    }
    if config.kind == "expectation":
        expected = np.where(is_cluster, predictions.counted, 1.0)
        columns["pt"] = columns["pt"] * expected
        columns["energy"] = columns["energy"] * expected
    is_kept = is_listed(predictions.probability, is_track, config)
    is_kept &= predictions.pdg_class != NO_PARTICLE
    return Collection(CANDIDATES, elements.offsets, columns).select(is_kept)


def is_listed(probability: Array, is_track: Array, config: ReadoutConfig) -> Array:
    """Whether each element becomes a candidate, [element]."""
    if config.kind == "published":  # the larger of two logits decides
        return probability > 0.5
    lowest = config.min_probability if config.kind == "expectation" else config.threshold
    return probability >= np.where(is_track, config.threshold, lowest)


def most_probable_class(class_logits: Array) -> Array:
    """Class with the largest logit [element, class]."""
    return np.array(PARTICLE_CLASSES)[np.argmax(class_logits, axis=1)]


def _momenta(
    features: Array, is_track: Array, predictions: Predictions, config: ReadoutConfig
) -> dict[str, Array]:
    if config.kind == "published":
        return {name: getattr(predictions, name) for name in ("pt", "eta", "phi", "energy")}
    f = TrackFeature
    own_phi = np.arctan2(features[:, f.SIN_PHI], features[:, f.COS_PHI])
    pt = np.where(is_track, features[:, f.PT], predictions.pt)
    eta = np.where(is_track, features[:, f.ETA], predictions.eta)
    momentum = pt * np.cosh(eta)
    measured = np.hypot(momentum, _track_mass(predictions.pdg_class))
    is_photon = predictions.pdg_class == PHOTON
    predicted = np.where(is_photon, momentum, np.maximum(predictions.energy, momentum))
    return {
        "pt": pt,
        "eta": eta,
        "phi": np.where(is_track, own_phi, predictions.phi),
        "energy": np.where(is_track, measured, predicted),
    }


def _track_mass(pdg_class: Array) -> Array:
    """Mass [GeV] that a track of each class is given; that of the pion for charged hadrons."""
    table = {CHARGED_HADRON: PION_MASS}
    for lepton in (ELECTRON, MUON):
        table[lepton] = float(masses(np.array([lepton]))[0])
    mass = np.zeros(len(pdg_class))
    for kind, value in table.items():
        mass[pdg_class == kind] = value
    return mass


def _index_among(elements: Collection, is_chosen: Array) -> Array:
    """Index of each chosen element among the chosen ones of its event; -1 for the others."""
    before = np.concatenate([[0], np.cumsum(is_chosen)])
    index = before[:-1] - before[elements.offsets[:-1]][elements.event_index]
    return np.where(is_chosen, index, -1)
