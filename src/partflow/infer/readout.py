"""Readout: predictions for each element -> a list of candidates.

A candidate on a track keeps the momentum that the tracker measured, which is better by orders of
magnitude than what the calorimeter adds; its energy follows from the mass of its class. A candidate
on a cluster has the predicted momentum; a photon has E = p, a neutral hadron E >= p.

Kinds of readout (`ReadoutConfig.kind`):

- `threshold`: the elements with probability >= threshold, each with its full momentum. This is a
  list of particles. A cluster of probability 0.4 is left out and one of 0.6 counts in full, which
  widens the jet response.
- `expectation`: the momentum of a cluster is multiplied by its probability, so that sums are right
  on average (the jet response is about 8 % narrower). The list is longer than that of the
  particles, and a candidate is not a measurement of one particle.
- `published`: the readout of the published MLPF v2.2.0 and the default for its networks. All
  elements with a probability above 1/2, with predicted momentum and energy for tracks, too.

Candidates of a larger background probability than `ReadoutConfig.max_background_probability` are
left out at the end, so that the energy of the background is not given to particles of the signal.

A network with a sharing head divides the energy of the clusters among the elements that become
candidates (`is_listed`); its momenta are not multiplied by probabilities.
"""

from __future__ import annotations

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
from partflow.infer.predictions import Predictions
from partflow.model.config import ReadoutConfig


def read_out(
    elements: Collection, features: Array, predictions: Predictions, config: ReadoutConfig
) -> Collection:
    """Candidates of each event (CANDIDATES), in the order of its elements.

    Args:
        elements: Elements of all events.
        features: Their features, [element, feature].
        predictions: Predictions of the network for them.
        config: How to read out.
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
        weight = np.where(is_cluster, predictions.expected_weight, 1.0)
        columns["pt"] = columns["pt"] * weight
        columns["energy"] = columns["energy"] * weight
    is_kept = is_listed(predictions.probability, is_track, config)
    is_kept &= predictions.pdg_class != NO_PARTICLE
    is_kept &= predictions.background_probability <= config.max_background_probability
    return Collection(CANDIDATES, elements.offsets, columns).select(is_kept)


def is_listed(probability: Array, is_track: Array, config: ReadoutConfig) -> Array:
    """Whether each element becomes a candidate, [element]."""
    if config.kind == "published":  # the larger of two logits decides
        return probability > 0.5
    lowest = config.min_probability if config.kind == "expectation" else config.threshold
    return probability >= np.where(is_track, config.threshold, lowest)


def _momenta(
    features: Array, is_track: Array, predictions: Predictions, config: ReadoutConfig
) -> dict[str, Array]:
    """Momentum and energy of the candidate on each element, by column."""
    if config.kind == "published":
        return {name: getattr(predictions, name) for name in ("pt", "eta", "phi", "energy")}
    f = TrackFeature
    track_phi = np.arctan2(features[:, f.SIN_PHI], features[:, f.COS_PHI])
    pt = np.where(is_track, features[:, f.PT], predictions.pt)
    eta = np.where(is_track, features[:, f.ETA], predictions.eta)
    momentum = pt * np.cosh(eta)
    track_energy = np.hypot(momentum, _track_mass(predictions.pdg_class))
    is_photon = predictions.pdg_class == PHOTON
    cluster_energy = np.where(is_photon, momentum, np.maximum(predictions.energy, momentum))
    return {
        "pt": pt,
        "eta": eta,
        "phi": np.where(is_track, track_phi, predictions.phi),
        "energy": np.where(is_track, track_energy, cluster_energy),
    }


def _track_mass(pdg_class: Array) -> Array:
    """Mass [GeV] of a track of each class; charged hadrons have the pion mass."""
    mass_of_class = {CHARGED_HADRON: PION_MASS}
    for lepton in (ELECTRON, MUON):
        mass_of_class[lepton] = float(masses(np.array([lepton]))[0])
    mass = np.zeros(len(pdg_class))
    for track_class, value in mass_of_class.items():
        mass[pdg_class == track_class] = value
    return mass


def _index_among(elements: Collection, is_chosen: Array) -> Array:
    """Index of each chosen element among the chosen ones of its event; -1 for the others."""
    num_before = np.concatenate([[0], np.cumsum(is_chosen)])
    index = num_before[:-1] - num_before[elements.offsets[:-1]][elements.event_index]
    return np.where(is_chosen, index, -1)
