import numpy as np
import pytest
import torch

from partflow.dataset.batches import Batch, batch_of_elements
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.gnn_lsh import GnnLshConfig
from partflow.model.mlpf import MLPF
from partflow.model.published.config import PUBLISHED_FEATURES, PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF

SIZES = ((12, 20), (0, 7), (9, 0), (0, 0), (1, 1), (20, 30))
"""Tracks and clusters of each event; some events lack one of them, or both."""


@pytest.fixture(scope="session")
def events(learnable_events):
    return learnable_events(*np.transpose(SIZES), seed=4)


@pytest.fixture(scope="session")
def batch(events):
    return batch_of_elements(events.elements, events.event_id)


@pytest.fixture(scope="session")
def random_network(learnable_events):
    """`random_network(**config)`: a network in which all weights are random (momentum heads begin
    at 0 otherwise), with standardised inputs, ready for inference.
    """
    train = learnable_events([10] * 40, [18] * 40, seed=6)

    def make(**config):
        with torch.random.fork_rng():
            torch.manual_seed(7)  # for the directions of hashes and random features
            network = MLPF(ModelConfig(**{"dim": 32, "num_layers": 2, "num_heads": 4, **config}))
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
        network.fit_standardisation([batch_of_elements(train.elements, train.event_id)])
        return network.eval()

    return make


@pytest.fixture(scope="session")
def model(random_network):
    return random_network()


@pytest.fixture(scope="session", params=BACKBONES)
def model_of_any_backbone(request, random_network):
    return random_network(
        backbone=request.param, gnn_lsh=GnnLshConfig(bin_size=8, layer_norm=False)
    )


PUBLISHED_ATTENTION = {
    "input_dim": 17, "num_classes": 6, "input_encoding": "split",
    "pt_mode": "direct-elemtype-split",
    "energy_mode": "direct-elemtype-split", "eta_mode": "linear", "sin_phi_mode": "linear",
    "cos_phi_mode": "linear", "elemtypes_nonzero": [1, 2], "learned_representation_mode": "last",
    "conv_type": "attention", "num_convs": 2, "head_dim": 6, "num_heads": 3,
    "activation": "relu", "attention_type": "math", "use_pre_layernorm": True,
}  # fmt: skip
PUBLISHED_GNN_LSH = {
    **{name: PUBLISHED_ATTENTION[name] for name in list(PUBLISHED_ATTENTION)[:10]},
    "conv_type": "gnn_lsh", "embedding_dim": 14, "width": 18, "num_convs": 2, "activation": "elu",
    "bin_size": 8, "max_num_bins": 200, "distance_dim": 6, "layernorm": True,
    "num_node_messages": 2, "ffn_dist_hidden_dim": 10, "ffn_dist_num_layers": 2,
}  # fmt: skip
PUBLISHED_COUNTS = (13, 0, 40, 1, 27)


@pytest.fixture(scope="session")
def published_kwargs():
    """Arguments of a small network of published MLPF v2.2.0 with each type of layers."""
    return {"attention": PUBLISHED_ATTENTION, "gnn_lsh": PUBLISHED_GNN_LSH}


@pytest.fixture(scope="session")
def published_network():
    return _published_network


def _published_network(kwargs):
    """A network with random biases and norms as well: norms of ones would hide a missing norm."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = PublishedMLPF(PublishedConfig.from_kwargs(kwargs))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.ndim == 1:
                    parameter.copy_(0.3 * torch.randn_like(parameter))
                    if "norm" in name or name.endswith("2.weight"):
                        parameter.add_(1.0)
    return model.eval()


@pytest.fixture(scope="session")
def packed():
    return _packed


def _packed(features, counts):
    """A batch of events with `counts` elements each."""
    counts = np.asarray(counts, dtype=np.int64)
    return Batch(
        event_id=torch.arange(len(counts)),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])),
        features=features,
        event_index=torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
        counts=tuple(counts.tolist()),
    )


@pytest.fixture(scope="session")
def published_events():
    """Features of the elements of several events, of realistic sizes; one element has no momentum,
    one event has no elements.
    """
    rng = np.random.default_rng(5)
    x = rng.normal(size=(sum(PUBLISHED_COUNTS), len(PUBLISHED_FEATURES)))
    x[:, 0] = rng.integers(1, 3, len(x))
    x[:, 1] = np.exp(x[:, 1])
    x[:, 5] = x[:, 1] * np.cosh(x[:, 2])
    x[:, 3:5] /= np.hypot(x[:, 3], x[:, 4])[:, None]
    x[4, 1] = x[4, 5] = 0.0
    return torch.from_numpy(x.astype("f4")).split(PUBLISHED_COUNTS)
