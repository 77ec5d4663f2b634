"""Inputs from the neighbours of each element, and distances between the elements of an event.

At the calorimeter a track stands for its line beyond the face: its distance to a cluster is
perpendicular to that line. All other distances are those of positions. The distances serve twice:

- The neighbourhood inputs describe the surroundings of each element: the closest tracks and
  clusters, the momentum that points at a cluster, and the energy of the clusters around a track in
  excess of its momentum. They come from a search (`neighbour_search`), linear in the number of
  elements.
- The matrix of all distances of an event, quadratic in the number of elements, lowers the attention
  weights of the transformer (see `attention`).

A track that misses the calorimeter has no position there. It enters no other element's inputs, and
its own are those of an element without neighbours. Its distance to every element, itself included,
is MISSING_DISTANCE. Its own attention weights are therefore those without a distance term, and
other elements give it the largest reduction in all heads that depend on distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from partflow.core.face import BACKWARD_REACH
from partflow.core.features import ExtraFeature, TrackFeature
from partflow.model.attention import LONGEST_SCALE, MAX_PENALTY
from partflow.model.inputs import LOG_ENERGY_FLOOR, misses_calorimeter
from partflow.model.layout import Layout
from partflow.model.neighbour_search import ClusterNeighbours, TrackNeighbours, find_neighbours

DISTANCE_SCALE = 10.0
"""Scale of distances between elements inside logarithms [mm]: a cell of the ECAL."""
LINE_DEPTH_SCALE = 300.0
"""Scale of depths along a line [mm]: between the interaction lengths of ECAL and HCAL."""
HADRON_RESOLUTION = 0.5
"""sigma(E) = 0.5 sqrt(E) [GeV] of a hadron's shower, as in the rules that compare E and p."""
MAX_CHI = 8.0
"""Bound of (E - p) / sigma."""
MISSING_DISTANCE = MAX_PENALTY * LONGEST_SCALE
"""Distance of a track that misses the calorimeter to all elements [mm]: the least that gives the
largest reduction, MAX_PENALTY, in every head that depends on distance."""
NUM_TRACK_INPUTS = 5
NUM_CLUSTER_INPUTS = 13


class Neighbourhood(NamedTuple):
    """Inputs made from the neighbours of each element."""

    tracks: Float[Tensor, "track track_input"]
    clusters: Float[Tensor, "cluster cluster_input"]


def neighbourhood(features: Float[Tensor, "element feature"], layout: Layout) -> Neighbourhood:
    """Neighbourhood inputs of the events of `layout`; the search runs on the CPU."""
    extra = ExtraFeature
    is_track = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    is_track[layout.track_rows] = True
    energy = torch.where(is_track, features[:, TrackFeature.P], features[:, extra.ENERGY_HADRONIC])
    neighbours = find_neighbours(
        np.array(layout.events, dtype=np.int64).reshape(-1, 3),
        features[:, extra.FACE_X : extra.FACE_Z + 1].cpu().numpy(),
        features[:, extra.FACE_DX : extra.FACE_DZ + 1].cpu().numpy(),
        energy.cpu().numpy(),
        misses_calorimeter(features).cpu().numpy(),
    )
    of_tracks, of_clusters = (torch.from_numpy(x).to(features.device) for x in neighbours)
    tracks, clusters = layout.track_rows, layout.cluster_rows
    return Neighbourhood(
        _track_inputs(energy[tracks], of_tracks[tracks]),
        _cluster_inputs(energy[clusters], of_clusters[clusters]),
    )


def event_distances(
    features: Float[Tensor, "element feature"], layout: Layout
) -> list[Float[Tensor, "_ _"]]:
    """Distances [mm] between all elements of each event of `layout`.

    Those of a track that misses the calorimeter are MISSING_DISTANCE, to itself as well.
    """
    extra = ExtraFeature
    is_missing = misses_calorimeter(features)
    positions = features[:, extra.FACE_X : extra.FACE_Z + 1]
    directions = features[:, extra.FACE_DX : extra.FACE_DZ + 1]
    distances = []
    for begin, middle, end in layout.events:
        of_event = pair_distances(positions[begin:end], directions[begin:middle], middle - begin)[0]
        has_missing = is_missing[begin:end, None] | is_missing[begin:end]
        distances.append(of_event.masked_fill_(has_missing, MISSING_DISTANCE))
    return distances


def pair_distances(
    positions: Float[Tensor, "element 3"], directions: Float[Tensor, "track 3"], num_tracks: int
) -> tuple[Float[Tensor, "element element"], Float[Tensor, "track cluster"]]:
    """Distances [mm] between elements, tracks first, and depths [mm] of clusters along tracks.

    Between a track and a cluster it is the distance of the cluster from the track's line, which
    begins BACKWARD_REACH in front of the face; between two tracks or two clusters it is that of
    their positions. Differences are formed before they are squared: at two metres from the origin
    the expanded square would lose millimetres in float32.
    """
    distance = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")
    separation = positions[None, num_tracks:] - positions[:num_tracks, None]
    depth = (separation * directions[:, None]).sum(-1)
    squared = separation.square().sum(-1) - depth.clamp(min=-BACKWARD_REACH).square()
    from_line = squared.clamp(min=0.0).sqrt()
    distance[:num_tracks, num_tracks:] = from_line
    distance[num_tracks:, :num_tracks] = from_line.T
    return distance, depth


def _track_inputs(momentum: Tensor, neighbours: Tensor) -> Tensor:
    """Inputs [track, NUM_TRACK_INPUTS] from rows of `TrackNeighbours`."""
    near = dict(zip(TrackNeighbours, neighbours.unbind(1), strict=True))
    shower_energy = near[TrackNeighbours.SHOWER_ENERGY]
    columns = (
        _log_distance(near[TrackNeighbours.CLUSTER_DISTANCE]),
        _offset_log_energy(near[TrackNeighbours.CLUSTER_ENERGY]),
        torch.log1p(shower_energy),
        _chi(shower_energy, momentum),
        _log_distance(near[TrackNeighbours.TRACK_DISTANCE]),
    )
    return torch.stack(columns, 1)


def _cluster_inputs(energy: Tensor, neighbours: Tensor) -> Tensor:
    """Inputs [cluster, NUM_CLUSTER_INPUTS] from rows of `ClusterNeighbours`."""
    column = ClusterNeighbours
    near = dict(zip(column, neighbours.unbind(1), strict=True))
    track_momentum, rest_of_shower = near[column.TRACK_MOMENTUM], near[column.REST_OF_SHOWER]
    columns = (
        _log_distance(near[column.TRACK_DISTANCE]),
        _offset_log_energy(track_momentum),
        (near[column.TRACK_DEPTH] / LINE_DEPTH_SCALE).clamp(-2.0, 6.0),
        _log_distance(near[column.SECOND_DISTANCE]),
        _offset_log_energy(near[column.SECOND_MOMENTUM]),
        torch.log1p(near[column.CORE_MOMENTUM]),
        torch.log1p(near[column.SHOWER_MOMENTUM]),
        _offset_log_energy(energy) - _offset_log_energy(track_momentum),
        _chi(rest_of_shower, track_momentum),
        _chi(rest_of_shower + energy, track_momentum),
        _log_distance(near[column.LARGER_DISTANCE]),
        _offset_log_energy(near[column.LARGER_ENERGY]),
        torch.log1p(near[column.ENERGY_AROUND]),
    )
    return torch.stack(columns, 1)


def _chi(energy: Tensor, momentum: Tensor) -> Tensor:
    """(E - p) / sigma(p): energy in excess of a track's momentum, in units of the resolution."""
    sigma = HADRON_RESOLUTION * momentum.clamp(min=0.5).sqrt()
    return ((energy - momentum) / sigma).clamp(-MAX_CHI, MAX_CHI)


def _log_distance(distance: Tensor) -> Tensor:
    return torch.log1p(distance / DISTANCE_SCALE)


def _offset_log_energy(energy: Tensor) -> Tensor:
    """log(E + 50 MeV): energies far below the resolution are not told apart."""
    return torch.log(energy.clamp(min=LOG_ENERGY_FLOOR) + HADRON_RESOLUTION**2 / 5)
