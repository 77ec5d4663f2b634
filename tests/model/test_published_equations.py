"""Networks of published MLPF v2.2.0 compared with their equations, written for one event as plain
loops. They have nothing in common with the package but the names of the tensors in a checkpoint.
"""

import math
from dataclasses import fields

import pytest
import torch
from torch.nn import functional as F

ACTIVATIONS = {
    "elu": F.elu,
    "relu": lambda x: x.clamp(min=0),
    "relu6": lambda x: x.clamp(0, 6),
    "leakyrelu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
}


class Equations:
    """The network with the tensors `state` and the arguments `kwargs`."""

    def __init__(self, state, kwargs):
        self.state, self.kwargs = state, kwargs
        self.act = ACTIVATIONS[kwargs["activation"]]
        self.types = kwargs["elemtypes_nonzero"]

    def predictions(self, features):
        """Binary logits, class logits and momentum of the elements of one event."""
        x_id = self.represent("id", features)
        x_reg = self.represent("reg", features)
        own = {"pt": 1, "eta": 2, "sin_phi": 3, "cos_phi": 4, "energy": 5}
        log_pt, eta, sin_phi, cos_phi, energy = (
            self.regress(name, x_reg, features, features[:, column : column + 1])
            for name, column in own.items()
        )
        pt = features[:, 1:2] * log_pt.exp()
        log_p = torch.log(torch.sqrt(pt**2 + (pt * eta.sinh()) ** 2) / features[:, 5:6])
        log_p[~log_p.isfinite()] = 0
        energy = log_p + energy.clamp(min=0)
        momentum = torch.cat([log_pt, eta, sin_phi, cos_phi, energy], 1)
        return self.ffn("nn_binary_particle", x_id), self.ffn("nn_pid", x_id), momentum

    def linear(self, name, x):
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, name, x, epsilon=1e-5):
        return F.layer_norm(
            x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"], epsilon
        )

    def ffn(self, name, x):
        return self.linear(
            f"{name}.4", self.norm(f"{name}.2", self.act(self.linear(f"{name}.0", x)))
        )

    def of_own_type(self, columns, features):
        """The column of each element's type, out of one column for each type."""
        rows = [columns[i, self.types.index(int(kind))] for i, kind in enumerate(features[:, 0])]
        return torch.stack(rows)[:, None]

    def represent(self, stack, features):
        k = self.kwargs
        if k["input_encoding"] == "joint":
            embedding = self.ffn(f"nn0_{stack}", features)
        else:
            rows = [
                self.ffn(f"nn0_{stack}.{self.types.index(int(row[0]))}", row[None])
                for row in features
            ]
            embedding = torch.cat(rows)
        x, outputs = embedding, []
        for number in range(k["num_convs"]):
            name = f"conv_{stack}.{number}"
            if k["conv_type"] == "attention":
                x = self.attention(name, x, embedding if number == k["num_convs"] - 1 else None)
            else:
                x = self.gnn(name, x)
            outputs.append(x)
        if k["learned_representation_mode"] == "concat":
            x = torch.cat(outputs, 1)
        return self.norm(f"final_norm_{stack}", x) if k.get("use_pre_layernorm") else x

    def attention(self, name, x, queries):
        x = self.norm(f"{name}.norm0", x)
        weight, bias = (self.state[f"{name}.mha.in_proj_{part}"] for part in ("weight", "bias"))
        q, k, v = (
            source @ w.T + b
            for source, w, b in zip(
                (x if queries is None else queries, x, x),
                weight.chunk(3),
                bias.chunk(3),
                strict=True,
            )
        )
        width, heads = self.kwargs["head_dim"], []
        for begin in range(0, q.shape[1], width):
            of_head = slice(begin, begin + width)
            weights = torch.softmax(q[:, of_head] @ k[:, of_head].T / math.sqrt(width), 1)
            heads.append(weights @ v[:, of_head])
        x = x + self.linear(f"{name}.mha.out_proj", torch.cat(heads, 1))
        y = self.act(self.linear(f"{name}.seq.0", self.norm(f"{name}.norm1", x)))
        return x + self.act(self.linear(f"{name}.seq.2", y))

    def gnn(self, name, x):
        k, num_elements = self.kwargs, len(x)
        size = k["bin_size"]
        num_bins = -(-num_elements // size)
        x = torch.cat([x, torch.zeros(num_bins * size - num_elements, x.shape[1])])
        if k["layernorm"]:
            x = self.norm(f"{name}.layernorm1", x, 1e-6)
        u, step = x, 3 if k.get("dropout_ff", 0) else 2
        places = [0, *range(2, 2 + step * (k["ffn_dist_num_layers"] - 1), step)]
        for place in [*places, 2 + step * (k["ffn_dist_num_layers"] - 1)]:
            u = F.elu(self.linear(f"{name}.ffn_dist.{place}", u))
        book = self.state[f"{name}.message_building_layer.codebook_random_rotations"]
        book = book[:, : max(1, num_bins // 2)]
        hashes = torch.cat([u @ book, -(u @ book)], 1).argmax(1)
        order = torch.argsort(hashes, stable=True)
        out = torch.empty_like(x)
        for rows in order.split(size):
            squares = u[rows].square().sum(1)
            squared = squares[:, None] - 2 * (u[rows] @ u[rows].T) + squares[None]
            adjacency = torch.exp(-0.1 * squared.clamp(1e-6, 1e6).sqrt())
            y = x[rows]
            for number in range(k["num_node_messages"]):
                message = f"{name}.message_passing_layers.{number}"
                w_t, b_t, w_h, theta = (
                    self.state[f"{message}.{part}"] for part in ("W_t", "b_t", "W_h", "theta")
                )
                gate = torch.sigmoid(y @ w_t + b_t)
                y = F.elu(gate * (adjacency @ (y @ theta)) + (1 - gate) * (y @ w_h))
            out[rows] = y
        return out[:num_elements]

    def regress(self, name, x, features, own):
        mode, network = self.kwargs[f"{name}_mode"], f"nn_{name}.nn"
        match mode:
            case "direct":
                return self.ffn(network, x)
            case "additive":
                return own + self.ffn(network, x)
            case "multiplicative":
                return own * self.ffn(network, x)
            case "linear":
                said = self.ffn(network, x)
                return own * said[:, :1] + said[:, 1:]
            case "direct-elemtype":
                return self.of_own_type(self.ffn(network, x), features)
            case "direct-elemtype-split":
                columns = [self.ffn(f"{network}.{i}", x) for i in range(len(self.types))]
                return self.of_own_type(torch.cat(columns, 1), features)
            case "linear-elemtype":
                slope, offset = (
                    self.of_own_type(self.ffn(f"nn_{name}.{part}", x), features)
                    for part in ("nn1", "nn2")
                )
                return own * slope + offset


MODES = ["direct", "additive", "multiplicative", "direct-elemtype", "direct-elemtype-split",
         "linear", "linear-elemtype"]  # fmt: skip
HEADS = ("pt", "eta", "sin_phi", "cos_phi", "energy")
COMMON_CHANGES = [
    {},
    {"input_encoding": "joint"},
    {"learned_representation_mode": "concat"},
    {"num_convs": 1},
    {"num_convs": 4},
    {"elemtypes_nonzero": [2, 1]},
    *({f"{head}_mode": mode for head in HEADS} for mode in MODES),
    *({"activation": name} for name in ("elu", "relu", "relu6", "leakyrelu", "gelu")),
]
OTHER_CHANGES = [
    ("attention", {"use_pre_layernorm": False}),
    ("attention", {"head_dim": 5, "num_heads": 1}),
    ("gnn_lsh", {"use_pre_layernorm": True}),
    ("gnn_lsh", {"layernorm": False}),
    ("gnn_lsh", {"max_num_bins": 5, "bin_size": 3}),
    ("gnn_lsh", {"ffn_dist_num_layers": 3, "dropout_ff": 0.2, "num_node_messages": 1}),
]
VARIANTS = [
    *((kind, change) for kind in ("attention", "gnn_lsh") for change in COMMON_CHANGES),
    *OTHER_CHANGES,
]


@pytest.mark.parametrize(("kind", "change"), VARIANTS)
def test_every_variant_agrees_with_its_equations(
    kind, change, published_kwargs, published_network, published_events, packed
):
    kwargs = published_kwargs[kind] | change
    model = published_network(kwargs)
    equations = Equations(model.state_dict(), kwargs)
    counts = [len(event) for event in published_events]
    with torch.inference_mode():
        output = model(packed(torch.cat(published_events), counts))
        parts = [equations.predictions(event) for event in published_events if len(event)]
    for f, of_events in zip(fields(output), zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(
            getattr(output, f.name), torch.cat(of_events), rtol=1e-5, atol=1e-5
        )
