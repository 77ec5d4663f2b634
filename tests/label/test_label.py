import json

import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.core.features import build_elements
from partflow.core.jets import JetDefinition
from partflow.label import LabelConfig, LabelReport, label

PLACE = (1.0, 1.0, 1.0)


def energies(collection):
    return np.bincount(collection.event_index, collection.energy, collection.num_events)


def test_merges_into_one_particle_accumulate(event):
    particles = [(22, 9, 0, 0), (22, 0, 2, 0), (22, 0, 0, 1)]
    deposits = [(0, 0, 8.0, *PLACE), (1, 0, 1.0, *PLACE), (2, 0, 0.5, *PLACE)]
    result = label(**event(particles, [], deposits, 1).for_label())
    targets = result.targets
    assert targets.energy.tolist() == [12.0]
    assert targets.pt[0] == pytest.approx(np.hypot(9, 2))
    assert targets.eta[0] == pytest.approx(np.arcsinh(1 / np.hypot(9, 2)))
    assert np.arctan2(targets.sin_phi, targets.cos_phi)[0] == pytest.approx(np.arctan2(2, 9))
    assert result.report.merged.number == 2
    assert result.report.merged.energy == pytest.approx(3.0)


def test_targets_are_parallel_to_the_elements(random_event, join):
    rng = np.random.default_rng(2)
    truth = join(*(random_event(rng) for _ in range(50)))
    targets = label(**truth.for_label()).targets
    elements = build_elements(truth.tracks, truth.clusters)
    assert np.array_equal(targets.offsets, elements.offsets)
    on_track = (elements.type == 1) & (targets.pdg_id != 0)
    assert np.all(np.isin(targets.pdg_id[on_track], (211, 11, 13)))
    assert np.all(targets.charge[on_track] != 0)
    on_cluster = (elements.type == 2) & (targets.pdg_id != 0)
    assert np.all(np.isin(targets.pdg_id[on_cluster], (130, 22)))
    assert np.all(targets.charge[on_cluster] == 0)
    assert on_track.sum() > 20
    assert on_cluster.sum() > 20


def test_a_target_without_merges_is_the_particle(event):
    truth = event([(22, 0, 7, 1), (-13, 3, 4, 12)], [(1, True)], [(0, 0, 6.0, *PLACE)], 1)
    targets = label(**truth.for_label()).targets
    assert targets.pdg_id.tolist() == [13, 22]
    assert targets.charge.tolist() == [1, 0]
    assert targets.particle_index.tolist() == [1, 0]
    assert targets.pt == pytest.approx(np.array([5.0, 7.0]))
    assert targets.energy == pytest.approx(truth.particles.energy[::-1])
    assert targets.eta == pytest.approx(np.arcsinh([12 / 5, 1 / 7]))
    assert targets.gp_to_track.tolist() == [1, 0]
    assert targets.gp_to_cluster.tolist() == [0, 6]
    assert targets.generator_status.tolist() == [1, 1]


def test_a_charged_hadron_on_a_cluster_is_a_neutral_one_and_an_electron_a_photon(event):
    deposits = [(0, 0, 4.0, *PLACE), (1, 1, 4.0, *PLACE), (2, 2, 4.0, *PLACE)]
    truth = event([(211, 5, 0, 0), (11, 0, 5, 0), (13, 0, 0, 5)], [], deposits, 3)
    targets = label(**truth.for_label()).targets
    assert targets.pdg_id.tolist() == [130, 22, 130]
    assert targets.charge.tolist() == [0, 0, 0]


def test_a_neutral_particle_on_a_track_is_a_charged_hadron_with_the_charge_of_the_track(event):
    truth = event([(22, 5, 0, 0), (130, 0, 5, 0)], [(0, True), (1, True)])
    truth.tracks.columns["charge"][:] = (1, -1)
    targets = label(**truth.for_label()).targets
    assert targets.pdg_id.tolist() == [211, 211]
    assert targets.charge.tolist() == [1, -1]


def test_an_element_without_particle_has_a_target_of_zeros(event):
    truth = event([(211, 5, 0, 0)], [(0, True)], [(0, 0, 4.0, *PLACE)], 1)
    targets = label(**truth.for_label()).targets
    for name, values in targets.columns.items():
        assert values[1] == (-1 if name in ("jet_index", "particle_index") else 0)


def test_target_energy_is_visible_energy_in_every_event(random_event, join):
    rng = np.random.default_rng(3)
    truths = [random_event(rng) for _ in range(200)]
    result = label(**join(*truths).for_label(), config=LabelConfig(secondary_tracks="none"))
    expected = []
    for truth in truths:  # the definition, spelled out for one event at a time
        p, in_clusters = truth.particles, truth.hit_clusters.cluster_index >= 0
        clustered = np.bincount(
            truth.contributions.particle_index[in_clusters],
            truth.contributions.energy_em[in_clusters],
            len(p),
        )
        primary = truth.track_particles.is_primary == 1
        has_track = np.isin(np.arange(len(p)), truth.track_particles.particle_index[primary])
        visible = (has_track | (clustered > 0.05 * p.energy)) & (np.abs(p.pdg_id) != 12)
        expected.append(p.energy[visible].sum())
    assert energies(result.targets) == pytest.approx(np.array(expected), rel=1e-9)
    assert result.report.visible_without_cluster.number == 0


def test_an_event_whose_energy_does_not_close_is_named(event, join):
    good = event([(211, 5, 0, 0)], [(0, True)])
    bad = event([(211, 5, 0, 0)], [(0, True)])
    bad.particles.columns["energy"][0] = np.nan
    with pytest.raises(DataError, match=r"event 42: targets hold nan GeV"):
        label(**join(good, bad).for_label(), event_id=np.array([7, 42]))


def test_tracks_and_their_truth_must_belong_together(event):
    truth = event([(211, 5, 0, 0)], [(0, True)])._replace(
        track_particles=event([(211, 5, 0, 0)]).track_particles
    )
    with pytest.raises(DataError, match="0 rows for 1 tracks"):
        label(**truth.for_label())


def test_jet_index_names_the_jet_a_target_is_in(random_event, join):
    rng = np.random.default_rng(4)
    result = label(**join(*(random_event(rng) for _ in range(100))).for_label())
    targets, jets = result.targets, result.target_jets
    in_jet = targets.jet_index >= 0
    jet = targets.event_index, targets.jet_index
    row = jets.flat_index(*jet)[in_jet]
    px = np.bincount(row, (targets.pt * targets.cos_phi)[in_jet], len(jets))
    py = np.bincount(row, (targets.pt * targets.sin_phi)[in_jet], len(jets))
    assert len(jets) > 50
    assert np.hypot(px, py) == pytest.approx(jets.pt)
    assert np.bincount(row, targets.energy[in_jet], len(jets)) == pytest.approx(jets.energy)
    assert np.all(targets.jet_index[targets.pdg_id == 0] == -1)


def test_jet_index_is_right_when_the_first_element_has_no_target(event):
    """The published labels are shifted by one in this case."""
    particles = [(211, 20, 0, 0), (22, -9, 0, 0)]
    truth = event(particles, [(0, False), (0, True)], [(1, 0, 8.0, *PLACE)], 1)
    assert label(**truth.for_label()).targets.jet_index.tolist() == [-1, 0, 1]


def test_gen_jets_and_gen_met_leave_the_neutrinos_out(event):
    truth = event([(211, 30, 0, 0), (12, -80, 0, 0), (22, 0, 10, 0)])
    result = label(**truth.for_label())
    assert result.gen_jets.pt == pytest.approx(np.array([30.0, 10.0]))
    assert (result.gen_met.px.tolist(), result.gen_met.py.tolist()) == ([30.0], [10.0])
    assert np.all(result.gen_jets.pt > JetDefinition().min_pt)


def test_gen_met_has_one_row_for_every_event(event, join):
    result = label(**join(event([]), event([(211, 3, 4, 0)]), event([])).for_label())
    assert result.gen_met.counts.tolist() == [1, 1, 1]
    assert result.gen_met.px.tolist() == [0, 3, 0]


def test_an_event_is_labelled_alike_alone_and_with_others(random_event, join):
    rng = np.random.default_rng(5)
    truths = [random_event(rng) for _ in range(40)]
    together = label(**join(*truths).for_label())
    for i, truth in enumerate(truths):
        alone = label(**truth.for_label())
        for name in ("targets", "gen_jets", "target_jets", "gen_met", "shares"):
            there = getattr(together, name)[i : i + 1]
            for column, values in getattr(alone, name).columns.items():
                assert np.array_equal(values, there.columns[column]), (i, name, column)


def test_an_empty_event_has_no_labels(event):
    for number in (0, 1):
        empty = type(event([]))(*(c[:number] for c in event([])))
        result = label(**empty.for_label())
        assert result.targets.num_events == result.target_jets.num_events == number
        assert len(result.targets) == len(result.gen_jets) == len(result.target_jets) == 0
        assert result.shares.num_events == number
        assert len(result.shares) == 0
        assert len(result.gen_met) == result.report.num_events == number


@pytest.mark.parametrize("missing", ["tracks", "clusters"])
def test_an_event_without_tracks_or_without_clusters_is_labelled(event, missing):
    if missing == "tracks":
        truth = event([(211, 5, 0, 0)], [], [(0, 0, 4.0, *PLACE)], 1)
    else:
        truth = event([(211, 5, 0, 0)], [(0, True)])
    targets = label(**truth.for_label()).targets
    assert targets.energy == pytest.approx(truth.particles.energy)


def test_the_report_accounts_for_every_particle_and_adds_up_over_chunks(random_event, join):
    rng = np.random.default_rng(6)
    truths = [random_event(rng) for _ in range(30)]
    total = label(**join(*truths).for_label()).report
    parts = sum((label(**truth.for_label()).report for truth in truths), LabelReport())
    particles = join(*truths).particles
    is_seen = np.abs(particles.pdg_id) != 12
    fates = ("on_tracks", "on_clusters", "merged", "not_visible", "visible_without_cluster")
    assert total.on_tracks_of_secondaries.number > 10
    num_further = sum(getattr(total, fate).number for fate in fates) - is_seen.sum()
    assert 0 < num_further <= total.on_tracks_of_secondaries.number
    assert sum(getattr(total, fate).energy for fate in fates) == pytest.approx(
        particles.energy[is_seen].sum()
    )
    written, added = json.loads(json.dumps(total.to_dict())), parts.to_dict()
    assert written["num_events"] == 30
    for fate in fates:
        assert written[fate]["number"] == added[fate]["number"]
        assert written[fate]["energy"] == pytest.approx(added[fate]["energy"])
    free = total.tracks_without_target.number
    assert free == len(join(*truths).tracks) - total.on_tracks.number


def test_without_jets_the_targets_are_the_same(random_event):
    for seed in range(10):
        arguments = random_event(np.random.default_rng(seed)).for_label()
        whole, bare = label(**arguments), label(**arguments, with_jets=False)
        for name, column in whole.targets.columns.items():
            if name != "jet_index":
                np.testing.assert_array_equal(bare.targets.columns[name], column)
        assert np.all(bare.targets.jet_index == -1)
        assert len(bare.gen_jets) == len(bare.target_jets) == 0
        assert bare.gen_jets.num_events == whole.gen_jets.num_events
        np.testing.assert_array_equal(bare.gen_met.px, whole.gen_met.px)
