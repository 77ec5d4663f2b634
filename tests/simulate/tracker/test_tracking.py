"""Tracks of single particles: which are found, and what is measured of them."""

import numpy as np
import pytest

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE
from partflow.core.known_detectors import CLIC
from partflow.simulate import SimulationConfig, simulate
from partflow.simulate.tracker.flights import NO_END, flights_of
from partflow.simulate.tracker.tracking import find_tracks
from partflow.simulate.tracks import tracker_constants

NO_MATERIAL = SimulationConfig(tracker_material=False)
STILL = (0.0, 0.0, 0.0)


def test_all_tracks_of_a_neutral_particle_are_of_secondaries(gun):
    photons = simulate(gun(22, 5.0, 500), np.arange(500))
    assert len(photons.tracks) > 20
    assert not photons.track_particles.is_primary.any()
    assert len(simulate(gun(22, 5.0, 100), np.arange(100), CLIC, NO_MATERIAL).tracks) == 0


def test_the_first_and_last_hit_are_in_layers_that_the_particle_crosses(event_of):
    """At 84 degrees from the beam: nine barrel layers, each hit with 98 % probability."""
    radii = np.array(CLIC.tracker.layer_radii)
    for start in (0.0, 31.0, 31.1, 100.0, 400.0):
        rows = [(13, (5.0, 0.0, 0.5), (start, 0.0, 0.0))] * 2000
        tracks = simulate(event_of(*rows), np.array([2]), CLIC, NO_MATERIAL).tracks
        ahead = radii[radii > start]
        first = tracks.radius_of_innermost_hit
        assert np.isin(first, ahead).all()
        at_first = (first == ahead[0]).mean()
        assert at_first == pytest.approx(CLIC.tracker.hit_efficiency, abs=0.015)
        assert (tracks.radius_of_outermost_hit == radii[-1]).mean() == pytest.approx(
            0.98, abs=0.015
        )


def test_forward_tracks_have_their_hits_on_discs(event_of):
    """At 14 degrees: through the first vertex layers, then the discs up to 2190 mm."""
    rows = [(13, (5.0 * np.sin(0.24), 0.0, 5.0 * np.cos(0.24)), STILL)] * 500
    tracks = simulate(event_of(*rows), np.array([2]), CLIC, NO_MATERIAL).tracks
    last = tracks.radius_of_outermost_hit
    radius = 5.0 * np.sin(0.24) / CLIC.geometry().bending
    chord = 2 * radius * np.sin(2190 * np.tan(0.24) / (2 * radius))
    assert np.median(last) == pytest.approx(chord, abs=0.01)
    assert len(np.unique(last)) > 400  # radii of measured hits, not of the disc
    assert np.median(tracks.radius_of_innermost_hit) == 31.0


def test_a_track_that_ends_has_no_hit_behind_its_end(gun):
    """A pion that breaks up: its last hit is the last layer before the secondaries begin."""
    num = 6000
    result = simulate(gun(211, 10.0, num, (-0.3, 0.3)), np.arange(num))
    tracks, truth = result.tracks, result.track_particles
    has_secondary = np.bincount(truth.event_index, truth.is_primary == 0, num) > 0
    is_parent = (truth.is_primary == 1) & has_secondary[truth.event_index]
    assert is_parent.sum() > 15
    assert (tracks.radius_of_outermost_hit[is_parent] < 1486).all()
    begins = np.full(num, np.inf)
    secondary = truth.is_primary == 0
    np.minimum.at(begins, truth.event_index[secondary], tracks.radius_of_innermost_hit[secondary])
    assert (tracks.radius_of_outermost_hit < begins[tracks.event_index])[is_parent].mean() > 0.95


def test_the_production_point_inside_the_first_layer_cannot_be_seen(event_of):
    """A helix that begins 1 or 20 mm from the beam gives the same hits, and the same track within
    the change of its resolution.
    """

    def tracks_from(start):
        rows = [(13, (2.0, 0.0, 1.0), (start, 0.0, start / 2))] * 300
        return simulate(event_of(*rows), np.array([3]), CLIC, NO_MATERIAL).tracks

    near, far = tracks_from(1.0), tracks_from(20.0)
    assert np.array_equal(near.radius_of_innermost_hit, far.radius_of_innermost_hit)
    assert np.array_equal(near.radius_of_outermost_hit, far.radius_of_outermost_hit)
    assert np.abs(near.face_z - far.face_z).max() < 0.1


@pytest.mark.parametrize(
    "particle",
    [
        (211, (0.13, 0.07, 1.0), (1.0, 2.0, 30.0)),  # into the hole about the beam
        (-211, (0.3, 0.1, 0.004), (0.3, -0.2, 0.1)),  # curls for longer than 20 m
        (321, (0.4, 0.2, 0.1), (100.0, 45.0, 60.0)),  # displaced, to the endcap after some turns
        (13, (5.0, 3.0, 2.0), (20.0, 12.0, 9.0)),
    ],
)
def test_the_state_at_the_face_follows_from_the_measured_parameters(event_of, particle):
    """Also for a track that does not reach the face: no column reveals the production point."""
    tracks = simulate(event_of(*[particle] * 400), np.array([7]), CLIC, NO_MATERIAL).tracks
    assert len(tracks) > 50
    radius = 1 / tracks.omega  # signed, mm
    x0, y0 = -tracks.d0 * np.sin(tracks.phi), tracks.d0 * np.cos(tracks.phi)
    path = (tracks.face_z - tracks.z0) / tracks.tan_lambda  # transverse
    turned = tracks.phi - path / radius
    x = x0 + radius * (np.sin(tracks.phi) - np.sin(turned))
    y = y0 + radius * (np.cos(turned) - np.cos(tracks.phi))
    np.testing.assert_allclose(tracks.face_x, x, atol=1e-4)
    np.testing.assert_allclose(tracks.face_y, y, atol=1e-4)
    slant = np.hypot(1, tracks.tan_lambda)
    np.testing.assert_allclose(tracks.face_dx, np.cos(turned) / slant, atol=1e-6)
    np.testing.assert_allclose(tracks.face_dy, np.sin(turned) / slant, atol=1e-6)
    np.testing.assert_allclose(tracks.face_dz, tracks.tan_lambda / slant, atol=1e-9)
    at_radius, in_plane = np.hypot(x, y), np.isclose(np.abs(tracks.face_z), CLIC.ecal.endcap_z)
    region = tracks.face_region
    assert np.allclose(at_radius[region == FACE_BARREL], CLIC.ecal.inner_radius)
    assert in_plane[region == FACE_ENDCAP].all()
    lost = region == FACE_NONE
    in_hole = in_plane & (at_radius < CLIC.endcap_inner_radius)
    curled = np.isclose(path * slant, CLIC.max_path)
    assert (in_hole | curled)[lost].all()
    assert lost.any() == (particle[0] in (211, -211))


def test_a_track_that_ends_in_the_tracker_is_found_if_it_is_long_enough(event_of):
    """The length is the path from its start to its end, wherever it starts."""
    flight = flights_of(event_of((211, (5.0, 0.0, 0.0), (120.0, 0.0, 0.0))))
    rng, num = np.random.default_rng(1), 20_000
    flights = np.repeat(flight, num)

    def found(length):
        flights["end"] = length
        tracker = tracker_constants(CLIC, SimulationConfig())
        tracker = tracker._replace(min_hits=0)
        return len(find_tracks(rng, flights, CLIC.geometry(), tracker)) / num

    whole = CLIC.tracker.max_efficiency * (1.05 - 120 / 900)
    assert found(140.0) == 0
    assert found(325.0) == pytest.approx(0.5 * whole, abs=0.012)
    assert found(500.0) == pytest.approx(whole, abs=0.012)
    assert found(NO_END) == pytest.approx(whole, abs=0.012)


def test_a_track_needs_three_hits(event_of):
    """From 850 mm on there are two layers."""
    rows = [(211, (5.0, 0.0, 0.5), (850.0, 0.0, 0.0))] * 2000
    assert len(simulate(event_of(*rows), np.array([2]), CLIC, NO_MATERIAL).tracks) == 0
    rows = [(211, (5.0, 0.0, 0.5), (800.0, 0.0, 0.0))] * 2000
    assert len(simulate(event_of(*rows), np.array([2]), CLIC, NO_MATERIAL).tracks) > 100


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


def test_muons_leave_hits_in_the_yoke_and_hadrons_seldom_do(gun):
    num = 3000
    muons = simulate(gun(13, 10.0, num), np.arange(num)).tracks
    assert muons.num_yoke_hits.mean() == pytest.approx(
        CLIC.yoke.num_layers * CLIC.yoke.efficiency, abs=0.04
    )
    slow = simulate(gun(13, 3.0, 200), np.arange(200)).tracks
    assert not slow.num_yoke_hits.any()
    pions = simulate(gun(211, 15.0, num), np.arange(num), CLIC, NO_MATERIAL).tracks
    has_hits = pions.num_yoke_hits > 0
    assert 0.003 < has_hits.mean() < 0.02
    assert pions.num_yoke_hits[has_hits].max() <= 3


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
