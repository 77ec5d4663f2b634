"""Whole events through the rule-based particle flow."""

import math
from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import MUON
from partflow.core.errors import DataError
from partflow.core.known_detectors import CLIC
from partflow.core.particles import CHARGED_HADRON, ELECTRON, NEUTRAL_HADRON, PHOTON
from partflow.core.particles import MUON as MUON_CLASS
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import HITS, TRACKS
from partflow.reconstruct import BaselineConfig, for_noise, reconstruct

NO_TRACKS = Collection.empty(TRACKS, 1)
NO_HITS = Collection.empty(HITS, 1)


def test_a_single_photon_is_one_candidate_with_its_energy_and_direction(toy):
    result = reconstruct(toy.hits(toy.photon(10.0, theta=1.4, phi=0.5)), NO_TRACKS, CLIC)
    assert result.candidates.pdg_id.tolist() == [PHOTON]
    assert result.candidates.energy[0] == pytest.approx(10.0, rel=1e-5)
    assert result.candidates.pt[0] == pytest.approx(10.0 * math.sin(1.4), rel=1e-3)
    assert result.candidates.phi[0] == pytest.approx(0.5, abs=1e-3)
    assert result.candidates.cluster_index.tolist() == [0]


def test_all_hits_of_a_charged_hadron_are_in_the_cluster_of_its_track(toy):
    rows = toy.hadron()
    momentum = toy.hadronic_energy(rows)
    result = reconstruct(toy.hits(rows), toy.tracks([(momentum, 1.4, 0.5)]), CLIC)
    assert set(result.hit_clusters.cluster_index.tolist()) == {0}
    assert result.candidates.pdg_id.tolist() == [CHARGED_HADRON]
    assert result.candidates.track_index.tolist() == [0]
    assert result.candidates.cluster_index.tolist() == [0]
    assert result.candidates.energy[0] == pytest.approx(math.hypot(momentum, 0.13957), rel=1e-6)


def test_a_hadron_without_a_track_is_neutral_with_the_hadronic_energy_of_its_hits(toy):
    rows = toy.hadron()
    result = reconstruct(toy.hits(rows), NO_TRACKS, CLIC)
    assert result.candidates.pdg_id.tolist() == [NEUTRAL_HADRON]
    assert result.candidates.energy[0] == pytest.approx(toy.hadronic_energy(rows), rel=1e-6)


def test_a_narrow_shower_at_the_end_of_a_track_of_its_energy_is_an_electron(toy):
    hits = toy.hits(toy.photon(10.0))
    result = reconstruct(hits, toy.tracks([(10.0, 1.4, 0.5)]), CLIC)
    assert result.candidates.pdg_id.tolist() == [ELECTRON]
    assert result.candidates.energy[0] == pytest.approx(10.0, rel=1e-6)
    assert set(result.hit_clusters.cluster_index.tolist()) == {0}


def test_a_track_with_hits_in_the_yoke_is_a_muon(toy):
    result = reconstruct(NO_HITS, toy.tracks([(10.0, 1.4, 0.5, {"num_yoke_hits": 5})]), CLIC)
    assert result.candidates.pdg_id.tolist() == [MUON_CLASS]


def test_a_neutral_hadron_on_a_track_is_split_off_where_energy_exceeds_momentum(toy):
    charged, neutral = toy.hadron(first_layer=1), toy.hadron(phi=0.56, first_layer=6, shower=8.0)
    momentum = toy.hadronic_energy(charged)
    result = reconstruct(toy.hits(charged + neutral), toy.tracks([(momentum, 1.4, 0.5)]), CLIC)
    candidates = result.candidates.select(result.candidates.charge == 0)
    assert candidates.energy.sum() == pytest.approx(toy.hadronic_energy(neutral), rel=0.15)


def test_a_photon_next_to_a_charged_hadron_is_a_candidate_of_its_own(toy):
    rows = toy.hadron()
    tracks = toy.tracks([(toy.hadronic_energy(rows), 1.4, 0.5)])
    result = reconstruct(toy.hits(rows + toy.photon(5.0, phi=0.56)), tracks, CLIC)
    assert sorted(result.candidates.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]


def test_a_kink_daughter_collects_hits_but_is_no_candidate(toy):
    """The parent ends before the daughter begins on the same line; both hardly bend."""
    rows = toy.hadron()
    parent = {"face_region": 0, "radius_of_innermost_hit": 31.0, "radius_of_outermost_hit": 554.0}
    daughter = {"radius_of_innermost_hit": 819.0, "radius_of_outermost_hit": 1486.0}
    energy = toy.hadronic_energy(rows)
    tracks = toy.tracks([(400.0, 1.4, 0.5, parent), (390.0, 1.4, 0.5, daughter)])
    result = reconstruct(toy.hits(rows), tracks, CLIC)
    assert len(result.clusters) == 1
    assert result.clusters.energy_hadronic.sum() == pytest.approx(energy)
    assert result.candidates.track_index.tolist() == [0]


def test_a_track_that_ends_before_the_calorimeter_gets_no_hits(toy):
    rows = toy.hadron()
    track = (toy.hadronic_energy(rows), 1.4, 0.5, {"face_region": 0})
    result = reconstruct(toy.hits(rows), toy.tracks([track]), CLIC)
    assert result.candidates.cluster_index[result.candidates.track_index == 0].tolist() == [-1]
    assert NEUTRAL_HADRON in result.candidates.pdg_id


def test_a_track_gets_no_hits_on_the_far_side_of_the_detector(toy):
    """The straight line of the track continues to there."""
    hits = toy.hits(toy.hadron(math.pi - 1.4, 0.5 - math.pi))
    result = reconstruct(hits, toy.tracks([(20.0, 1.4, 0.5)]), CLIC)
    assert result.candidates.cluster_index[result.candidates.track_index == 0].tolist() == [-1]


def test_a_photon_opposite_to_a_track_is_a_photon(toy):
    """It is on the straight line of the track, on the other side of the detector."""
    hits = toy.hits(toy.photon(5.0, math.pi - 1.4, 0.5 - math.pi))
    result = reconstruct(hits, toy.tracks([(40.0, 1.4, 0.5)]), CLIC)
    assert sorted(result.candidates.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]


def test_clusters_have_the_energy_of_their_hits(toy):
    hits, tracks = toy.busy_events(range(3))
    result = reconstruct(hits, tracks, CLIC)
    rows = result.clusters.flat_index(hits.event_index, result.hit_clusters.cluster_index)
    assert np.all(rows >= 0)
    energy = np.bincount(rows, hits.energy_em.astype(float), len(result.clusters))
    assert result.clusters.energy_em == pytest.approx(energy, rel=1e-9)
    assert result.clusters.num_hits.tolist() == np.bincount(rows).tolist()
    assert result.clusters.num_hits.min() >= 1
    parts = result.clusters.energy_em_ecal + result.clusters.energy_em_hcal
    assert result.clusters.energy_em == pytest.approx(parts, rel=1e-9)


def test_clusters_are_at_the_energy_weighted_mean_of_their_hits(toy):
    rows = toy.photon(10.0)
    hits = toy.hits(rows)
    cluster = reconstruct(hits, NO_TRACKS, CLIC).clusters
    for axis in "xyz":
        position, weight = hits.columns[axis].astype(float), hits.energy_em.astype(float)
        mean = np.average(position, weights=weight)
        spread = math.sqrt(np.average((position - mean) ** 2, weights=weight))
        assert cluster.columns[axis][0] == pytest.approx(mean)
        assert cluster.columns[f"sigma_{axis}"][0] == pytest.approx(spread, rel=1e-6)
    radius = math.sqrt(cluster.x[0] ** 2 + cluster.y[0] ** 2 + cluster.z[0] ** 2)
    assert cluster.theta[0] == pytest.approx(math.acos(cluster.z[0] / radius))


def test_candidates_refer_to_their_track_or_cluster(toy):
    hits, tracks = toy.busy_events(range(3))
    result = reconstruct(hits, tracks, CLIC)
    candidates, clusters = result.candidates, result.clusters
    has_track = candidates.track_index >= 0
    assert np.array_equal(has_track, candidates.charge != 0)
    assert has_track.sum() == len(tracks)
    row = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    neutral = row[~has_track]
    assert len(set(neutral.tolist())) == len(neutral)
    assert candidates.eta[~has_track] == pytest.approx(
        -np.log(np.tan(result.clusters.theta[neutral] / 2))
    )


def test_an_event_does_not_depend_on_the_other_events(toy):
    hits, tracks = toy.busy_events(range(4))
    together = reconstruct(hits, tracks, CLIC)
    for i in (3, 0):
        alone = reconstruct(*toy.busy_event(i), CLIC)
        for whole, part in zip(together, alone, strict=True):
            for name, values in part.columns.items():
                assert np.array_equal(values, whole[i : i + 1].columns[name]), name


def test_the_order_of_the_hits_does_not_matter(toy):
    hits, tracks = toy.busy_event(5)
    order = np.random.default_rng(1).permutation(len(hits))
    shuffled = Collection(HITS, hits.offsets, {n: v[order] for n, v in hits.columns.items()})
    result, other = reconstruct(hits, tracks, CLIC), reconstruct(shuffled, tracks, CLIC)
    cluster = result.hit_clusters.cluster_index
    assert np.array_equal(cluster[order], other.hit_clusters.cluster_index)
    for name, values in other.candidates.columns.items():
        assert values == pytest.approx(result.candidates.columns[name], rel=1e-9)


def test_rotating_the_event_about_the_beam_keeps_the_energies(toy):
    """Nothing changes at phi = pi: a rotation by 3 rad moves some showers across it."""
    rows, rotated = [], []
    for k in range(8):
        rows += toy.photon(3.0, 1.2, -2.8 + 0.7 * k) + toy.hadron(1.9, -2.6 + 0.7 * k)
        rotated += toy.photon(3.0, 1.2, 0.2 + 0.7 * k) + toy.hadron(1.9, 0.4 + 0.7 * k)
    result = reconstruct(toy.hits(rows), NO_TRACKS, CLIC).candidates
    other = reconstruct(toy.hits(rotated), NO_TRACKS, CLIC).candidates
    assert len(result) == 16
    assert np.sort(other.energy) == pytest.approx(np.sort(result.energy), rel=1e-5)


@pytest.mark.parametrize("num_events", [0, 3])
def test_empty_events_stay_empty(num_events):
    result = reconstruct(
        Collection.empty(HITS, num_events), Collection.empty(TRACKS, num_events), CLIC
    )
    for part in result:
        assert part.num_events == num_events
        assert len(part) == 0


def test_tracks_without_hits_are_candidates_and_hits_without_tracks_too(toy):
    hits = concatenate([NO_HITS, toy.hits(toy.photon(4.0)), NO_HITS])
    tracks = concatenate([toy.tracks([(5.0, 1.4, 0.5)]), NO_TRACKS, NO_TRACKS])
    result = reconstruct(hits, tracks, CLIC)
    assert result.candidates.counts.tolist() == [1, 1, 0]
    assert result.candidates.pdg_id.tolist() == [CHARGED_HADRON, PHOTON]
    assert result.candidates.cluster_index.tolist() == [-1, 0]


def test_hits_of_the_muon_system_are_in_no_cluster(toy):
    rows = [*toy.photon(4.0), (np.array([4500.0, 0.0, 0.0]), 0.1, MUON)]
    cluster = reconstruct(toy.hits(rows), NO_TRACKS, CLIC).hit_clusters.cluster_index
    assert cluster[-1] == -1
    assert set(cluster[:-1].tolist()) == {0}


def test_fifty_thousand_hits_in_one_event_are_reconstructed():
    """About ten times as many as in a ttbar event."""
    rng = np.random.default_rng(3)
    num = 50_000
    theta, phi = rng.uniform(0.2, math.pi - 0.2, num), rng.uniform(-math.pi, math.pi, num)
    radius = np.minimum(1510 / np.sin(theta), 2317 / np.abs(np.cos(theta)))
    radius += rng.uniform(0, 180, num)
    columns = dict.fromkeys(HITS.names, np.zeros(num)) | {
        "x": radius * np.sin(theta) * np.cos(phi),
        "y": radius * np.sin(theta) * np.sin(phi),
        "z": radius * np.cos(theta),
        "energy_em": rng.exponential(0.01, num) + 0.003,
    }
    hits = Collection(HITS, np.array([0, num]), columns)
    result = reconstruct(hits, NO_TRACKS, CLIC)
    assert np.all(result.hit_clusters.cluster_index >= 0)
    assert result.clusters.energy_em.sum() == pytest.approx(
        hits.energy_em.sum(dtype=float), rel=1e-6
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x", np.nan, "hits.x: nan in event 1"),
        ("energy_em", 0.0, "hits.energy_em: 0.0 GeV in event 1"),
    ],
)
def test_an_invalid_hit_is_named_in_the_error(toy, column, value, message):
    hits = concatenate([toy.hits(toy.photon(4.0)), toy.hits(toy.photon(4.0))])
    hits.columns[column][-1] = value
    with pytest.raises(DataError, match=message):
        reconstruct(hits, concatenate([NO_TRACKS, NO_TRACKS]), CLIC)


def test_hits_and_tracks_of_different_events_are_refused(toy):
    with pytest.raises(DataError, match="hits of 1 events, tracks of 2"):
        reconstruct(toy.hits(toy.photon(4.0)), concatenate([NO_TRACKS, NO_TRACKS]), CLIC)


def test_a_constant_of_the_configuration_has_its_effect(toy):
    hits = toy.hits(toy.photon(1.0))
    strict = BaselineConfig()
    strict = replace(strict, candidates=replace(strict.candidates, min_neutral_energy=2.0))
    assert len(reconstruct(hits, NO_TRACKS, CLIC).candidates) == 1
    assert len(reconstruct(hits, NO_TRACKS, CLIC, strict).candidates) == 0


def test_a_single_hit_is_a_cluster_only_without_noise(toy):
    shower, single = toy.photon(5.0), toy.photon(1.0, theta=1.0, phi=-2.0)[:1]
    hits = toy.hits(shower + single)
    plain = reconstruct(hits, NO_TRACKS, CLIC, BaselineConfig())
    noisy = reconstruct(hits, NO_TRACKS, CLIC, for_noise())
    assert sorted(plain.clusters.num_hits) == [1, len(shower)]
    assert noisy.clusters.num_hits.tolist() == [len(shower)]
    assert noisy.hit_clusters.cluster_index.tolist() == [0] * len(shower) + [-1]
    assert noisy.candidates.energy.tolist() == pytest.approx([5.0], rel=1e-6)


def test_a_track_keeps_its_only_hit_even_with_noise(toy):
    rows = toy.hadron()[:1]
    result = reconstruct(toy.hits(rows), toy.tracks([(5.0, 1.4, 0.5)]), CLIC, for_noise())
    assert result.hit_clusters.cluster_index.tolist() == [0]
    assert result.candidates.cluster_index.tolist() == [0]
