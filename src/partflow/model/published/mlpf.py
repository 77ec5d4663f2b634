"""The network of published MLPF v2.2.0: two encoders, two stacks of layers, seven heads.

Quadratic in the number of elements of an event with attention layers, linear with GNN-LSH layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from partflow.core.features import TrackFeature
from partflow.dataset.batches import Batch
from partflow.model.gnn_lsh import BinnedRows, GnnLshLayer
from partflow.model.precision import current
from partflow.model.published.attention import AttentionLayer
from partflow.model.published.config import PublishedConfig
from partflow.model.published.layers import (
    JointEncoder,
    RegressionHead,
    SplitEncoder,
    TypeRows,
    make_head,
)

CACHED_ELEMENTS = 1200
"""Elements that are processed together in inference on a CPU: their activations at the published
width fit into a cache of some ten megabytes (10 % faster than 5000 at a time). In bfloat16 it is
twice as many."""


@dataclass(frozen=True)
class PublishedOutput:
    """Predictions of a published network for each element."""

    binary_logits: Float[Tensor, "element 2"]
    """Logits of no particle and of a particle."""
    class_logits: Float[Tensor, "element kind"]
    """Logits of `core.particles.CLASSES`, including that of no particle."""
    momentum: Float[Tensor, "element 5"]
    """log(pt / element's pt), eta, sin phi, cos phi, log(E / element's energy); an element's
    energy is p for a track."""


class PublishedMLPF(nn.Module):
    """Published MLPF v2.2.0 (arXiv:2503.00131) on packed events.

    The predictions for an event do not depend on the other events of a batch. One stack of layers
    (`_id`) is for the class of an element, the other (`_reg`) for its momentum. Parameters are
    named as in published checkpoints.
    """

    shares_energy = False

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        self.config = config
        self.nn0_id, self.nn0_reg = _make_encoder(config), _make_encoder(config)
        self.conv_id = _make_stack(config, config.dropout_conv_id_mha, config.dropout_conv_id_ff)
        self.conv_reg = _make_stack(config, config.dropout_conv_reg_mha, config.dropout_conv_reg_ff)
        self.nn_binary_particle = make_head(config, 2)
        self.nn_pid = make_head(config, config.num_classes)
        self.nn_pt = RegressionHead(config, config.pt_mode)
        self.nn_eta = RegressionHead(config, config.eta_mode)
        self.nn_sin_phi = RegressionHead(config, config.sin_phi_mode)
        self.nn_cos_phi = RegressionHead(config, config.cos_phi_mode)
        self.nn_energy = RegressionHead(config, config.energy_mode)
        if config.use_pre_layernorm:
            self.final_norm_id = nn.LayerNorm(config.readout_dim)
            self.final_norm_reg = nn.LayerNorm(config.readout_dim)

    def forward(self, batch: Batch) -> PublishedOutput:
        """Predictions for every element of `batch`, in its order.

        Raises DataError for an element of a type that the network was not made for.
        """
        features = batch.features[:, : self.config.input_dim]
        if torch.is_grad_enabled() or features.device.type != "cpu":
            return self._forward(features, batch.counts)
        # In parts that fit into the cache: events do not depend on each other.
        is_float32 = current().dtype == torch.float32
        limit = CACHED_ELEMENTS if is_float32 else 2 * CACHED_ELEMENTS
        parts = []
        begin = 0
        for counts in _cut(batch.counts, limit):
            end = begin + sum(counts)
            parts.append(self._forward(features[begin:end], counts))
            begin = end
        if len(parts) == 1:
            return parts[0]
        names = [f.name for f in fields(PublishedOutput)]
        return PublishedOutput(*(torch.cat([getattr(p, name) for p in parts]) for name in names))

    def _forward(self, features: Tensor, counts: tuple[int, ...]) -> PublishedOutput:
        """Predictions for events with `counts` elements each, all at once."""
        types = TypeRows.of_elements(features, self.config.elemtypes_nonzero)
        x_id = self._representation(
            self.nn0_id(features, types), self.conv_id, counts, "final_norm_id"
        )
        x_reg = self._representation(
            self.nn0_reg(features, types), self.conv_reg, counts, "final_norm_reg"
        )
        return PublishedOutput(
            self.nn_binary_particle(x_id),
            self.nn_pid(x_id),
            self._momentum(x_reg, types, features),
        )

    def _representation(
        self, embedding: Tensor, stack: nn.ModuleList, counts: Sequence[int], norm: str
    ) -> Tensor:
        """Representation of each element by one of the stacks, for the heads."""
        binned = None
        if self.config.conv_type == "gnn_lsh":
            binned = BinnedRows.of_events(counts, self.config.gnn_lsh, embedding.device)
        x, outputs = embedding, []
        for layer in stack:
            x = layer(x, counts, embedding) if binned is None else layer(x, binned)
            outputs.append(x)
        if self.config.learned_representation_mode == "concat":
            x = torch.cat(outputs, 1)
        if self.config.use_pre_layernorm:
            x = getattr(self, norm)(x)
        return x

    def _momentum(self, x: Tensor, types: TypeRows, features: Tensor) -> Tensor:
        """`PublishedOutput.momentum` from the representation of the regression stack."""
        f = TrackFeature
        log_pt_ratio = self.nn_pt(x, types, features[:, f.PT])
        eta = self.nn_eta(x, types, features[:, f.ETA])
        sin_phi = self.nn_sin_phi(x, types, features[:, f.SIN_PHI])
        cos_phi = self.nn_cos_phi(x, types, features[:, f.COS_PHI])
        excess = F.relu(self.nn_energy(x, types, features[:, f.P]))
        log_energy_ratio = massless_log_energy(log_pt_ratio, eta, features) + excess
        return torch.stack([log_pt_ratio, eta, sin_phi, cos_phi, log_energy_ratio], 1)

    @property
    def num_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


@torch.no_grad()
def massless_log_energy(
    log_pt_ratio: Float[Tensor, " element"],
    eta: Float[Tensor, " element"],
    features: Float[Tensor, "element feature"],
) -> Float[Tensor, " element"]:
    """log(p / element's energy) with the predicted momentum p; 0 where it is not finite."""
    pt = log_pt_ratio.exp() * features[:, TrackFeature.PT]
    pz = pt * torch.sinh(eta)
    ratio = (pt.square() + pz.square()).sqrt() / features[:, TrackFeature.P]
    return torch.nan_to_num(ratio.log(), nan=0.0, posinf=0.0, neginf=0.0)


def _cut(counts: tuple[int, ...], limit: int) -> Iterator[tuple[int, ...]]:
    """`counts` in parts of consecutive events with at most `limit` elements, or of one event."""
    begin, size = 0, 0
    for event, count in enumerate(counts):
        if size + count > limit and event > begin:
            yield counts[begin:event]
            begin, size = event, 0
        size += count
    yield counts[begin:]


def _make_encoder(config: PublishedConfig) -> SplitEncoder | JointEncoder:
    """The encoder of one stack."""
    return SplitEncoder(config) if config.input_encoding == "split" else JointEncoder(config)


def _make_stack(config: PublishedConfig, dropout_attention: float, dropout: float) -> nn.ModuleList:
    """The layers of one stack."""
    if config.conv_type == "gnn_lsh":
        return nn.ModuleList(
            GnnLshLayer(config.dim, config.gnn_lsh) for _ in range(config.num_convs)
        )
    last = config.num_convs - 1
    return nn.ModuleList(
        AttentionLayer(
            config.dim,
            config.num_heads,
            config.activation,
            dropout_attention,
            dropout,
            queries_from_embedding=layer == last,
        )
        for layer in range(config.num_convs)
    )
