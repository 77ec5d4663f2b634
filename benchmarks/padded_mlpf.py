"""The published network in its plain form: padded rectangles, everything for every element.

The reference of `benchmarks.model`, written from its equations. Parameters have the names of
`PublishedMLPF`, so one set of weights serves both.
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
        real = is_element[..., None]
        x = self.norm0(x * real)
        q = x if query is None else query * real
        attended, _ = self.mha(q, x, x, key_padding_mask=~is_element, need_weights=False)
        x = x + attended * real
        return (x + self.seq(self.norm1(x))) * real


class PerType(nn.Module):
    """Networks of all types for all elements, of which each keeps its own type's answer."""

    def __init__(self, num_types: int, num_outputs: int, dim: int) -> None:
        super().__init__()
        self.nn = nn.ModuleList(feed_forward(dim, num_outputs, dim) for _ in range(num_types))

    def forward(self, x: Tensor, is_type: Tensor) -> Tensor:
        return pick([network(x) for network in self.nn], is_type)


class Linear(nn.Module):
    """slope * the element's own value + offset."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.nn = feed_forward(dim, 2, dim)

    def forward(self, x: Tensor, own: Tensor) -> Tensor:
        said = self.nn(x)
        return own * said[..., :1] + said[..., 1:]


def pick(answers: list[Tensor], is_type: Tensor) -> Tensor:
    return (torch.stack(answers, -1) * is_type[..., None, :]).sum(-1)


class PaddedMLPF(nn.Module):
    """[event, element, feature] and which elements there are, to the two logits, the logits of
    the classes, and the momenta.
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
        embedding = pick([net(features) for net in getattr(self, f"nn0_{stack}")], is_type)
        layers, x = getattr(self, f"conv_{stack}"), embedding
        for number, layer in enumerate(layers, 1):
            x = layer(x, is_element, embedding if number == len(layers) else None)
        normed: Tensor = getattr(self, f"final_norm_{stack}")(x)
        return normed
