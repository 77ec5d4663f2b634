"""The network: encoders for each element type, one trunk, heads for each element type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.core.features import NUM_FEATURES
from partflow.dataset.batches import Batch
from partflow.model import neighbourhood as near
from partflow.model.backbones import make_trunk
from partflow.model.config import ModelConfig
from partflow.model.embedding import Encoder, Standardisation
from partflow.model.heads import CLUSTER_CLASSES, TRACK_CLASSES, Output, TypeHeads, decode
from partflow.model.inputs import cluster_inputs, track_inputs
from partflow.model.layout import Layout, layout, tracks_first
from partflow.model.sharing import SharingHead


class TypeInputs(NamedTuple):
    """Inputs of one batch: those of its tracks and those of its clusters."""

    tracks: Float[Tensor, "track input"]
    clusters: Float[Tensor, "cluster input"]


class MLPF(nn.Module):
    """Machine-learned particle flow over packed events.

    Each element type has its own encoder and heads and passes only through those; the trunk
    between them is shared.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        none = torch.zeros(0, NUM_FEATURES)
        num_track = track_inputs(none, config).shape[1] + near.NUM_TRACK_INPUTS
        num_cluster = cluster_inputs(none, config).shape[1] + near.NUM_CLUSTER_INPUTS
        self.track_standardisation = Standardisation(num_track)
        self.cluster_standardisation = Standardisation(num_cluster)
        self.track_encoder = Encoder(num_track, config.dim)
        self.cluster_encoder = Encoder(num_cluster, config.dim)
        self.trunk = make_trunk(config)
        self.track_heads = TypeHeads(config.dim + num_track, config.dim, TRACK_CLASSES)
        is_direct = config.head == "direct"
        self.cluster_heads = TypeHeads(
            config.dim + num_cluster, config.dim, CLUSTER_CLASSES, has_momentum=is_direct
        )
        self.sharing: SharingHead | None = None
        if not is_direct:
            self.sharing = SharingHead(config, config.dim + num_track, config.dim + num_cluster)

    def forward(self, batch: Batch) -> Output:
        """Predictions for every element of `batch`, in its order.

        An event's answer depends on its own elements only, not on their order.

        Raises DataError for an element that is neither a track nor a cluster.
        """
        order = tracks_first(batch.features, batch.event_index)
        if order is None:
            return self._forward(batch.features, batch.counts)
        output = self._forward(batch.features[order], batch.counts)
        return output.in_order(torch.argsort(order), order)

    def _forward(self, features: Tensor, counts: Sequence[int]) -> Output:
        rows = layout(features, counts)
        x, tracks, clusters = self._embed(features, rows)
        x = self.trunk(x, rows.events, self.distances(features, rows))
        # The heads see the inputs once more: a momentum is mostly a function of them.
        tracks = torch.cat([x[rows.track_rows], tracks], 1)
        clusters = torch.cat([x[rows.cluster_rows], clusters], 1)
        predictions = _interleave(rows, self.track_heads(tracks), self.cluster_heads(clusters))
        output = decode(predictions, features)
        if self.sharing is None:
            return output
        return self.sharing(output, tracks, clusters, features, rows)

    def represent(self, batch: Batch) -> Float[Tensor, "element dim"]:
        """What the trunk makes of every element of `batch`, in its order: all the heads see of
        its event. Raises what `forward` does.
        """
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._embed(features, rows)[0]
        x = self.trunk(x, rows.events, self.distances(features, rows))
        return x if order is None else x[torch.argsort(order)]

    def attention(self, batch: Batch) -> list[Float[Tensor, "layer head _ _"]]:
        """How much each element listens to each other one, for every event that is not empty:
        softmax weights, those that random features imply, or the adjacency of bins (one head).
        Raises what `forward` does.
        """
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._embed(features, rows)[0]
        of_layers = self.trunk.maps(x, rows.events, self.distances(features, rows))
        maps = [torch.stack(of_event) for of_event in zip(*of_layers, strict=True)]
        if order is None:
            return maps
        back = torch.argsort(order)
        places = [back[begin:end] - begin for begin, _, end in rows.events]
        return [m[:, :, p[:, None], p] for m, p in zip(maps, places, strict=True)]

    def _embed(self, features: Tensor, rows: Layout) -> tuple[Tensor, Tensor, Tensor]:
        """Embedded elements, and the standardised inputs of tracks and of clusters."""
        inputs = self.inputs(features, rows)
        tracks = self.track_standardisation(inputs.tracks)
        clusters = self.cluster_standardisation(inputs.clusters)
        x = _interleave(rows, self.track_encoder(tracks), self.cluster_encoder(clusters))
        return x, tracks, clusters

    @torch.no_grad()
    def inputs(self, features: Float[Tensor, "element feature"], rows: Layout) -> TypeInputs:
        """Inputs of the encoders before standardisation; a function of the features alone."""
        surroundings = near.neighbourhood(features, rows)
        tracks = track_inputs(features[rows.track_rows], self.config)
        clusters = cluster_inputs(features[rows.cluster_rows], self.config)
        return TypeInputs(
            torch.cat([tracks, surroundings.tracks], 1),
            torch.cat([clusters, surroundings.clusters], 1),
        )

    @torch.no_grad()
    def distances(
        self, features: Float[Tensor, "element feature"], rows: Layout
    ) -> list[Float[Tensor, "_ _"]] | None:
        """Distances within each event [mm], if the trunk needs them."""
        return near.event_distances(features, rows) if self.trunk.needs_distances else None

    @torch.no_grad()
    def fit_standardisation(self, batches: Iterable[Batch]) -> None:
        """Fit means and deviations of all inputs on `batches` of training data."""
        every = [self.inputs(b.features, layout(b.features, b.counts)) for b in batches]
        if every:
            self.track_standardisation.fit(torch.cat([x.tracks for x in every]))
            self.cluster_standardisation.fit(torch.cat([x.clusters for x in every]))

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _interleave(rows: Layout, of_tracks: Tensor, of_clusters: Tensor) -> Tensor:
    """Rows of tracks and of clusters, each back in its place among the elements."""
    values = torch.cat([of_tracks, of_clusters])
    place = torch.cat([rows.track_rows, rows.cluster_rows])
    return torch.empty_like(values).index_copy(0, place, values)
