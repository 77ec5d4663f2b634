import numpy as np
import pytest
import torch

from partflow.core.errors import DataError
from partflow.core.features import ELEMENTS
from partflow.core.records import Collection
from partflow.core.schemas import CANDIDATES
from partflow.dataset.batches import batch_of_elements
from partflow.infer.reconstruction import reconstruct
from partflow.model.config import ReadoutConfig
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF

CLASSES = np.array([0, 211, 130, 22, 11, 13])


@pytest.fixture(scope="module")
def elements(learnable_events):
    """Events with and without tracks and clusters, and one without either."""
    return learnable_events([6, 0, 5, 0, 8], [9, 7, 0, 0, 12], seed=2).elements


@pytest.fixture(scope="module")
def model():
    """A network with random weights: the facts hold for any network."""
    with torch.random.fork_rng():
        torch.manual_seed(8)
        network = PublishedMLPF(
            PublishedConfig(num_heads=2, head_dim=8, elemtypes_nonzero=(1, 2), activation="relu",
                            input_encoding="split", pt_mode="direct", eta_mode="additive",
                            sin_phi_mode="additive", cos_phi_mode="additive",
                            energy_mode="direct-elemtype-split")
        )  # fmt: skip
        with torch.no_grad():  # so that every class, and "no particle", occurs
            network.nn_pid[-1].weight.mul_(20.0)
            network.nn_binary_particle[-1].weight.mul_(20.0)
    return network.eval()


@pytest.fixture(scope="module")
def output(model, elements):
    with torch.inference_mode():
        return model(batch_of_elements(elements, np.arange(elements.num_events)))


def test_the_larger_logits_decide_whether_an_element_is_a_candidate_and_its_class(
    model, elements, output
):
    candidates = reconstruct(model, elements)
    pdg_class = CLASSES[output.class_logits.argmax(1).numpy()]
    is_candidate = (output.binary_logits.argmax(1).numpy() == 1) & (pdg_class != 0)
    assert 0 < is_candidate.sum() < len(elements), "some are, some are not"
    assert np.any((output.binary_logits.argmax(1).numpy() == 1) & (pdg_class == 0))
    np.testing.assert_array_equal(candidates.pdg_id, pdg_class[is_candidate])
    counts = np.bincount(elements.event_index[is_candidate], minlength=elements.num_events)
    np.testing.assert_array_equal(candidates.counts, counts)


def test_candidates_have_the_predicted_momentum_and_energy_also_on_tracks(model, elements, output):
    candidates = reconstruct(model, elements)
    binary, kind = output.binary_logits.argmax(1).numpy(), output.class_logits.argmax(1).numpy()
    rows = np.flatnonzero((binary == 1) & (kind != 0))
    momentum = output.momentum.double().numpy()[rows]
    assert np.any(candidates.track_index >= 0) and np.any(candidates.cluster_index >= 0)
    np.testing.assert_allclose(candidates.pt, elements.pt[rows] * np.exp(momentum[:, 0]))
    np.testing.assert_allclose(candidates.eta, momentum[:, 1])
    np.testing.assert_allclose(candidates.phi, np.arctan2(momentum[:, 2], momentum[:, 3]))
    np.testing.assert_allclose(candidates.energy, elements.energy[rows] * np.exp(momentum[:, 4]))


def test_only_candidates_of_a_charged_class_on_a_track_have_a_charge(model, elements):
    candidates = reconstruct(model, elements)
    has_track = candidates.track_index >= 0
    is_charged = has_track & np.isin(candidates.pdg_id, (211, 11, 13))
    assert np.array_equal(candidates.charge != 0, is_charged)


def test_a_published_network_can_be_read_out_with_a_threshold(model, elements):
    listed = reconstruct(model, elements, ReadoutConfig("threshold", 0.0))
    assert set(listed.pdg_id.tolist()) <= {211, 130, 22, 11, 13}, (
        "no particle is not a class of candidates"
    )
    is_track = listed.track_index >= 0
    measured = elements.pt[elements.type == 1]
    assert set(listed.pt[is_track]) <= set(measured.astype(float)), "tracks keep their momentum"


@pytest.mark.parametrize("batch_elements", [1, 16, 10_000])
def test_candidates_do_not_depend_on_the_batches(model, elements, batch_elements):
    together, in_batches = (
        reconstruct(model, elements),
        reconstruct(model, elements, None, batch_elements),
    )
    assert np.array_equal(in_batches.offsets, together.offsets)
    for name in CANDIDATES.names:
        np.testing.assert_allclose(
            in_batches.columns[name], together.columns[name], rtol=1e-5, atol=1e-5
        )


def test_empty_events_and_no_events_give_no_candidates(model):
    for number in (0, 2):
        candidates = reconstruct(model, Collection.empty(ELEMENTS, number))
        assert candidates.num_events == number and len(candidates) == 0


def test_an_element_of_another_type_is_refused(model, elements):
    columns = {**elements.columns, "type": np.full(len(elements), 3, "f4")}
    with pytest.raises(DataError, match=r"elements\.type = 3"):
        reconstruct(model, Collection(ELEMENTS, elements.offsets, columns))
