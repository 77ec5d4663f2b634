"""The network of published MLPF v2.2.0 in its simplest form: the reference of `benchmarks.model`.

Events are padded to rectangles, and every network runs on every element. It is written from the
equations. Parameters have the names of `PublishedMLPF`, so that one set of weights fits both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from partflow.model.published.config import PublishedConfig


def feed_forward(num_inputs: int, num_outputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(num_inputs, width),
        nn.ReLU(),
        nn.LayerNorm(width),
        nn.Dropout(0.0),
        nn.Linear(width, num_outputs),
    )


class Layer(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.mha = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.norm0, self.norm1 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.seq = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())

    def forward(self, x: Tensor, is_element: Tensor, query: Tensor | None) -> Tensor:
        present = is_element[..., None]
        x = self.norm0(x * present)
        q = x if query is None else query * present
        attended, _ = self.mha(q, x, x, key_padding_mask=~is_element, need_weights=False)
        x = x + attended * present
        return (x + self.seq(self.norm1(x))) * present


class PerType(nn.Module):
    """The networks of all types on all elements; each element keeps the output for its type."""

    def __init__(self, num_types: int, num_outputs: int, dim: int) -> None:
        super().__init__()
        self.nn = nn.ModuleList(feed_forward(dim, num_outputs, dim) for _ in range(num_types))

    def forward(self, x: Tensor, is_type: Tensor) -> Tensor:
        return select_type([network(x) for network in self.nn], is_type)


class Linear(nn.Module):
    """Slope * value of the element + offset."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.nn = feed_forward(dim, 2, dim)

    def forward(self, x: Tensor, value: Tensor) -> Tensor:
        outputs = self.nn(x)
        return value * outputs[..., :1] + outputs[..., 1:]


def select_type(outputs: list[Tensor], is_type: Tensor) -> Tensor:
    return (torch.stack(outputs, -1) * is_type[..., None, :]).sum(-1)


class PaddedMLPF(nn.Module):
    """From features [event, element, feature], and whether each row is an element, to the binary
    logits, the class logits and the momenta.
    """

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__()
        dim, self.types = config.dim, config.elemtypes_nonzero
        for stack in ("id", "reg"):
            encoders = (feed_forward(config.input_dim, dim, dim) for _ in self.types)
            setattr(self, f"nn0_{stack}", nn.ModuleList(encoders))
            layers = (Layer(dim, config.num_heads) for _ in range(config.num_convs))
            setattr(self, f"conv_{stack}", nn.ModuleList(layers))
            setattr(self, f"final_norm_{stack}", nn.LayerNorm(dim))
        self.nn_binary_particle = feed_forward(dim, 2, dim)
        self.nn_pid = feed_forward(dim, config.num_classes, dim)
        self.nn_pt, self.nn_energy = (PerType(len(self.types), 1, dim) for _ in range(2))
        self.nn_eta, self.nn_sin_phi, self.nn_cos_phi = (Linear(dim) for _ in range(3))

    def forward(self, features: Tensor, is_element: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        is_type = torch.stack([features[..., 0] == kind for kind in self.types], -1)
        x_id = self.represent("id", features, is_element, is_type)
        x_reg = self.represent("reg", features, is_element, is_type)
        log_pt = self.nn_pt(x_reg, is_type)
        eta = self.nn_eta(x_reg, features[..., 2:3])
        with torch.no_grad():
            pt = log_pt.exp() * features[..., 1:2]
            p = (pt.square() + (pt * eta.sinh()).square()).sqrt()
            massless = (p / features[..., 5:6]).log().nan_to_num(0.0, 0.0, 0.0)
        energy = massless * is_element[..., None] + F.relu(self.nn_energy(x_reg, is_type))
        sin_phi = self.nn_sin_phi(x_reg, features[..., 3:4])
        cos_phi = self.nn_cos_phi(x_reg, features[..., 4:5])
        momentum = torch.cat([log_pt, eta, sin_phi, cos_phi, energy], -1)
        return self.nn_binary_particle(x_id), self.nn_pid(x_id), momentum

    def represent(
        self, stack: str, features: Tensor, is_element: Tensor, is_type: Tensor
    ) -> Tensor:
        embedding = select_type([net(features) for net in getattr(self, f"nn0_{stack}")], is_type)
        layers, x = getattr(self, f"conv_{stack}"), embedding
        for number, layer in enumerate(layers, 1):
            x = layer(x, is_element, embedding if number == len(layers) else None)
        normed: Tensor = getattr(self, f"final_norm_{stack}")(x)
        return normed
