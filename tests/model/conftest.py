import numpy as np
import pytest
import torch

from partflow.dataset.batches import batch_of_elements
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.gnn_lsh import GnnLshConfig
from partflow.model.mlpf import MLPF

SIZES = ((12, 20), (0, 7), (9, 0), (0, 0), (1, 1), (20, 30))
"""Tracks and clusters of each event: none of either, none at all, one of each."""


@pytest.fixture(scope="session")
def events(toy_events):
    return toy_events(*np.transpose(SIZES), seed=4)


@pytest.fixture(scope="session")
def batch(events):
    return batch_of_elements(events.elements, events.event_id)


@pytest.fixture(scope="session")
def random_network(toy_events):
    """`random_network(**config)`: a network with random weights everywhere (the momentum heads
    begin at 0) and standardised inputs, ready for inference.
    """
    train = toy_events([10] * 40, [18] * 40, seed=6)

    def make(**config):
        with torch.random.fork_rng():
            torch.manual_seed(7)  # directions of hashes and features
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
