import numpy as np
import pytest

from partflow.core.hadron_scale import bin_sums, load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection
from partflow.core.schemas import HITS
from partflow.label import LabelConfig, label, perfect_candidates, sharing_candidates

PLACE, ASIDE = (0.0, 1500.0, 0.0), (600.0, 1500.0, 0.0)


def rows(shares):
    columns = (shares.cluster_element, shares.owner_element, shares.energy_em)
    return [(int(c), int(o), pytest.approx(float(e))) for c, o, e in zip(*columns, strict=True)]


def shares_of(truth, **options):
    return label(**truth.for_label_with_hits(), **options).shares


def test_shares_say_where_the_energy_of_each_cluster_should_go(event):
    """A pion with a track, a photon on its cluster, and energy of each in the other's."""
    deposits = [
        (0, 0, 3.0, *PLACE), (1, 0, 0.5, *PLACE), (1, 1, 4.0, *ASIDE), (0, 1, 0.25, *ASIDE),
    ]  # fmt: skip
    truth = event([(211, 5, 0, 0), (22, 0, 5, 0)], [(0, True)], deposits, 2)
    assert rows(shares_of(truth)) == [(1, 0, 3.0), (1, 2, 0.5), (2, 0, 0.25), (2, 2, 4.0)]


def test_energy_of_a_particle_without_target_has_no_owner(event):
    """Not visible: at most 5 % of its energy is in clusters."""
    deposits = [(0, 0, 8.0, *PLACE), (1, 0, 0.4, *PLACE)]
    truth = event([(22, 9, 0, 0), (130, 0, 20, 0)], [], deposits, 1)
    assert rows(shares_of(truth)) == [(0, -1, 0.4), (0, 0, 8.0)]


def test_a_merged_particle_counts_for_the_target_it_is_in(event):
    deposits = [(0, 0, 8.0, *PLACE), (1, 0, 1.5, *PLACE)]
    truth = event([(22, 9, 0, 0), (130, 0, 2, 0)], [], deposits, 1)
    assert rows(shares_of(truth)) == [(0, 0, 9.5)]


def test_secondary_tracks_of_a_conversion_own_their_clusters(event):
    tracks = [(0, False, 0.6, PLACE), (0, False, 0.4, ASIDE)]
    deposits = [(0, 0, 6.5, *PLACE), (0, 1, 3.5, *ASIDE)]
    truth = event([(22, 0, 10, 0)], tracks, deposits, 2)
    assert rows(shares_of(truth)) == [(2, 0, 6.5), (3, 1, 3.5)]
    config = LabelConfig(secondary_tracks="none")
    assert rows(shares_of(truth, config=config)) == [(2, 2, 6.5), (3, 2, 3.5)]


def test_a_hit_without_contributions_has_no_owner(event):
    truth = event([(22, 0, 5, 0)], [], [(0, 0, 4.0, *PLACE), (0, 0, 0.5, *PLACE)], 1)
    first = truth.contributions.select(np.array([True, False]))
    truth = truth._replace(contributions=first)
    assert rows(shares_of(truth)) == [(0, -1, 0.5), (0, 0, 4.0)]


def test_hits_are_divided_as_their_contributions_whatever_the_scale_of_these(event):
    """A full simulation counts contributions before calibration, and clusters after."""
    deposits = [(0, 0, 3.0, *PLACE), (1, 0, 1.0, *PLACE), (0, 0, 2.0, *PLACE)]
    truth = event([(22, 9, 0, 0), (211, 5, 0, 0)], [(1, True)], deposits, 1)
    truth.contributions.columns["hit_index"][:] = (0, 0, 1)
    truth.contributions.columns["energy_em"][:2] *= 0.1
    first = truth.hits.select(np.array([True, False, True]))
    first.columns["energy_em"][:] = (4.0, 2.0)
    truth.clusters.columns["energy_em"][:] = 6.6  # a tenth more than its hits
    clustered = truth.hit_clusters.select(np.array([True, False, True]))
    truth = truth._replace(hits=first, hit_clusters=clustered)
    assert rows(shares_of(truth)) == [(1, 0, 1.1), (1, 1, 5.5)]


def test_a_cluster_without_hits_has_no_owner(event):
    """Files without hits still hold the energies of clusters."""
    truth = event([(22, 9, 0, 0)], [], [(0, 0, 3.0, *PLACE)], 1)
    nothing = np.zeros(1, dtype=bool)
    bare = truth._replace(
        hits=truth.hits.select(nothing),
        hit_clusters=truth.hit_clusters.select(nothing),
        contributions=truth.contributions.select(nothing),
    )
    assert rows(shares_of(bare)) == [(0, -1, 3.0)]


@pytest.mark.parametrize("mode", ["none", "leading", "each"])
def test_shares_close_for_every_cluster_and_owner(random_event, join, mode):
    """Independently: per owner the energy of its target in clusters, per cluster its energy."""
    rng = np.random.default_rng(11)
    truth = join(*(random_event(rng) for _ in range(200)))
    result = label(**truth.for_label_with_hits(), config=LabelConfig(secondary_tracks=mode))
    shares, targets = result.shares, result.targets
    assert np.all(shares.energy_em > 0)
    cluster = targets.flat_index(shares.event_index, shares.cluster_element)
    total = np.bincount(cluster, shares.energy_em, len(targets))
    is_cluster = targets.index_in_event >= truth.tracks.counts[targets.event_index]
    assert total[is_cluster] == pytest.approx(truth.clusters.energy_em, rel=1e-5)
    assert np.all(total[~is_cluster] == 0)
    owner = targets.flat_index(shares.event_index, shares.owner_element)
    assert np.all(targets.pdg_id[owner[owner >= 0]] != 0)
    if mode == "none":
        # Without merges the element owns the clustered energy of its target.
        merged = targets.energy > np.where(
            targets.particle_index >= 0,
            truth.particles.energy[
                truth.particles.flat_index(targets.event_index, targets.particle_index)
            ],
            np.inf,
        ) * (1 + 1e-9)
        owned = np.bincount(owner[owner >= 0], shares.energy_em[owner >= 0], len(targets))
        assert owned[~merged] == pytest.approx(targets.gp_to_cluster[~merged], rel=1e-5)
    pairs = np.stack([cluster, owner], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_shares_without_hits_are_those_of_the_contributions(random_event, join):
    rng = np.random.default_rng(12)
    truth = join(*(random_event(rng) for _ in range(50)))
    with_hits, without = shares_of(truth), label(**truth.for_label()).shares
    assert len(with_hits) > 50
    assert np.array_equal(with_hits.owner_element, without.owner_element)
    assert with_hits.energy_em == pytest.approx(without.energy_em, rel=1e-6)


def shared(truth, **options):
    result = label(**truth.for_label_with_hits(), **options)
    return sharing_candidates(
        result.targets, result.shares, truth.tracks, truth.clusters, load_hadron_scale(CLIC)
    )


def test_perfect_sharing_has_tracks_and_the_true_part_of_every_cluster(event):
    """A neutral hadron is compensated as the shower that its parts of clusters make together."""
    deposits = [
        (0, 0, 3.0, *PLACE), (1, 0, 1.0, *PLACE), (1, 1, 4.0, *ASIDE), (2, 2, 2.0, *ASIDE),
        (0, 2, 1.0, *ASIDE),
    ]  # fmt: skip
    truth = event([(211, 5, 0, 0), (22, 0, 6, 0), (130, 0, 4, 0)], [(0, True)], deposits, 3)
    truth.tracks.columns["pt"][:] = 4.9
    found = shared(truth)
    assert found.pdg_id.tolist() == [211, 22, 130]
    assert found.pt[0] == pytest.approx(4.9)
    assert found.energy[1] == pytest.approx(5.0)
    # Two thirds of a cluster of hits of 2 and 1 GeV, which are of one bin.
    dense = bin_sums(np.array([2.0]), np.array([0]), np.array([0]), 1)
    assert found.energy[2] == pytest.approx(load_hadron_scale(CLIC).energy(dense)[0])
    assert found.pt[1:] == pytest.approx(found.energy[1:])  # across the beam, and no mass
    assert found.track_index.tolist() == [0, -1, -1]
    assert found.cluster_index.tolist() == [-1, 1, 2]


def test_perfect_sharing_points_to_the_mean_centroid_of_its_shares(event):
    deposits = [(0, 0, 3.0, *PLACE), (0, 1, 1.0, *ASIDE)]
    found = shared(event([(22, 0, 5, 0)], [], deposits, 2))
    assert found.phi == pytest.approx(np.arctan2([1500.0], [150.0]))


def test_perfect_sharing_is_perfect_where_every_particle_has_its_own_cluster(event):
    """Perfect particle flow and perfect sharing then measure the same."""
    deposits = [
        (0, 0, 3.0, *PLACE), (1, 1, 4.0, *ASIDE), (2, 2, 3.5, 0, 0, 2400), (2, 2, 0.2, 0, 9, 2420),
    ]  # fmt: skip
    truth = event([(211, 5, 0, 0), (22, 0, 6, 0), (130, 1, 1, 4)], [(0, True)], deposits, 3)
    sharing = shared(truth)
    perfect = perfect_candidates(**truth.for_perfect(), hadron_scale=load_hadron_scale(CLIC))
    for name in ("pdg_id", "pt", "phi", "energy", "track_index"):
        assert sharing.columns[name] == pytest.approx(perfect.columns[name])


def test_perfect_sharing_of_an_event_does_not_depend_on_other_events(random_event, join):
    rng = np.random.default_rng(13)
    truths = [random_event(rng) for _ in range(40)]
    together = shared(join(*truths))
    assert len(together) > 50
    for i, truth in enumerate(truths):
        alone = shared(truth)
        for name, values in alone.columns.items():
            assert np.array_equal(values, together[i : i + 1].columns[name])


def test_an_empty_event_has_no_shares(event):
    truth = event([])
    assert len(shares_of(truth)) == len(shared(truth)) == 0
    assert shares_of(truth).num_events == 1
    none = type(truth)(*(c[:0] for c in truth))
    assert shares_of(none).num_events == shared(none).num_events == 0
    assert isinstance(truth.hits, Collection)
    assert truth.hits.schema is HITS
