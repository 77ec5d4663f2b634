"""Distances between the elements of an event at the calorimeter, and what they tell.

A track stands for its line beyond the calorimeter's face: its distance to a cluster is
perpendicular to that line. Distances lower the attention (see `attention`), and give each
element a summary of its surroundings: the closest track or cluster, the momentum that
points at a cluster, and how much of a track's momentum the clusters near it account for. The
summaries come from a search (`neighbour_search`), not from matrices of all distances.

A track that does not reach the calorimeter has no place in it. It is in nobody's summary, its own
is that of an element without neighbours, and in the attention it is as far from everybody, itself
included, as there is. What it listens to then differs by no distance, so that it hears the whole
event alike; the heads that feel distance do not listen to it, those that do not still do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from partflow.core.features import ExtraFeature, TrackFeature
from partflow.model.attention import LONGEST_SCALE, MAX_PENALTY
from partflow.model.inputs import MIN_ENERGY, is_lost
from partflow.model.layout import Layout
from partflow.model.neighbour_search import BACKWARD_REACH, search

LENGTH_SCALE = 10.0  # mm, a cell of the ECAL
DEPTH_SCALE = 300.0  # mm, between the interaction lengths of ECAL and HCAL
RESOLUTION = 0.5
"""sigma(E) = 0.5 sqrt(E) [GeV] of a hadron's shower, as the rule-based chain compares E and p."""
MAX_CHI = 8.0
LOST_DISTANCE = MAX_PENALTY * LONGEST_SCALE
"""Distance of a lost track in the attention [mm]; all heads that feel distance feel it fully."""
NUM_TRACK_INPUTS = 5
NUM_CLUSTER_INPUTS = 13


class Neighbourhood(NamedTuple):
    """Inputs made from the neighbours of each element."""

    tracks: Float[Tensor, "track track_input"]
    clusters: Float[Tensor, "cluster cluster_input"]


def neighbourhood(features: Float[Tensor, "element feature"], layout: Layout) -> Neighbourhood:
    """Neighbourhood inputs of the events of `layout`; searched for on the CPU."""
    extra = ExtraFeature
    is_track = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    is_track[layout.track_rows] = True
    weight = torch.where(is_track, features[:, TrackFeature.P], features[:, extra.ENERGY_HADRONIC])
    found = search(
        np.array(layout.events, dtype=np.int64).reshape(-1, 3),
        features[:, extra.FACE_X : extra.FACE_Z + 1].cpu().numpy(),
        features[:, extra.FACE_DX : extra.FACE_DZ + 1].cpu().numpy(),
        weight.cpu().numpy(),
        is_lost(features).cpu().numpy(),
    )
    of_tracks, of_clusters = (torch.from_numpy(columns).to(features.device) for columns in found)
    tracks, clusters = layout.track_rows, layout.cluster_rows
    return Neighbourhood(
        _track_inputs(weight[tracks], _TrackNeighbours(*of_tracks[tracks].unbind(1))),
        _cluster_inputs(weight[clusters], _ClusterNeighbours(*of_clusters[clusters].unbind(1))),
    )


def event_distances(
    features: Float[Tensor, "element feature"], layout: Layout
) -> list[Float[Tensor, "_ _"]]:
    """Distances [mm] between all elements of each event of the layout; quadratic in its size.

    Those of a track that reaches no calorimeter are LOST_DISTANCE, to itself, too.
    """
    extra = ExtraFeature
    lost = is_lost(features)
    positions = features[:, extra.FACE_X : extra.FACE_Z + 1]
    directions = features[:, extra.FACE_DX : extra.FACE_DZ + 1]
    distances = []
    for begin, middle, end in layout.events:
        of_event = pair_distances(positions[begin:end], directions[begin:middle], middle - begin)[0]
        has_lost = lost[begin:end, None] | lost[begin:end]
        distances.append(of_event.masked_fill_(has_lost, LOST_DISTANCE))
    return distances


def pair_distances(
    positions: Float[Tensor, "element 3"], directions: Float[Tensor, "track 3"], num_tracks: int
) -> tuple[Float[Tensor, "element element"], Float[Tensor, "track cluster"]]:
    """Distances [mm] between elements, tracks first, and depths of clusters along tracks [mm].

    Between two of a kind it is that of their positions; between a track and a cluster that of
    the cluster from the track's line. Differences are formed before they are squared: at
    two metres from the origin the expanded square would lose millimetres in float32.
    """
    distance = torch.cdist(
        positions, positions, compute_mode="donot_use_mm_for_euclid_dist"
    )  # fmt: skip
    separation = positions[None, num_tracks:] - positions[:num_tracks, None]
    depth = (separation * directions[:, None]).sum(-1)
    squared = separation.square().sum(-1) - depth.clamp(min=-BACKWARD_REACH).square()
    from_line = squared.clamp(min=0.0).sqrt()
    distance[:num_tracks, num_tracks:] = from_line
    distance[num_tracks:, :num_tracks] = from_line.T
    return distance, depth


class _TrackNeighbours(NamedTuple):
    """Columns as in `neighbour_search.TRACK_COLUMNS`."""

    cluster_distance: Tensor
    cluster_energy: Tensor
    shower_energy: Tensor
    track_distance: Tensor


class _ClusterNeighbours(NamedTuple):
    """Columns as in `neighbour_search.CLUSTER_COLUMNS`."""

    track_distance: Tensor
    track_momentum: Tensor
    track_depth: Tensor
    second_distance: Tensor
    second_momentum: Tensor
    core_momentum: Tensor
    shower_momentum: Tensor
    rest_of_shower: Tensor
    larger_distance: Tensor
    larger_energy: Tensor
    energy_around: Tensor


def _track_inputs(momentum: Tensor, near: _TrackNeighbours) -> Tensor:
    columns = (
        _log_length(near.cluster_distance),
        _log_energy(near.cluster_energy),
        torch.log1p(near.shower_energy),
        _chi(near.shower_energy, momentum),
        _log_length(near.track_distance),
    )
    return torch.stack(columns, 1)


def _cluster_inputs(energy: Tensor, near: _ClusterNeighbours) -> Tensor:
    whole_shower = near.rest_of_shower + energy
    columns = (
        _log_length(near.track_distance),
        _log_energy(near.track_momentum),
        (near.track_depth / DEPTH_SCALE).clamp(-2.0, 6.0),
        _log_length(near.second_distance),
        _log_energy(near.second_momentum),
        torch.log1p(near.core_momentum),
        torch.log1p(near.shower_momentum),
        _log_energy(energy) - _log_energy(near.track_momentum),
        _chi(near.rest_of_shower, near.track_momentum),
        _chi(whole_shower, near.track_momentum),
        _log_length(near.larger_distance),
        _log_energy(near.larger_energy),
        torch.log1p(near.energy_around),
    )
    return torch.stack(columns, 1)


def _chi(energy: Tensor, momentum: Tensor) -> Tensor:
    """Energy in excess of a track's momentum, in units of the resolution."""
    sigma = RESOLUTION * momentum.clamp(min=0.5).sqrt()
    return ((energy - momentum) / sigma).clamp(-MAX_CHI, MAX_CHI)


def _log_length(distance: Tensor) -> Tensor:
    return torch.log1p(distance / LENGTH_SCALE)


def _log_energy(energy: Tensor) -> Tensor:
    return torch.log(energy.clamp(min=MIN_ENERGY) + RESOLUTION**2 / 5)
