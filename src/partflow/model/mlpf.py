"""The network: encoders for each element type, a backbone, a head.

Its cost is that of the backbone, quadratic (transformer) or linear (favor, gnn_lsh) in the number
of elements of an event, plus the inputs, which are near-linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.core.errors import ConfigError
from partflow.core.features import NUM_FEATURES
from partflow.dataset.batches import Batch
from partflow.model.config import ModelConfig
from partflow.model.embedding import Encoder, Standardisation
from partflow.model.heads import Output
from partflow.model.inputs import cluster_inputs, track_inputs
from partflow.model.layout import Layout, interleave, layout, tracks_first
from partflow.model.neighbourhood import (
    NUM_CLUSTER_INPUTS,
    NUM_TRACK_INPUTS,
    event_distances,
    neighbourhood,
)
from partflow.model.precision import float32_products
from partflow.model.registry import BACKBONE_REGISTRY, HEAD_REGISTRY, Registry


class TypeInputs(NamedTuple):
    """Inputs of the tracks and of the clusters of one batch."""

    tracks: Float[Tensor, "track input"]
    clusters: Float[Tensor, "cluster input"]


class MLPF(nn.Module):
    """Machine-learned particle flow over packed events.

    Each element type has its own encoder; the backbone between encoders and head is common to both.
    Backbone and head are those that the configuration names (`model.registry`,
    `model.protocols`).
    """

    def __init__(self, config: ModelConfig) -> None:
        """A network with initial weights from torch's generator.

        The head `auto` of a configuration is `direct`. Raises ConfigError for a backbone or head
        that cannot be loaded.
        """
        super().__init__()
        self.config = config = config.for_labels(config.elements, has_shares=False)
        none = torch.zeros(0, NUM_FEATURES)
        num_track = track_inputs(none, config).shape[1] + NUM_TRACK_INPUTS
        num_cluster = cluster_inputs(none, config).shape[1] + NUM_CLUSTER_INPUTS
        self.track_standardisation = Standardisation(num_track)
        self.cluster_standardisation = Standardisation(num_cluster)
        self.track_encoder = Encoder(num_track, config.dim)
        self.cluster_encoder = Encoder(num_cluster, config.dim)
        self.backbone = _make(BACKBONE_REGISTRY, config.backbone, config)
        sizes = config.dim + num_track, config.dim + num_cluster
        self.head = _make(HEAD_REGISTRY, config.head, config, *sizes)

    @property
    def shares_energy(self) -> bool:
        """Whether the head divides the energy of clusters; its output is a `SharingOutput`."""
        return bool(getattr(self.head, "shares_energy", False))

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
        x = self._mix(x, features, rows)
        # The head gets the inputs as well: the momentum is mostly a function of them.
        tracks = torch.cat([x[rows.track_rows], tracks], 1)
        clusters = torch.cat([x[rows.cluster_rows], clusters], 1)
        with float32_products(x.device):
            output: Output = self.head(tracks, clusters, features, rows)
        if self.config.predict_background and not output.background_logit.shape[1]:
            raise ConfigError(
                f"the head {self.config.head!r} does not predict background; set "
                "model.predict_background = false, or make its `TypeHeads` with `has_background`"
            )
        return output

    def _mix(self, x: Tensor, features: Tensor, rows: Layout) -> Float[Tensor, "element dim"]:
        """Output of the backbone; raises ConfigError where it has another shape than `x`."""
        if len(x) == 0:
            # Few layers allow a concatenation or mean over no events. In a training with several
            # processes one may have no event in a batch, and the others wait for its gradients:
            # here they are 0 for every weight.
            return x + 0.0 * sum(p.sum() for p in self.backbone.parameters())
        mixed: Tensor = self.backbone(x, *self._rows_and_distances(features, rows))
        if mixed.shape != x.shape:
            raise ConfigError(
                f"the backbone {self.config.backbone!r} returned {list(mixed.shape)} for elements "
                f"{list(x.shape)}; it must return one row of the same width for each element"
            )
        return mixed

    def _rows_and_distances(self, features: Tensor, rows: Layout) -> tuple[Any, ...]:
        """Arguments of the backbone after the elements; distances only if it needs them."""
        distances = self.distances(features, rows)
        return (rows.events,) if distances is None else (rows.events, distances)

    def represent(self, batch: Batch) -> Float[Tensor, "element dim"]:
        """Output of the backbone for every element of `batch`, in its order.

        It is all that the heads receive of the other elements of the event. Raises what `forward`
        does.
        """
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._mix(self._embed(features, rows)[0], features, rows)
        return x if order is None else x[torch.argsort(order)]

    def attention_weights(self, batch: Batch) -> list[Float[Tensor, "layer head _ _"]]:
        """Attention weights [layer, head, query, key] of every event that is not empty.

        They are softmax weights for the transformer, those that the random features imply for
        favor, and for gnn_lsh the adjacency in the bins, as one head. Raises what `forward` does,
        and ConfigError for a backbone without such weights.
        """
        if not hasattr(self.backbone, "attention_weights"):
            raise ConfigError(
                f"the backbone {self.config.backbone!r} has no attention weights; leave out "
                "--save-attention, or give it a method `attention_weights`"
            )
        order = tracks_first(batch.features, batch.event_index)
        features = batch.features if order is None else batch.features[order]
        rows = layout(features, batch.counts)
        x = self._embed(features, rows)[0]
        if len(x) == 0:
            return []
        arguments = self._rows_and_distances(features, rows)
        of_layers = self.backbone.attention_weights(x, *arguments)
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
        x = interleave(rows, self.track_encoder(tracks), self.cluster_encoder(clusters))
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
        needs_distances = getattr(self.backbone, "needs_distances", False)
        return event_distances(features, rows) if needs_distances else None

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


def _make(registry: Registry, name: str, *arguments: Any) -> Any:
    """The part of the network that `name` stands for, constructed from `arguments`."""
    part = registry.load(name)(*arguments)
    if not isinstance(part, nn.Module):
        raise ConfigError(
            f"model.{registry.part} = {name!r}: it makes a {type(part).__name__}, which is no "
            "torch.nn.Module; give a class of modules"
        )
    return part
