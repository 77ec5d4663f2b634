import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import ELEMENTS
from partflow.core.records import Collection
from partflow.core.schemas import CANDIDATES, SHARES
from partflow.dataset.batches import Batch
from partflow.infer.reconstruction import Reconstructor, reconstruct, reconstruct_with_shares
from partflow.model.config import ModelConfig, ReadoutConfig
from partflow.model.mlpf import MLPF

EVERYTHING = ReadoutConfig("threshold", threshold=0.0)


@pytest.fixture(scope="module")
def elements(learnable_events):
    """Events with and without tracks and clusters, and one without either."""
    return learnable_events([6, 0, 5, 0, 8], [9, 7, 0, 0, 12], seed=2).elements


@pytest.fixture(scope="module")
def model():
    """A network with random weights: the facts hold for any network."""
    network = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        # Both classes of a cluster are about equally probable, so that both occur.
        network.head.cluster_heads.identity[-1].weight[1:].mul_(10.0)
        network.head.cluster_heads.identity[-1].bias[1:] = 0.0
    return network


def changed(elements, **columns):
    return Collection(ELEMENTS, elements.offsets, {**elements.columns, **columns})


def momentum(candidates):
    return candidates.pt * np.cosh(candidates.eta)


def test_every_element_is_a_candidate_at_threshold_zero(model, elements):
    candidates = reconstruct(model, elements, EVERYTHING)
    assert candidates.counts.tolist() == elements.counts.tolist()
    is_track = candidates.track_index >= 0
    assert np.array_equal(is_track, elements.type == 1)
    assert np.array_equal(candidates.cluster_index >= 0, ~is_track)
    first = slice(0, 15)
    assert candidates.track_index[first].tolist() == [*range(6), *[-1] * 9]
    assert candidates.cluster_index[first].tolist() == [*[-1] * 6, *range(9)]


def test_a_track_keeps_its_momentum_and_has_the_energy_of_its_class(model, elements):
    candidates = reconstruct(model, elements, EVERYTHING)
    is_track = elements.type == 1
    phi = np.arctan2(elements.sin_phi, elements.cos_phi)
    for name, measured in (("pt", elements.pt), ("eta", elements.eta), ("phi", phi)):
        np.testing.assert_allclose(
            candidates.columns[name][is_track], measured[is_track], rtol=1e-6
        )
    mass = {211: 0.13957039, 11: 0.51099895e-3, 13: 0.1056583755}
    class_mass = np.array([mass[k] for k in candidates.pdg_id[is_track]])
    p = momentum(candidates)[is_track]
    np.testing.assert_allclose(candidates.energy[is_track], np.hypot(p, class_mass), rtol=1e-6)
    omega = elements.omega_or_num_hits[is_track]
    assert np.array_equal(candidates.charge[is_track], np.sign(omega))


def test_a_cluster_becomes_a_neutral_particle_with_energy_not_below_momentum(model, elements):
    candidates = reconstruct(model, elements, EVERYTHING)
    is_neutral = elements.type == 2
    assert set(candidates.pdg_id[is_neutral]) <= {22, 130}
    assert set(candidates.pdg_id[~is_neutral]) <= {211, 11, 13}
    assert np.all(candidates.charge[is_neutral] == 0)
    assert np.all(candidates.energy >= momentum(candidates) * (1 - 1e-12))
    is_photon = candidates.pdg_id == 22
    assert np.any(is_photon) and np.any(candidates.pdg_id == 130)
    np.testing.assert_allclose(candidates.energy[is_photon], momentum(candidates)[is_photon])


def test_the_threshold_keeps_the_elements_of_larger_probability(model, elements):
    everything = reconstruct(model, elements, EVERYTHING)
    threshold = float(np.median(everything.probability))
    kept = reconstruct(model, elements, ReadoutConfig("threshold", threshold))
    expected = everything.select(everything.probability >= threshold)
    assert 0 < len(kept) < len(everything)
    for name in CANDIDATES.names:
        np.testing.assert_array_equal(kept.columns[name], expected.columns[name])


def test_the_expectation_scales_clusters_by_their_probability_but_not_tracks(model, elements):
    whole = reconstruct(model, elements, EVERYTHING)
    scaled = reconstruct(model, elements, ReadoutConfig("expectation", 0.0, 0.0))
    factor = np.where(whole.cluster_index >= 0, whole.probability, 1.0)
    np.testing.assert_allclose(scaled.pt, whole.pt * factor)
    np.testing.assert_allclose(scaled.energy, whole.energy * factor)
    np.testing.assert_array_equal(scaled.eta, whole.eta)


def test_the_expectation_keeps_improbable_clusters_but_not_improbable_tracks(model, elements):
    whole = reconstruct(model, elements, EVERYTHING)
    scaled = reconstruct(model, elements, ReadoutConfig("expectation", 0.99, 1e-3))
    is_kept = np.where(whole.cluster_index >= 0, True, whole.probability >= 0.99)
    assert len(scaled) == int(is_kept.sum()) < len(whole)


def test_the_default_readout_is_that_of_the_model(model, elements):
    other = MLPF(replace(model.config, readout=EVERYTHING))
    other.load_state_dict(model.state_dict())
    assert len(reconstruct(other, elements)) == len(elements)


@pytest.mark.parametrize("batch_elements", [1, 16, 30, 10_000])
def test_candidates_do_not_depend_on_the_batches(model, elements, batch_elements):
    together = reconstruct(model, elements, EVERYTHING)
    in_batches = reconstruct(model, elements, EVERYTHING, batch_elements)
    assert np.array_equal(in_batches.offsets, together.offsets)
    for name in CANDIDATES.names:
        np.testing.assert_allclose(
            in_batches.columns[name], together.columns[name], rtol=1e-5, atol=1e-5
        )


def test_empty_events_and_no_events_give_no_candidates(model, elements):
    assert reconstruct(model, elements).counts[3] == 0
    for number in (0, 2):
        candidates = reconstruct(model, Collection.empty(ELEMENTS, number))
        assert candidates.num_events == number and len(candidates) == 0


def test_a_value_that_is_not_a_number_is_named_with_event_and_column(model, elements):
    eta = elements.eta.copy()
    eta[elements.offsets[4]] = np.nan
    with pytest.raises(DataError, match=r"event 4 .*elements\.eta is nan"):
        reconstruct(model, changed(elements, eta=eta))


def test_reconstruction_is_without_dropout_and_keeps_the_training_mode(elements):
    torch.manual_seed(1)
    network = MLPF(ModelConfig(dim=16, num_layers=2, num_heads=2, dropout=0.5)).train()
    first, second = (reconstruct(network, elements, EVERYTHING) for _ in range(2))
    assert np.array_equal(first.probability, second.probability)
    assert network.training


@pytest.fixture(scope="module")
def sharing_model():
    network = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2, head="sharing", num_owners=6))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network


@pytest.mark.parametrize("kind", ["threshold", "expectation"])
def test_the_shares_of_a_cluster_sum_to_its_energy_and_belong_to_candidates(
    sharing_model, elements, kind
):
    readout = ReadoutConfig(kind, threshold=0.5, min_probability=0.4)
    found, shares = reconstruct_with_shares(sharing_model, elements, readout)
    row = elements.flat_index(shares.event_index, shares.cluster_element)
    shared_energy = np.bincount(row, shares.energy_em, len(elements))
    np.testing.assert_allclose(
        shared_energy, np.where(elements.type == 2, elements.energy, 0), rtol=1e-6
    )
    assert np.all(np.diff(row) >= 0)
    owner = elements.flat_index(shares.event_index, shares.owner_element)[shares.owner_element >= 0]
    on_cluster = found.cluster_index >= 0
    num_tracks = np.bincount(elements.event_index, elements.type == 1, elements.num_events)
    in_event = np.where(
        on_cluster, num_tracks[found.event_index] + found.cluster_index, found.track_index
    )
    candidates = elements.flat_index(found.event_index, in_event.astype(int))
    assert set(owner) <= set(candidates)
    alone = reconstruct(sharing_model, elements, readout)
    for name in CANDIDATES.names:
        assert np.array_equal(found.columns[name], alone.columns[name])


def test_the_expectation_of_a_sharing_model_is_not_multiplied_by_probabilities(
    sharing_model, elements
):
    """Its momenta are expectations already."""
    whole = reconstruct(sharing_model, elements, ReadoutConfig("expectation", 0.0, 0.0))
    everything = reconstruct(sharing_model, elements, EVERYTHING)
    np.testing.assert_allclose(whole.pt, everything.pt)
    np.testing.assert_allclose(whole.energy, everything.energy)


@pytest.mark.parametrize("batch_elements", [1, 30])
def test_shares_do_not_depend_on_the_batches(sharing_model, elements, batch_elements):
    together = reconstruct_with_shares(sharing_model, elements, EVERYTHING).shares
    apart = reconstruct_with_shares(sharing_model, elements, EVERYTHING, batch_elements).shares
    assert np.array_equal(apart.offsets, together.offsets)
    for name in SHARES.names:
        np.testing.assert_allclose(apart.columns[name], together.columns[name], rtol=1e-5)


class OnMac(torch.Tensor):
    """Numbers as on the GPU of a Mac, which has no double precision."""

    def double(self):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


@pytest.mark.parametrize("of", ["model", "sharing_model"])
def test_double_precision_is_used_on_the_cpu_only(of, elements, request, monkeypatch):
    model = request.getfixturevalue(of)
    candidates = reconstruct(model, elements, EVERYTHING)

    def to(batch, device):
        is_model_device = isinstance(device, torch.device)
        return batch._with_tensors(lambda x: x.as_subclass(OnMac) if is_model_device else x.cpu())

    monkeypatch.setattr(Batch, "to", to)
    found = reconstruct(model, elements, EVERYTHING)
    for name in CANDIDATES.names:
        assert np.array_equal(found.columns[name], candidates.columns[name]), name


def test_empty_events_and_no_events_give_no_shares(sharing_model):
    for number in (0, 2):
        found, shares = reconstruct_with_shares(sharing_model, Collection.empty(ELEMENTS, number))
        assert len(found) == len(shares) == 0 and shares.num_events == number


def test_shares_of_a_model_without_a_sharing_head_are_refused(model, elements):
    with pytest.raises(ConfigError, match="'direct' shares no energy"):
        reconstruct_with_shares(model, elements)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_candidates_do_not_depend_on_the_number_of_threads(learnable_events, dtype):
    torch.manual_seed(0)
    network = MLPF(ModelConfig(dim=128, num_layers=2, num_heads=4, head="sharing"))
    many = learnable_events([6, 0, 5, 40, 8] * 4, [9, 7, 0, 60, 12] * 4, seed=3).elements
    results = []
    for threads in (1, 2, 5):
        with Reconstructor(
            network, EVERYTHING, batch_elements=50, threads=threads, dtype=dtype
        ) as reconstructor:
            results += [reconstructor.with_shares(many), reconstructor.with_shares(many)]
    first, *others = results
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert np.array_equal(a.offsets, b.offsets)
            for name, values in a.columns.items():
                assert values.tobytes() == b.columns[name].tobytes(), name


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_stream_gives_the_candidates_of_each_chunk_in_order(model, elements, threads):
    chunks = [elements[:2], elements[2:3], elements[3:], elements]
    with Reconstructor(model, EVERYTHING, threads=threads) as reconstructor:
        for chunk, streamed in zip(chunks, reconstructor.stream(iter(chunks)), strict=True):
            expected = reconstructor(chunk)
            assert set(streamed) == {"candidates"}
            assert np.array_equal(streamed["candidates"].offsets, expected.offsets)
            assert streamed["candidates"].pt.tobytes() == expected.pt.tobytes()


def test_a_reconstructor_leaves_the_threads_of_torch_and_the_mode_of_the_model(model, elements):
    model.train()
    before = torch.get_num_threads()
    with Reconstructor(model, threads=2) as reconstructor:
        reconstructor(elements)
        assert not model.training
    assert model.training and torch.get_num_threads() == before
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [before], "threads that start later have the number of before"


def test_fewer_than_one_thread_are_refused(model):
    with pytest.raises(ConfigError, match="--threads 0"):
        Reconstructor(model, threads=0)


def test_the_cut_on_background_leaves_the_other_candidates_as_they_are(elements):
    torch.manual_seed(3)
    config = ModelConfig(dim=16, num_layers=1, num_heads=2, head="sharing", predict_background=True)
    network = MLPF(config)
    everything = reconstruct(network, elements, EVERYTHING)
    parts = [
        reconstruct(network, elements, replace(EVERYTHING, max_background_probability=limit))
        for limit in (0.0, 0.5, 1.0)
    ]
    assert len(parts[0]) == 0 < len(parts[1]) < len(everything) == len(parts[2])
    rows = {tuple(row) for row in zip(*everything.columns.values(), strict=True)}
    assert all(tuple(row) in rows for row in zip(*parts[1].columns.values(), strict=True))


def test_a_network_that_does_not_predict_background_keeps_all_candidates(model, elements):
    readout = replace(EVERYTHING, max_background_probability=0.0)
    assert len(reconstruct(model, elements, readout)) == len(elements)
