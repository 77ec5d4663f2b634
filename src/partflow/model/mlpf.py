"""The network: encoders for each element type, one backbone, heads for each element type.

Its cost is that of the backbone, quadratic (transformer) or linear (favor, gnn_lsh) in the number
of elements of an event, plus the inputs, which are near-linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.core.features import NUM_FEATURES
from partflow.dataset.batches import Batch
from partflow.model.backbones import make_backbone
from partflow.model.config import ModelConfig
from partflow.model.embedding import Encoder, Standardisation
from partflow.model.heads import CLUSTER_CLASSES, TRACK_CLASSES, Output, TypeHeads, decode
from partflow.model.inputs import cluster_inputs, track_inputs
from partflow.model.layout import Layout, layout, tracks_first
from partflow.model.neighbourhood import (
    NUM_CLUSTER_INPUTS,
    NUM_TRACK_INPUTS,
    event_distances,
    neighbourhood,
)
from partflow.model.precision import float32_products
from partflow.model.sharing import SharingHead


class TypeInputs(NamedTuple):
    """Inputs of the tracks and of the clusters of one batch."""

    tracks: Float[Tensor, "track input"]
    clusters: Float[Tensor, "cluster input"]


class MLPF(nn.Module):
    """Machine-learned particle flow over packed events.

    Each element type has its own encoder and heads; the backbone between them is common to both.
    The backbone is called `trunk` here, as in the names of stored weights.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        none = torch.zeros(0, NUM_FEATURES)
        num_track = track_inputs(none, config).shape[1] + NUM_TRACK_INPUTS
        num_cluster = cluster_inputs(none, config).shape[1] + NUM_CLUSTER_INPUTS
        self.track_standardisation = Standardisation(num_track)
        self.cluster_standardisation = Standardisation(num_cluster)
        self.track_encoder = Encoder(num_track, config.dim)
        self.cluster_encoder = Encoder(num_cluster, config.dim)
        self.trunk = make_backbone(config)
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

        Those for an event depend on its own elements only, and (except for gnn_lsh) not on their
        order.

        Raises DataError for an element that is neither a track nor a cluster.
        """
        order = tracks_first(batch.features, batch.event_index)
        if order is None:
            return self._forward(batch.features, batch.counts)
        output = self._forward(batch.features[order], batch.counts)
        return output.reordered(torch.argsort(order), order)

    def _forward(self, features: Tensor, counts: Sequence[int]) -> Output:
        """Predictions for elements of events in which tracks come first."""
        rows = layout(features, counts)
        x, tracks, clusters = self._embed(features, rows)
        x = self.trunk(x, rows.events, self.distances(features, rows))
        # The heads get the inputs as well: the momentum is mostly a function of them.
        tracks = torch.cat([x[rows.track_rows], tracks], 1)
        clusters = torch.cat([x[rows.cluster_rows], clusters], 1)
        with float32_products(x.device):
            predictions = _interleave(rows, self.track_heads(tracks), self.cluster_heads(clusters))
            output = decode(predictions, features)
            if self.sharing is None:
                return output
            return self.sharing(output, tracks, clusters, features, rows)

    def represent(self, batch: Batch) -> Float[Tensor, "element dim"]:
        """Output of the backbone for every element of `batch`, in its order.

        It is all that the heads receive of the other elements of the event. Raises what `forward`
        does.
        """
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._embed(features, rows)[0]
        x = self.trunk(x, rows.events, self.distances(features, rows))
        return x if order is None else x[torch.argsort(order)]

    def attention_weights(self, batch: Batch) -> list[Float[Tensor, "layer head _ _"]]:
        """Attention weights [layer, head, query, key] of every event that is not empty.

        They are softmax weights for the transformer, those that the random features imply for
        favor, and for gnn_lsh the adjacency in the bins, as one head. Raises what `forward` does.
        """
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._embed(features, rows)[0]
        of_layers = self.trunk.attention_weights(x, rows.events, self.distances(features, rows))
        of_events = [torch.stack(layers) for layers in zip(*of_layers, strict=True)]
        if order is None:
            return of_events
        inverse = torch.argsort(order)
        places = [inverse[begin:end] - begin for begin, _, end in rows.events]
        return [w[:, :, p[:, None], p] for w, p in zip(of_events, places, strict=True)]

    def _embed(self, features: Tensor, rows: Layout) -> tuple[Tensor, Tensor, Tensor]:
        """Encoded elements, and the standardised inputs of tracks and of clusters."""
        inputs = self.inputs(features, rows)
        tracks = self.track_standardisation(inputs.tracks)
        clusters = self.cluster_standardisation(inputs.clusters)
        x = _interleave(rows, self.track_encoder(tracks), self.cluster_encoder(clusters))
        return x, tracks, clusters

    @torch.no_grad()
    def inputs(self, features: Float[Tensor, "element feature"], rows: Layout) -> TypeInputs:
        """Inputs of the encoders before standardisation; they contain no weights."""
        neighbours = neighbourhood(features, rows)
        tracks = track_inputs(features[rows.track_rows], self.config)
        clusters = cluster_inputs(features[rows.cluster_rows], self.config)
        return TypeInputs(
            torch.cat([tracks, neighbours.tracks], 1),
            torch.cat([clusters, neighbours.clusters], 1),
        )

    @torch.no_grad()
    def distances(
        self, features: Float[Tensor, "element feature"], rows: Layout
    ) -> list[Float[Tensor, "_ _"]] | None:
        """Distances within each event [mm], if the backbone needs them."""
        return event_distances(features, rows) if self.trunk.needs_distances else None

    @torch.no_grad()
    def fit_standardisation(self, batches: Iterable[Batch]) -> None:
        """Set means and deviations of all inputs to those of `batches` of training data."""
        inputs = [self.inputs(b.features, layout(b.features, b.counts)) for b in batches]
        if inputs:
            self.track_standardisation.fit(torch.cat([x.tracks for x in inputs]))
            self.cluster_standardisation.fit(torch.cat([x.clusters for x in inputs]))

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _interleave(rows: Layout, of_tracks: Tensor, of_clusters: Tensor) -> Tensor:
    """Rows of tracks and of clusters as rows of the elements."""
    values = torch.cat([of_tracks, of_clusters])
    place = torch.cat([rows.track_rows, rows.cluster_rows])
    return torch.empty_like(values).index_copy(0, place, values)
