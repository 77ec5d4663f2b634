"""Distances between the elements of an event at the calorimeter, and what they tell.

A track stands for its line beyond the calorimeter's face: its distance to a cluster is
perpendicular to that line. Distances lower the attention (see `attention`), and give each
element a summary of its surroundings: the closest track or cluster, the momentum that
points at a cluster, and how much of a track's momentum the clusters near it account for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from partflow.core.features import ExtraFeature, TrackFeature
from partflow.model.inputs import MIN_ENERGY
from partflow.model.layout import Layout

BACKWARD_REACH = 50.0
"""How far before the face a track's line still counts [mm]: showers scatter back a little."""
FAR = 3000.0
"""Distance of a neighbour that does not exist [mm]; the size of the detector."""
NEAR = 120.0
"""Distance within which a cluster may belong to the shower of a track [mm]."""
CORE_WIDTH, SHOWER_WIDTH = 30.0, 80.0
"""Gaussian widths of the sums of track momentum around a cluster [mm]."""
CLUSTER_WIDTH = 120.0
"""Gaussian width of the sum of cluster energies around a cluster [mm]."""
LENGTH_SCALE = 10.0  # mm, a cell of the ECAL
DEPTH_SCALE = 300.0  # mm, between the interaction lengths of ECAL and HCAL
RESOLUTION = 0.5
"""sigma(E) = 0.5 sqrt(E) [GeV] of a hadron's shower, as the rule-based chain compares E and p."""
MAX_CHI = 8.0


class Neighbourhood(NamedTuple):
    """Distances within each event and the inputs made from them."""

    distances: list[Float[Tensor, "_ _"]]
    """One matrix [element, element] for each event of the layout [mm]."""
    tracks: Float[Tensor, "track track_input"]
    clusters: Float[Tensor, "cluster cluster_input"]


NUM_TRACK_INPUTS = 5
NUM_CLUSTER_INPUTS = 13


def neighbourhood(features: Float[Tensor, "element feature"], layout: Layout) -> Neighbourhood:
    """Distances and neighbourhood inputs of the events of `layout`."""
    extra = ExtraFeature
    positions = features[:, extra.FACE_X : extra.FACE_Z + 1]
    directions = features[:, extra.FACE_DX : extra.FACE_DZ + 1]
    momenta = features[:, TrackFeature.P]
    energies = features[:, extra.ENERGY_HADRONIC]
    distances = []
    of_tracks = [features.new_empty(0, len(_TrackNeighbours._fields))]
    of_clusters = [features.new_empty(0, len(_ClusterNeighbours._fields))]
    for begin, middle, end in layout.events:
        distance, depth = pair_distances(
            positions[begin:end], directions[begin:middle], middle - begin
        )
        distances.append(distance)
        near_tracks, near_clusters = _neighbours(
            distance, depth, momenta[begin:middle], energies[middle:end]
        )
        of_tracks.append(torch.stack(near_tracks, 1))
        of_clusters.append(torch.stack(near_clusters, 1))
    return Neighbourhood(
        distances,
        _track_inputs(_TrackNeighbours(*torch.cat(of_tracks).unbind(1))),
        _cluster_inputs(_ClusterNeighbours(*torch.cat(of_clusters).unbind(1))),
    )


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
    momentum: Tensor
    cluster_distance: Tensor
    cluster_energy: Tensor
    shower_energy: Tensor
    track_distance: Tensor


class _ClusterNeighbours(NamedTuple):
    energy: Tensor
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


def _neighbours(
    distance: Tensor, depth: Tensor, momentum: Tensor, energy: Tensor
) -> tuple[_TrackNeighbours, _ClusterNeighbours]:
    """Neighbours of one event's elements; two tracks and a cluster far away, almost without
    energy, stand for those that an event does not have.
    """
    num_tracks = len(momentum)
    to_cluster = distance[:num_tracks, num_tracks:]
    track_distances = torch.cat([to_cluster, distance.new_full((2, len(energy)), FAR)])
    momenta = torch.cat([momentum, momentum.new_full((2,), MIN_ENERGY)])
    depths = torch.cat([depth, depth.new_zeros(2, len(energy))])

    closest, first = track_distances.min(0)
    second_closest, second = track_distances.scatter(0, first[None], torch.inf).min(0)
    in_shower = torch.where(closest < NEAR, energy, 0.0)
    shower_energy = torch.zeros_like(momenta).index_add(0, first, in_shower)
    between = distance[num_tracks:, num_tracks:]
    larger = torch.where(energy[None] > energy[:, None], between, torch.inf)
    larger = torch.cat([larger, larger.new_full((len(energy), 1), FAR)], 1)
    larger_distance, larger_cluster = larger.min(1)
    energies = torch.cat([energy, energy.new_full((1,), MIN_ENERGY)])

    cluster_distances = torch.cat([to_cluster, to_cluster.new_full((num_tracks, 1), FAR)], 1)
    cluster_distance, cluster = cluster_distances.min(1)
    tracks_apart = distance[:num_tracks, :num_tracks].clone()
    tracks_apart.fill_diagonal_(FAR)
    tracks_apart = torch.cat([tracks_apart, tracks_apart.new_full((num_tracks, 1), FAR)], 1)
    return (
        _TrackNeighbours(
            momentum=momentum,
            cluster_distance=cluster_distance,
            cluster_energy=energies[cluster],
            shower_energy=shower_energy[:num_tracks],
            track_distance=tracks_apart.min(1).values,
        ),
        _ClusterNeighbours(
            energy=energy,
            track_distance=closest,
            track_momentum=momenta[first],
            track_depth=depths.gather(0, first[None])[0],
            second_distance=second_closest.clamp(max=FAR),
            second_momentum=momenta[second],
            core_momentum=_smoothed_sum(to_cluster.T, momentum, CORE_WIDTH),
            shower_momentum=_smoothed_sum(to_cluster.T, momentum, SHOWER_WIDTH),
            rest_of_shower=shower_energy[first] - in_shower,
            larger_distance=larger_distance,
            larger_energy=energies[larger_cluster],
            energy_around=_smoothed_sum(between, energy, CLUSTER_WIDTH),
        ),
    )


def _smoothed_sum(distance: Tensor, weight: Tensor, width: float) -> Tensor:
    """Sum over columns of `weight`, falling off as a Gaussian of `distance`."""
    return torch.exp(-0.5 * (distance / width).square()) @ weight


def _track_inputs(near: _TrackNeighbours) -> Tensor:
    columns = (
        _log_length(near.cluster_distance),
        _log_energy(near.cluster_energy),
        torch.log1p(near.shower_energy),
        _chi(near.shower_energy, near.momentum),
        _log_length(near.track_distance),
    )
    return torch.stack(columns, 1)


def _cluster_inputs(near: _ClusterNeighbours) -> Tensor:
    whole_shower = near.rest_of_shower + near.energy
    columns = (
        _log_length(near.track_distance),
        _log_energy(near.track_momentum),
        (near.track_depth / DEPTH_SCALE).clamp(-2.0, 6.0),
        _log_length(near.second_distance),
        _log_energy(near.second_momentum),
        torch.log1p(near.core_momentum),
        torch.log1p(near.shower_momentum),
        _log_energy(near.energy) - _log_energy(near.track_momentum),
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
    return torch.log1p(distance.clamp(max=FAR) / LENGTH_SCALE)


def _log_energy(energy: Tensor) -> Tensor:
    return torch.log(energy.clamp(min=MIN_ENERGY) + RESOLUTION**2 / 5)
