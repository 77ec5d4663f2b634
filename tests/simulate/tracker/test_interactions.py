"""Interactions in the tracker: where they are, and what they conserve."""

import numpy as np
import pytest

from partflow.core.known_detectors import CLD, CLIC
from partflow.simulate.tracker.flights import NO_END, Species, flights_of
from partflow.simulate.tracker.interactions import interact
from partflow.simulate.tracker.tracker_material import tracker_material

GEOMETRY = CLIC.geometry()
MATERIAL = tracker_material(CLIC)
THICK = 1e3  # radiation or interaction lengths: everything interacts
STILL = (0.0, 0.0, 0.0)


def interactions(particles, radiation_lengths, interaction_lengths, seed=1, detector=CLIC):
    rng = np.random.default_rng(seed)
    material = tracker_material(detector)._replace(
        radiation_lengths=radiation_lengths, interaction_lengths=interaction_lengths
    )
    return interact(rng, flights_of(particles), detector.geometry(), material)


def crossed_material(start, direction, detector):
    """Radiation lengths on a straight line: the definition of the material in fine steps."""
    tracker, face = detector.tracker, detector.ecal
    step = 0.05  # mm
    along = np.arange(0.5 * step, 4000.0, step)
    x, y, z = (s + along * d for s, d in zip(start, direction, strict=True))
    r = np.hypot(x, y)
    u = np.maximum(r / face.inner_radius, np.abs(z) / face.endcap_z)
    begin, middle = tracker.beam_pipe_radius, tracker.vertex_radius
    end = face.inner_radius - tracker.material_to_face
    at = u * face.inner_radius
    share = np.where((at > begin) & (at < middle), tracker.vertex_material / (middle - begin), 0.0)
    share += np.where((at > middle) & (at < end), (1 - tracker.vertex_material) / (end - middle), 0)
    slant = np.minimum(np.hypot(r, z) / r, tracker.max_slant)
    # `share` is per radius of the box; along a path from the origin that radius grows as at/r
    density = tracker.radiation_lengths * share * (at / r) * slant * r / np.hypot(r, z)
    inside = np.maximum.accumulate(u) < 1.0  # a path that has left the tracker does not return
    return float(np.sum(density * inside) * step)


def converted_fraction(event_of, momentum, vertex, detector, num=20_000):
    photons = event_of(*[(22, tuple(momentum), tuple(vertex))] * num)
    flights = interactions(photons, detector.tracker.radiation_lengths, 0.0, 3, detector)
    return (flights["end"][:num] < NO_END).mean()


@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
@pytest.mark.parametrize("degrees", [90.0, 45.0, 30.0, 20.0, 10.0])
def test_prompt_photons_convert_as_in_a_slab(event_of, degrees, detector):
    """1 - exp(-7/9 x/X0) with x = x(90 degrees)/sin(theta); three standard deviations."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    expected = 1 - np.exp(-7 / 9 * detector.tracker.radiation_lengths / sine)
    found = converted_fraction(event_of, (5 * sine, 0.0, 5 * cosine), STILL, detector)
    assert found == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 20_000))


@pytest.mark.parametrize("degrees", [90.0, 45.0, 30.0, 20.0, 10.0])
def test_displaced_photons_cross_the_material_behind_their_vertex(event_of, degrees):
    """They start 300 mm from the collision, on a straight line from it."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    vertex = (300 * sine, 0.0, 300 * cosine)
    box = max(vertex[0] / 1500, vertex[2] / 2307) * 1500
    inner, outer = np.clip([(box - 28) / (120 - 28), (box - 120) / (1450 - 120)], 0, 1)
    left = 1 - 0.3 * inner - 0.7 * outer
    expected = 1 - np.exp(-7 / 9 * CLIC.tracker.radiation_lengths / sine * left)
    found = converted_fraction(event_of, (5 * sine, 0.0, 5 * cosine), vertex, CLIC)
    assert found == pytest.approx(expected, abs=3 * np.sqrt(expected * (1 - expected) / 20_000))


@pytest.mark.parametrize(
    ("vertex", "direction"),
    [
        ((400.0, 0.0, 100.0), (0.0, 0.8, 0.6)),  # across
        ((0.0, 200.0, -500.0), (0.3, -0.4, np.sqrt(0.75))),  # inwards, past the beam
        ((900.0, 300.0, 1200.0), (-0.6, 0.64, 0.48)),
        ((60.0, -30.0, 40.0), (0.6, 0.0, -0.8)),
        ((10.0, 0.0, 600.0), (0.1, 0.0, np.sqrt(0.99))),
    ],
)
@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
def test_photons_from_anywhere_cross_the_same_material(event_of, vertex, direction, detector):
    expected = 1 - np.exp(-7 / 9 * crossed_material(vertex, direction, detector))
    found = converted_fraction(event_of, 5 * np.array(direction), vertex, detector)
    assert found == pytest.approx(expected, abs=0.01)


def test_the_definition_of_the_material_is_a_slab_for_prompt_photons():
    """A check of `crossed_material`."""
    for degrees in (80.0, 33.0, 15.0):
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        found = crossed_material((1e-3 * sine, 0.0, 1e-3 * cosine), (sine, 0.0, cosine), CLIC)
        assert found == pytest.approx(CLIC.tracker.radiation_lengths / sine, rel=1e-3)


@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
@pytest.mark.parametrize(
    ("pdg_id", "momentum", "vertex"),
    [
        (22, (5.0, 0.0, 1.0), STILL),
        (22, (5.0, 0.0, 20.0), (2.0, 1.0, 0.0)),
        (22, (-3.0, 4.0, 1.0), (900.0, 100.0, 300.0)),
        (211, (20.0, 0.0, 3.0), STILL),
        (211, (2.0, 0.0, 9.0), STILL),
        (-211, (0.4, 0.0, 0.2), STILL),
        (130, (1.0, 1.0, 0.3), (1300.0, 300.0, 0.0)),
    ],
)
def test_interactions_lie_within_the_material(event_of, detector, pdg_id, momentum, vertex):
    """A secondary made behind it might miss the calorimeter."""
    num = 5000
    particles = event_of(*[(pdg_id, momentum, vertex)] * num)
    made = interactions(particles, 0.5, 0.5, detector=detector)[num:]
    assert len(made) > 100
    face, tracker = detector.ecal, detector.tracker
    radius = np.hypot(made["x"], made["y"]) / face.inner_radius
    box = np.maximum(radius, np.abs(made["z"]) / face.endcap_z)
    # a path bends within a step: its middle is a few millimetres away from the chord
    assert box.min() > tracker.beam_pipe_radius / face.inner_radius - 0.002
    assert box.max() < 1 - tracker.material_to_face / face.inner_radius + 0.005


def test_hadrons_interact_in_the_same_material_and_curling_ones_in_more(event_of):
    def fraction(momentum):
        num = 40_000
        particles = event_of(*[(211, momentum, STILL)] * num)
        flights = interactions(particles, 0.0, CLIC.tracker.interaction_lengths)
        return (flights["end"][:num] < NO_END).mean()

    for momentum in ((20.0, 0.0, 0.0), (20.0, 0.0, 40.0)):
        slant = np.hypot(momentum[0], momentum[2]) / momentum[0]
        expected = 1 - np.exp(-CLIC.tracker.interaction_lengths * slant)
        assert fraction(momentum) == pytest.approx(expected, abs=0.004)
    # on a circle of diameter d the radius r grows with cosine sqrt(1 - (r/d)^2) of the path
    diameter = 2 * 1.0 / GEOMETRY.bending
    arc = diameter * np.diff(np.arcsin(np.array([28.0, 120.0, 1450.0]) / diameter))
    thickness = CLIC.tracker.interaction_lengths * (0.3 * arc[0] / 92 + 0.7 * arc[1] / 1330)
    assert fraction((1.0, 0.0, 0.0)) == pytest.approx(1 - np.exp(-thickness), abs=0.004)
    assert thickness > 1.15 * CLIC.tracker.interaction_lengths
    assert fraction((0.8, 0.0, 0.1)) > 3 * fraction((20.0, 0.0, 0.0))


def test_a_converted_photon_becomes_an_electron_and_a_positron(event_of):
    flights = interactions(event_of((22, (5.0, 1.0, 3.0), (0.0, 0.0, 0.0))), THICK, 0.0)
    photon, pair = flights[0], flights[1:]
    assert sorted(pair["charge"].tolist()) == [-1, 1]
    assert (pair["species"] == Species.ELECTRON).all()
    assert pair["energy"].sum() == pytest.approx(photon["energy"])
    assert not pair["is_primary"].any()
    # on the photon's line, in its direction
    assert np.cross(np.array(pair[["px", "py", "pz"]].tolist()), [5.0, 1.0, 3.0]) == pytest.approx(
        0.0, abs=1e-9
    )
    assert np.cross(np.array(pair[["x", "y", "z"]].tolist()), [5.0, 1.0, 3.0]) == pytest.approx(
        0.0, abs=1e-6
    )
    assert np.hypot(pair["x"], pair["y"]) == pytest.approx(photon["end"])


@pytest.mark.parametrize("momentum", [0.3, 0.6, 1.2, 4.0, 20.0])
@pytest.mark.parametrize("pdg_id", [211, -321, 130, 2212, 2112, -2112, -2212])
def test_interactions_conserve_energy_and_charge(event_of, pdg_id, momentum):
    """The nucleus keeps what the secondaries do not carry; that is never negative."""
    num = 300
    particles = event_of(*[(pdg_id, (0.8 * momentum, 0.0, 0.6 * momentum), STILL)] * num)
    flights = interactions(particles, 0.0, THICK)
    made = flights[num:]
    assert (flights["end"][:num] < NO_END).mean() > 0.9
    carried = np.bincount(made["origin"], made["energy"], num)
    # a baryon keeps its mass, an antibaryon releases it twice, a meson loses half of it
    mass, factor = particles.mass, {2212: -1, 2112: -1, -2112: 1, -2212: 1, 130: 0}
    available = particles.energy + factor.get(pdg_id, -0.5) * mass
    assert (carried <= available + 1e-9).all()
    assert (made["energy"] >= made["mass"]).all()
    size = np.sqrt(made["px"] ** 2 + made["py"] ** 2 + made["pz"] ** 2)
    np.testing.assert_allclose(np.hypot(size, made["mass"]), made["energy"], rtol=1e-6)
    charge = np.bincount(made["origin"], made["charge"], num)
    some = np.bincount(made["origin"], minlength=num) > 0
    assert (charge[some] == particles.charge[some]).all()
    if momentum >= 4.0:
        assert some.mean() > 0.99
        assert carried.sum() > 0.7 * available[flights["end"][:num] < NO_END].sum()


def test_secondaries_carry_the_index_of_their_hadron(event_of):
    particles = event_of(*[(211, (3.0, 2.0, 1.0), STILL), (2112, (0.0, 4.0, 1.0), STILL)] * 100)
    flights = interactions(particles, 0.0, THICK)
    primary = flights["is_primary"] == 1
    assert primary.sum() == len(particles)
    assert (flights["origin"][: len(particles)] == np.arange(len(particles))).all()
    interacted = flights["end"][: len(particles)] < NO_END
    assert set(flights["origin"][~primary]) <= set(np.flatnonzero(interacted))
    assert (np.bincount(flights["charge"][~primary] + 1) > 100).all()  # -1, 0 and 1


def test_leptons_slow_particles_and_those_along_the_beam_do_not_interact(event_of):
    still = (0.0, 0.0, 0.0)
    particles = event_of(
        (13, (3.0, 2.0, 1.0), still),
        (11, (3.0, 2.0, 1.0), still),
        (12, (3.0, 2.0, 1.0), still),
        (211, (0.1, 0.1, 0.0), still),
        (130, (0.0, 0.0, 9.0), still),
        (22, (0.0, 0.0, 0.0), still),
    )
    flights = interactions(particles, THICK, THICK)
    assert len(flights) == len(particles)
    assert (flights["end"] == NO_END).all()


def test_the_input_flights_are_not_changed(jumble):
    flights = flights_of(jumble(1, 50))
    before = flights.copy()
    after = interact(
        np.random.default_rng(2), flights, GEOMETRY, MATERIAL._replace(radiation_lengths=1.0)
    )
    assert len(after) > len(flights)
    assert (flights == before).all()
