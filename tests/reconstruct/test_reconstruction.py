"""What the baseline promises of an event, whatever is in it."""

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


def test_a_lone_photon_is_one_candidate_with_its_energy_and_direction(ruler):
    result = reconstruct(ruler.hits(ruler.photon(10.0, theta=1.4, phi=0.5)), NO_TRACKS, CLIC)
    assert result.candidates.pdg_id.tolist() == [PHOTON]
    assert result.candidates.energy[0] == pytest.approx(10.0, rel=1e-5)
    assert result.candidates.pt[0] == pytest.approx(10.0 * math.sin(1.4), rel=1e-3)
    assert result.candidates.phi[0] == pytest.approx(0.5, abs=1e-3)
    assert result.candidates.cluster_index.tolist() == [0]


def test_a_charged_hadrons_hits_all_go_to_its_track(ruler):
    rows = ruler.hadron()
    momentum = ruler.hadronic_energy(rows)
    result = reconstruct(ruler.hits(rows), ruler.tracks([(momentum, 1.4, 0.5)]), CLIC)
    assert set(result.hit_clusters.cluster_index.tolist()) == {0}
    assert result.candidates.pdg_id.tolist() == [CHARGED_HADRON]
    assert result.candidates.track_index.tolist() == [0]
    assert result.candidates.cluster_index.tolist() == [0]
    assert result.candidates.energy[0] == pytest.approx(math.hypot(momentum, 0.13957), rel=1e-6)


def test_a_hadron_without_a_track_is_neutral_with_the_hadronic_energy_of_its_hits(ruler):
    rows = ruler.hadron()
    result = reconstruct(ruler.hits(rows), NO_TRACKS, CLIC)
    assert result.candidates.pdg_id.tolist() == [NEUTRAL_HADRON]
    assert result.candidates.energy[0] == pytest.approx(ruler.hadronic_energy(rows), rel=1e-6)


def test_a_narrow_shower_at_the_end_of_a_track_of_its_energy_is_an_electron(ruler):
    hits = ruler.hits(ruler.photon(10.0))
    result = reconstruct(hits, ruler.tracks([(10.0, 1.4, 0.5)]), CLIC)
    assert result.candidates.pdg_id.tolist() == [ELECTRON]
    assert result.candidates.energy[0] == pytest.approx(10.0, rel=1e-6)
    assert set(result.hit_clusters.cluster_index.tolist()) == {0}


def test_a_track_with_hits_in_the_yoke_is_a_muon(ruler):
    result = reconstruct(NO_HITS, ruler.tracks([(10.0, 1.4, 0.5, {"num_yoke_hits": 5})]), CLIC)
    assert result.candidates.pdg_id.tolist() == [MUON_CLASS]


def test_a_neutral_hadron_behind_a_track_is_split_off_where_energy_exceeds_momentum(ruler):
    own, other = ruler.hadron(first_layer=1), ruler.hadron(phi=0.56, first_layer=6, shower=8.0)
    momentum = ruler.hadronic_energy(own)
    result = reconstruct(ruler.hits(own + other), ruler.tracks([(momentum, 1.4, 0.5)]), CLIC)
    neutral = result.candidates.select(result.candidates.charge == 0)
    assert neutral.energy.sum() == pytest.approx(ruler.hadronic_energy(other), rel=0.15)


def test_a_photon_beside_a_hadron_is_found_beside_it(ruler):
    rows = ruler.hadron()
    tracks = ruler.tracks([(ruler.hadronic_energy(rows), 1.4, 0.5)])
    result = reconstruct(ruler.hits(rows + ruler.photon(5.0, phi=0.56)), tracks, CLIC)
    assert sorted(result.candidates.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]


def test_a_daughter_collects_hits_but_is_no_candidate(ruler):
    """On the line of a track that ends before it begins, both too stiff to bend."""
    rows = ruler.hadron()
    ended = {"face_region": 0, "radius_of_innermost_hit": 31.0, "radius_of_outermost_hit": 554.0}
    begun = {"radius_of_innermost_hit": 819.0, "radius_of_outermost_hit": 1486.0}
    energy = ruler.hadronic_energy(rows)
    tracks = ruler.tracks([(400.0, 1.4, 0.5, ended), (390.0, 1.4, 0.5, begun)])
    result = reconstruct(ruler.hits(rows), tracks, CLIC)
    assert len(result.clusters) == 1
    assert result.clusters.energy_hadronic.sum() == pytest.approx(energy)
    assert result.candidates.track_index.tolist() == [0]


def test_a_track_that_ends_before_the_calorimeter_takes_no_hits(ruler):
    rows = ruler.hadron()
    track = (ruler.hadronic_energy(rows), 1.4, 0.5, {"face_region": 0})
    result = reconstruct(ruler.hits(rows), ruler.tracks([track]), CLIC)
    assert result.candidates.cluster_index[result.candidates.track_index == 0].tolist() == [-1]
    assert NEUTRAL_HADRON in result.candidates.pdg_id


def test_a_track_takes_no_hits_on_the_far_side_of_the_detector(ruler):
    """The line of a track passes there too."""
    hits = ruler.hits(ruler.hadron(math.pi - 1.4, 0.5 - math.pi))
    result = reconstruct(hits, ruler.tracks([(20.0, 1.4, 0.5)]), CLIC)
    assert result.candidates.cluster_index[result.candidates.track_index == 0].tolist() == [-1]


def test_a_photon_opposite_to_a_track_is_a_photon(ruler):
    """It lies on the track's line, but a detector away from the track."""
    hits = ruler.hits(ruler.photon(5.0, math.pi - 1.4, 0.5 - math.pi))
    result = reconstruct(hits, ruler.tracks([(40.0, 1.4, 0.5)]), CLIC)
    assert sorted(result.candidates.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]


def test_clusters_hold_the_energy_of_the_hits_that_they_list(ruler):
    hits, tracks = ruler.busy_events(range(3))
    result = reconstruct(hits, tracks, CLIC)
    rows = result.clusters.flat_index(hits.event_index, result.hit_clusters.cluster_index)
    assert np.all(rows >= 0)
    energy = np.bincount(rows, hits.energy_em.astype(float), len(result.clusters))
    assert result.clusters.energy_em == pytest.approx(energy, rel=1e-9)
    assert result.clusters.num_hits.tolist() == np.bincount(rows).tolist()
    assert result.clusters.num_hits.min() >= 1
    parts = result.clusters.energy_em_ecal + result.clusters.energy_em_hcal
    assert result.clusters.energy_em == pytest.approx(parts, rel=1e-9)


def test_clusters_lie_at_the_weighted_mean_of_their_hits(ruler):
    rows = ruler.photon(10.0)
    hits = ruler.hits(rows)
    cluster = reconstruct(hits, NO_TRACKS, CLIC).clusters
    for axis in "xyz":
        place, weight = hits.columns[axis].astype(float), hits.energy_em.astype(float)
        mean = np.average(place, weights=weight)
        spread = math.sqrt(np.average((place - mean) ** 2, weights=weight))
        assert cluster.columns[axis][0] == pytest.approx(mean)
        assert cluster.columns[f"sigma_{axis}"][0] == pytest.approx(spread, rel=1e-6)
    assert cluster.theta[0] == pytest.approx(math.acos(cluster.z[0] / _radius(cluster)))


def _radius(cluster):
    return math.sqrt(cluster.x[0] ** 2 + cluster.y[0] ** 2 + cluster.z[0] ** 2)


def test_candidates_name_their_track_or_cluster(ruler):
    hits, tracks = ruler.busy_events(range(3))
    result = reconstruct(hits, tracks, CLIC)
    found = result.candidates
    from_track = found.track_index >= 0
    assert np.array_equal(from_track, found.charge != 0)
    assert from_track.sum() == len(tracks)
    neutral = result.clusters.flat_index(found.event_index, found.cluster_index)[~from_track]
    assert len(set(neutral.tolist())) == len(neutral)
    assert found.eta[~from_track] == pytest.approx(
        -np.log(np.tan(result.clusters.theta[neutral] / 2))
    )


def test_an_event_does_not_depend_on_its_batch(ruler):
    hits, tracks = ruler.busy_events(range(4))
    together = reconstruct(hits, tracks, CLIC)
    for i in (3, 0):
        alone = reconstruct(*ruler.busy_event(i), CLIC)
        for whole, part in zip(together, alone, strict=True):
            for name, values in part.columns.items():
                assert np.array_equal(values, whole[i : i + 1].columns[name]), name


def test_the_order_of_the_hits_does_not_matter(ruler):
    hits, tracks = ruler.busy_event(5)
    order = np.random.default_rng(1).permutation(len(hits))
    shuffled = Collection(HITS, hits.offsets, {n: v[order] for n, v in hits.columns.items()})
    result, other = reconstruct(hits, tracks, CLIC), reconstruct(shuffled, tracks, CLIC)
    cluster = result.hit_clusters.cluster_index
    assert np.array_equal(cluster[order], other.hit_clusters.cluster_index)
    for name, values in other.candidates.columns.items():
        assert values == pytest.approx(result.candidates.columns[name], rel=1e-9)


def test_turning_the_event_about_the_beam_turns_its_candidates(ruler):
    """The seam of the azimuth is nowhere: 3 rad carry some showers across it."""
    rows, turned = [], []
    for k in range(8):
        rows += ruler.photon(3.0, 1.2, -2.8 + 0.7 * k) + ruler.hadron(1.9, -2.6 + 0.7 * k)
        turned += ruler.photon(3.0, 1.2, 0.2 + 0.7 * k) + ruler.hadron(1.9, 0.4 + 0.7 * k)
    result = reconstruct(ruler.hits(rows), NO_TRACKS, CLIC).candidates
    other = reconstruct(ruler.hits(turned), NO_TRACKS, CLIC).candidates
    assert len(result) == 16
    assert np.sort(other.energy) == pytest.approx(np.sort(result.energy), rel=1e-5)


@pytest.mark.parametrize("num_events", [0, 3])
def test_events_without_anything_come_out_empty(num_events):
    result = reconstruct(
        Collection.empty(HITS, num_events), Collection.empty(TRACKS, num_events), CLIC
    )
    for part in result:
        assert part.num_events == num_events
        assert len(part) == 0


def test_tracks_without_hits_are_candidates_and_hits_without_tracks_too(ruler):
    hits = concatenate([NO_HITS, ruler.hits(ruler.photon(4.0)), NO_HITS])
    tracks = concatenate([ruler.tracks([(5.0, 1.4, 0.5)]), NO_TRACKS, NO_TRACKS])
    result = reconstruct(hits, tracks, CLIC)
    assert result.candidates.counts.tolist() == [1, 1, 0]
    assert result.candidates.pdg_id.tolist() == [CHARGED_HADRON, PHOTON]
    assert result.candidates.cluster_index.tolist() == [-1, 0]


def test_hits_of_the_muon_system_are_in_no_cluster(ruler):
    rows = [*ruler.photon(4.0), (np.array([4500.0, 0.0, 0.0]), 0.1, MUON)]
    cluster = reconstruct(ruler.hits(rows), NO_TRACKS, CLIC).hit_clusters.cluster_index
    assert cluster[-1] == -1
    assert set(cluster[:-1].tolist()) == {0}


def test_fifty_thousand_hits_in_one_event_are_reconstructed():
    """About ten times a ttbar event, every cell a hit of its own."""
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
def test_a_hit_that_cannot_be_is_named(ruler, column, value, message):
    hits = concatenate([ruler.hits(ruler.photon(4.0)), ruler.hits(ruler.photon(4.0))])
    hits.columns[column][-1] = value
    with pytest.raises(DataError, match=message):
        reconstruct(hits, concatenate([NO_TRACKS, NO_TRACKS]), CLIC)


def test_hits_and_tracks_of_different_events_are_refused(ruler):
    with pytest.raises(DataError, match="hits of 1 events, tracks of 2"):
        reconstruct(ruler.hits(ruler.photon(4.0)), concatenate([NO_TRACKS, NO_TRACKS]), CLIC)


def test_a_constant_of_the_configuration_changes_what_it_says(ruler):
    hits = ruler.hits(ruler.photon(1.0))
    strict = BaselineConfig()
    strict = replace(strict, candidates=replace(strict.candidates, min_neutral_energy=2.0))
    assert len(reconstruct(hits, NO_TRACKS, CLIC).candidates) == 1
    assert len(reconstruct(hits, NO_TRACKS, CLIC, strict).candidates) == 0


def test_a_lone_hit_is_a_cluster_only_where_there_is_no_noise(ruler):
    shower, lone = ruler.photon(5.0), ruler.photon(1.0, theta=1.0, phi=-2.0)[:1]
    hits = ruler.hits(shower + lone)
    plain, noisy = (reconstruct(hits, NO_TRACKS, CLIC, c) for c in (BaselineConfig(), for_noise()))
    assert sorted(plain.clusters.num_hits) == [1, len(shower)]
    assert noisy.clusters.num_hits.tolist() == [len(shower)]
    assert noisy.hit_clusters.cluster_index.tolist() == [0] * len(shower) + [-1]
    assert noisy.candidates.energy.tolist() == pytest.approx([5.0], rel=1e-6)


def test_a_track_keeps_the_only_hit_it_has_where_there_is_noise(ruler):
    rows = ruler.hadron()[:1]
    result = reconstruct(ruler.hits(rows), ruler.tracks([(5.0, 1.4, 0.5)]), CLIC, for_noise())
    assert result.hit_clusters.cluster_index.tolist() == [0]
    assert result.candidates.cluster_index.tolist() == [0]
