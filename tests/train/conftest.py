import pytest
import torch

from partflow.core.provenance import Provenance
from partflow.dataset.columns import TargetColumn
from partflow.dataset.loader import read_batch
from partflow.dataset.mixture import Mixture
from partflow.dataset.packing import pack
from partflow.model.config import ModelConfig
from partflow.model.heads import Output


@pytest.fixture(scope="session")
def toy_events(learnable_events):
    """120 toy events, among them one without elements, one without tracks or clusters each."""
    num_tracks = [0, 0, 5] + [3 + i % 5 for i in range(117)]
    num_clusters = [0, 6, 0] + [6 + i % 7 for i in range(117)]
    return learnable_events(num_tracks, num_clusters, seed=9)


@pytest.fixture(scope="session")
def dataset(toy_events, tmp_path_factory):
    """The toy events, packed."""
    return pack(
        [toy_events],
        tmp_path_factory.mktemp("toy") / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )


@pytest.fixture(scope="session")
def mixture(dataset):
    """The toy events as the only source of a training."""
    return Mixture.open([dataset.folder])


@pytest.fixture(scope="session")
def labelled_batch(dataset):
    """The smallest 300 elements in one batch."""
    mixture = Mixture.of({"toy": dataset}, validation_fraction=0.0)
    everything = mixture.ordered(0, mixture.sources[0].training, 300)
    return read_batch(mixture, everything[0])


@pytest.fixture(scope="session")
def model_config():
    return ModelConfig(dim=16, num_layers=1, num_heads=2, dropout=0.1)


@pytest.fixture(scope="session")
def perfect_output():
    return _perfect_output


def _perfect_output(batch):
    """Output of a perfect network: the targets, with certainty."""
    column, targets, features = TargetColumn, batch.targets, batch.features
    has_target = targets[:, column.CLASS] > 0
    kind = targets[:, column.CLASS].long().clamp(min=1) - 1

    def ratio(value, reference):
        return torch.where(has_target, (value / reference).log(), 0.0)

    return Output(
        is_particle_logit=torch.where(has_target, 60.0, -60.0),
        class_logits=60.0 * torch.nn.functional.one_hot(kind, 5).float(),
        log_pt_ratio=ratio(targets[:, column.PT], features[:, 1]),
        eta=targets[:, column.ETA],
        sin_phi=targets[:, column.SIN_PHI],
        cos_phi=targets[:, column.COS_PHI],
        log_energy_ratio=ratio(targets[:, column.ENERGY], features[:, 5]),
        background_logit=torch.zeros(len(batch), 0),
    )
