"""Tracks of single particles, and what the emulated kink finder says of secondaries."""

import numpy as np
import pytest

from partflow.core.detector import CLIC
from partflow.simulate import SimulationConfig, simulate

NO_MATERIAL = SimulationConfig(tracker_material=False)
STILL = (0.0, 0.0, 0.0)


def test_every_track_of_a_neutral_particle_is_that_of_a_secondary(gun):
    photons = simulate(gun(22, 5.0, 500), np.arange(500))
    assert len(photons.tracks) > 20
    assert not photons.track_particles.is_primary.any()
    assert not photons.tracks.is_prong.any()  # no track of its own to be a daughter of
    assert len(simulate(gun(22, 5.0, 100), np.arange(100), CLIC, NO_MATERIAL).tracks) == 0


def test_the_kink_finder_marks_daughters_of_found_tracks_only(gun):
    num, pions = 4000, gun(211, 10.0, 4000)
    tracks, truth = simulate(pions, np.arange(num))[1::2]
    has_own = np.bincount(truth.event_index, truth.is_primary, num) > 0
    daughter = (truth.is_primary == 0) & has_own[truth.event_index]
    assert daughter.sum() > 30
    assert not tracks.is_prong[~daughter].any()
    found = tracks.is_prong[daughter].mean()
    assert found == pytest.approx(0.85, abs=4 * np.sqrt(0.85 * 0.15 / daughter.sum()))
    blind = SimulationConfig(kink_finder_efficiency=0.0)
    assert not simulate(pions, np.arange(num), CLIC, blind).tracks.is_prong.any()


def test_the_innermost_hit_is_the_first_layer_behind_the_production_radius(event_of):
    radii = np.array(CLIC.tracker.layer_radii)
    for start in (0.0, 31.0, 31.1, 100.0, 700.0):
        rows = [(13, (5.0, 0.0, 0.5), (start, 0.0, 0.0))] * 40
        tracks = simulate(event_of(*rows), np.array([2]), CLIC, NO_MATERIAL).tracks
        assert len(tracks) > 3
        assert (tracks.radius_of_innermost_hit == radii[radii >= start].min()).all()


def test_displaced_and_slow_particles_are_found_less_often(event_of):
    def efficiency(pt, start):
        rows = [(211, (pt, 0.0, 0.3 * pt), (start, 0.0, 0.0))] * 3000
        return len(simulate(event_of(*rows), np.array([5]), CLIC, NO_MATERIAL).tracks) / 3000

    assert efficiency(5.0, 0.0) == pytest.approx(CLIC.tracker.max_efficiency, abs=0.006)
    assert efficiency(0.15, 0.0) < 0.6 * efficiency(0.5, 0.0)
    assert efficiency(0.09, 0.0) == 0
    assert efficiency(5.0, 0.0) > efficiency(5.0, 300.0) + 0.1 > efficiency(5.0, 700.0) + 0.3
    assert efficiency(5.0, 1000.0) == 0


def test_forward_tracks_are_found_down_to_the_acceptance(gun):
    def efficiency(degrees):
        cosine = np.cos(np.radians(degrees))
        muons = gun(13, 20.0, 2000, (cosine, cosine))
        return len(simulate(muons, np.arange(2000), CLIC, NO_MATERIAL).tracks) / 2000

    assert efficiency(7.0) == 0
    assert efficiency(8.0) == pytest.approx(0.8 * 0.995, abs=0.03)
    assert efficiency(12.0) == pytest.approx(0.995, abs=0.007)


def test_muons_light_the_yoke_and_hadrons_seldom_do(gun):
    num = 3000
    muons = simulate(gun(13, 10.0, num), np.arange(num)).tracks
    assert muons.num_yoke_hits.mean() == pytest.approx(
        CLIC.yoke.num_layers * CLIC.yoke.efficiency, abs=0.04
    )
    slow = simulate(gun(13, 3.0, 200), np.arange(200)).tracks
    assert not slow.num_yoke_hits.any()
    pions = simulate(gun(211, 15.0, num), np.arange(num), CLIC, NO_MATERIAL).tracks
    lit = pions.num_yoke_hits > 0
    assert 0.003 < lit.mean() < 0.02
    assert pions.num_yoke_hits[lit].max() <= 3


def test_a_track_of_charge_two_shows_its_rigidity(event_of):
    """A tracker measures pt/charge: an alpha of 8 GeV bends like a proton of 4 GeV."""
    rows = [(1000020040, (8.0, 0.0, 1.0), STILL)] * 50
    tracks = simulate(event_of(*rows), np.array([1]), CLIC, NO_MATERIAL).tracks
    assert (tracks.charge == 1).all()
    assert tracks.pt == pytest.approx(4.0, rel=0.02)


def test_the_curvature_is_that_of_pt_and_charge(jumble):
    tracks = simulate(jumble(4, 80), np.arange(4)).tracks
    bending = CLIC.geometry().bending
    np.testing.assert_allclose(tracks.omega, tracks.charge * bending / tracks.pt)
    assert set(tracks.charge.tolist()) == {-1, 1}
    assert (np.abs(tracks.phi) <= np.pi).all()
