from dataclasses import replace

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError
from partflow.core.features import ELEMENTS, ClusterFeature
from partflow.core.records import Collection
from partflow.dataset.batches import Shares, batch_of_elements
from partflow.model.config import ModelConfig
from partflow.model.layout import layout
from partflow.model.mlpf import MLPF
from partflow.model.owners import UNASSIGNED, possible_owners
from partflow.model.sharing import UNASSIGNED_FLOOR, segment_log_softmax

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
SMALL = {"dim": 32, "num_layers": 2, "num_heads": 4, "head": "sharing", "num_owners": 9}


def with_random_weights(config, learnable_events):
    network = MLPF(config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))
    train = learnable_events([10] * 40, [18] * 40, seed=6)
    network.fit_standardisation([batch_of_elements(train.elements, train.event_id)])
    return network.eval()


NETWORKS = {
    "transformer": {},
    "favor": {"backbone": "favor"},
    "gnn_lsh": {"backbone": "gnn_lsh"},
    "rounds": {"sharing_rounds": 3},
}


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def sharing(request, learnable_events):
    return with_random_weights(ModelConfig(**SMALL, **request.param), learnable_events)


@pytest.fixture(scope="module")
def output(learnable_events, batch):
    with torch.no_grad():
        return with_random_weights(ModelConfig(**SMALL), learnable_events)(batch)


def share_table(output):
    """{(cluster, owner): share}, by row of the batch."""
    keys = zip(output.pairs.cluster.tolist(), output.pairs.owner.tolist(), strict=True)
    return dict(zip(keys, output.log_share.exp().tolist(), strict=True))


def shared_energy(output, batch):
    """Energy that each element owns, and energy of each cluster that is owned; by plain loops."""
    energy = batch.features[:, ClusterFeature.ENERGY].tolist()
    by_owner, by_cluster = np.zeros(len(batch) + 1), np.zeros(len(batch))
    for (cluster, owner), share in share_table(output).items():
        by_owner[owner] += share * energy[cluster]  # UNASSIGNED is the last row
        by_cluster[cluster] += share * energy[cluster]
    return by_owner, by_cluster


def changed(elements, **columns):
    return Collection(ELEMENTS, elements.offsets, {**elements.columns, **columns})


@pytest.mark.parametrize("weights", ["none", "some", "all"])
def test_the_shares_of_a_cluster_sum_to_one_for_any_list(output, batch, weights):
    generator = torch.Generator().manual_seed(2)
    weight = {
        "none": torch.zeros(len(batch)),
        "some": (torch.rand(len(batch), generator=generator) > 0.5).float(),
        "all": torch.ones(len(batch)),
    }[weights]
    energy = torch.where(batch.is_cluster, batch.features[:, ClusterFeature.ENERGY], 0.0)
    for shared in (output, output.listed(weight)):
        _, by_cluster = shared_energy(shared, batch)
        np.testing.assert_allclose(by_cluster, energy.numpy(), rtol=1e-5)


def test_unlisted_elements_own_nothing_and_the_others_keep_their_proportions(output, batch):
    weight = torch.ones(len(batch))
    weight[::3] = 0.0
    before, after = share_table(output), share_table(output.listed(weight))
    unlisted = [key for key in before if key[1] >= 0 and weight[key[1]] == 0]
    assert unlisted and all(after[key] < 1e-12 for key in unlisted)
    for cluster in {key[0] for key in before}:
        kept = [key for key in before if key[0] == cluster and key not in unlisted]
        total = sum(before[key] for key in kept) + UNASSIGNED_FLOOR
        for key in kept:
            extra = UNASSIGNED_FLOOR if key[1] == UNASSIGNED else 0.0
            assert after[key] == pytest.approx((before[key] + extra) / total, rel=1e-4)


def test_owners_are_elements_of_the_same_event_and_include_the_cluster_itself(output, batch):
    cluster, owner = output.pairs
    is_owned = owner >= 0
    assert torch.equal(batch.event_index[cluster[is_owned]], batch.event_index[owner[is_owned]])
    every = torch.nonzero(batch.is_cluster).flatten()
    assert torch.equal(cluster[cluster == owner].sort().values, every)
    assert torch.equal(cluster[owner == UNASSIGNED].sort().values, every)


def test_possible_owners_are_the_nearest_in_angle(batch):
    rows = layout(batch.features, batch.counts)
    pairs = possible_owners(batch.features, rows, 5)
    position = batch.features[:, 17:20].double().numpy()
    unit = position / np.linalg.norm(position, axis=1, keepdims=True)
    for cluster in rows.cluster_rows.tolist():
        owners = pairs.owner[pairs.cluster == cluster].tolist()
        same = np.flatnonzero(batch.event_index.numpy() == int(batch.event_index[cluster]))
        angle = np.linalg.norm(unit[same] - unit[cluster], axis=1)
        nearest = same[np.argsort(angle, kind="stable")[:5]]
        assert owners[0] == UNASSIGNED and len(owners) == 1 + min(5, len(same))
        # Clusters of these events are behind tracks at the same angle: the set may be a tie.
        assert np.sort(angle[np.isin(same, owners[1:])]) == pytest.approx(
            np.sort(np.linalg.norm(unit[nearest] - unit[cluster], axis=1)), abs=1e-6
        )


def test_clusters_at_the_same_position_may_each_own_themselves(learnable_events):
    elements = learnable_events([0], [30], seed=3).elements
    same = {
        n: np.full(len(elements), elements.columns[n][0]) for n in ("face_x", "face_y", "face_z")
    }
    batch = batch_of_elements(changed(elements, **same), np.arange(1))
    pairs = possible_owners(batch.features, layout(batch.features, batch.counts), 4)
    assert (pairs.cluster == pairs.owner).sum() == 30
    assert len(pairs.cluster) == 30 * 5


def test_a_particle_has_the_sum_of_the_shares_of_its_element(output, batch):
    """Without corrections it is the sum of the parts, on the energy scale of its class."""
    plain = replace(output.measurement, correction=ZeroCorrection())
    momenta = replace(output, measurement=plain).with_shares(output.log_share.exp())
    hadronic_over_em = float(batch.features[batch.is_cluster, 23].sum()) / float(
        batch.features[batch.is_cluster, ClusterFeature.ENERGY].sum()
    )
    by_owner, _ = shared_energy(output, batch)
    rows = torch.nonzero(batch.is_cluster).flatten()
    energy = batch.features[rows, ClusterFeature.ENERGY] * momenta.log_energy_ratio[rows].exp()
    scale = (
        output.measurement.photon_probability
        + (1 - output.measurement.photon_probability) * hadronic_over_em
    )
    np.testing.assert_allclose(energy, by_owner[rows] * scale.numpy(), rtol=1e-4, atol=1e-4)
    pt = batch.features[rows, ClusterFeature.ET] * momenta.log_pt_ratio[rows].exp()
    np.testing.assert_allclose(pt * torch.cosh(momenta.eta[rows]), energy, rtol=1e-4, atol=1e-4)


class ZeroCorrection(torch.nn.Module):
    def forward(self, x):
        return x.new_zeros(len(x), 4)


def test_a_particle_on_a_track_has_the_momentum_of_the_track(output, batch):
    again = output.with_shares(torch.rand_like(output.log_share))
    for name in ("log_pt_ratio", "eta", "log_energy_ratio"):
        before, after = getattr(output, name), getattr(again, name)
        assert torch.equal(before[batch.is_track], after[batch.is_track])
        assert not torch.equal(before[batch.is_cluster], after[batch.is_cluster])


def test_true_shares_are_assigned_to_their_pairs(output, batch):
    """Each cluster owns half of its energy, half is unassigned; then one owner is impossible."""
    rows = torch.nonzero(batch.is_cluster).flatten()
    energy = batch.features[rows, ClusterFeature.ENERGY]
    shares = Shares(
        torch.cat([rows, rows]),
        torch.cat([rows, torch.full_like(rows, UNASSIGNED)]),
        torch.cat([energy / 2, energy / 2]),
    )
    order = torch.randperm(len(shares.cluster), generator=torch.Generator().manual_seed(1))
    share = output.true_share(Shares(*(x[order] for x in shares)))
    cluster, owner = output.pairs
    expected = torch.where((owner == cluster) | (owner == UNASSIGNED), 0.5, 0.0)
    torch.testing.assert_close(share, expected)
    event = batch.event_index
    in_another_event = int(torch.nonzero(event != event[rows[0]]).flatten()[0])
    left_out = output.true_share(replace_owner(shares, 0, in_another_event))
    assert float(left_out.sum()) == pytest.approx(float(expected.sum()) - 0.5)


def replace_owner(shares, row, owner):
    owners = shares.owner.clone()
    owners[row] = owner
    return Shares(shares.cluster, owners, shares.energy_em)


def predicted(model, elements):
    with torch.no_grad():
        return model(batch_of_elements(elements, np.arange(elements.num_events)))


NAMES = ("is_particle_logit", "log_pt_ratio", "eta", "sin_phi", "cos_phi", "log_energy_ratio")


def test_an_event_has_the_same_shares_alone_and_in_any_batch(sharing, events):
    together = predicted(sharing, events.elements)
    for event in range(len(events)):
        alone = predicted(sharing, events.elements[event : event + 1])
        begin, end = events.elements.offsets[event : event + 2]
        inside = (together.pairs.cluster >= begin) & (together.pairs.cluster < end)
        torch.testing.assert_close(alone.log_share, together.log_share[inside], **TOLERANCE)
        assert torch.equal(alone.pairs.cluster + begin, together.pairs.cluster[inside])
        for name in NAMES:
            torch.testing.assert_close(
                getattr(alone, name), getattr(together, name)[begin:end], **TOLERANCE
            )


def test_elements_in_another_order_have_the_same_shares(learnable_events, events):
    """With all elements as owners: these events have ties, where the search takes any."""
    model = with_random_weights(ModelConfig(**{**SMALL, "num_owners": 60}), learnable_events)
    elements = events.elements
    order = np.lexsort((np.random.default_rng(0).uniform(size=len(elements)), elements.event_index))
    shuffled = changed(elements, **{n: v[order] for n, v in elements.columns.items()})
    before, after = predicted(model, elements), predicted(model, shuffled)
    for name in NAMES:
        torch.testing.assert_close(
            getattr(after, name), getattr(before, name)[torch.from_numpy(order)], **TOLERANCE
        )
    expected = share_table(before)
    for (cluster, owner), share in share_table(after).items():
        key = int(order[cluster]), int(order[owner]) if owner >= 0 else UNASSIGNED
        assert share == pytest.approx(expected[key], rel=1e-4, abs=1e-6)
    weight = torch.from_numpy((np.arange(len(order)) % 3 > 0).astype(np.float32))
    listed = before.listed(weight)
    again = after.listed(weight[torch.from_numpy(order)])
    for name in NAMES:
        torch.testing.assert_close(
            getattr(again, name), getattr(listed, name)[torch.from_numpy(order)], **TOLERANCE
        )


def test_every_parameter_of_the_head_has_a_gradient(batch):
    model = MLPF(ModelConfig(**SMALL, sharing_rounds=2))
    with torch.no_grad():  # both begin at 0, which would hide gradients behind them
        model.head.sharing.correction[-1].weight.fill_(0.1)
        model.head.sharing.rounds[0].score.weight.fill_(0.1)
    output = model(batch)
    total = (output.log_share * torch.rand_like(output.log_share)).sum()
    for name in NAMES:
        total = total + getattr(output, name).square().sum()
    total.backward()
    without_gradient = [
        name
        for name, p in model.head.sharing.named_parameters()
        if p.grad is None or not p.grad.abs().sum()
    ]
    assert without_gradient == []


def test_the_momentum_of_an_unlisted_cluster_has_a_gradient_to_its_weight(output, batch):
    """The loss of sums over the list can then add it."""
    weight = torch.zeros(len(batch), requires_grad=True)
    listed = output.listed(weight)
    pt = listed.log_pt_ratio.exp() * batch.features[:, ClusterFeature.ET]
    pt[batch.is_cluster].sum().backward()
    assert bool((weight.grad[batch.is_cluster] > 0).all())


def test_batches_without_clusters_have_no_shares(sharing, learnable_events):
    for number in (0, 3):
        output = predicted(sharing, Collection.empty(ELEMENTS, number))
        assert len(output.log_share) == 0 and len(output.is_particle_logit) == 0
    tracks = learnable_events([4, 0, 2], [0, 0, 0], seed=1).elements
    output = predicted(sharing, tracks)
    assert len(output.log_share) == 0 and len(output.log_pt_ratio) == 6
    with torch.no_grad():
        assert len(output.listed(torch.ones(6)).log_pt_ratio) == 6


def test_segments_are_normalised_for_logits_of_any_size():
    logit = torch.tensor([1e4, 1e4, -1e4, 3.0, 3.0, 3.0])
    segment = torch.tensor([0, 0, 0, 2, 2, 2])
    share = segment_log_softmax(logit, segment, 3).exp()
    torch.testing.assert_close(share, torch.tensor([0.5, 0.5, 0.0, *[1 / 3] * 3]))


def test_an_unknown_head_is_named():
    with pytest.raises(ConfigError, match=r"model\.head"):
        unchecked_head("fountain")


def unchecked_head(head):
    """As from a file: the type checker of the tests would refuse it earlier."""
    config = ModelConfig()
    object.__setattr__(config, "head", head)
    config.__post_init__()
