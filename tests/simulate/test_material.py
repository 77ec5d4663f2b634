"""Interactions in the tracker, by what a bookkeeper would check."""

import numpy as np
import pytest

from partflow.core.detector import CLIC
from partflow.simulate.flights import NO_END, Species, flights_of
from partflow.simulate.material import interact

GEOMETRY = CLIC.geometry()
THICK = 1e3  # radiation or interaction lengths: everything interacts


def interactions(particles, radiation_lengths, interaction_lengths, seed=1):
    rng = np.random.default_rng(seed)
    return interact(rng, flights_of(particles), GEOMETRY, radiation_lengths, interaction_lengths)


def test_the_fraction_of_photons_that_convert_is_that_of_the_material(event_of):
    num = 20_000
    photons = event_of(*[(22, (5.0, 0.0, 3.0), (0.0, 0.0, 0.0))] * num)
    flights = interactions(photons, CLIC.tracker.radiation_lengths, 0.0)
    slant = np.hypot(5.0, 3.0) / 5.0
    expected = 1 - np.exp(-7 / 9 * CLIC.tracker.radiation_lengths * slant)
    assert (flights["end"][:num] < NO_END).mean() == pytest.approx(expected, abs=0.008)  # 3 sigma


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


def test_secondaries_share_what_their_hadron_can_give_and_carry_its_index(event_of):
    still = (0.0, 0.0, 0.0)
    particles = event_of(
        *[
            (211, (3.0, 2.0, 1.0), still),
            (2112, (0.0, 4.0, 1.0), still),
            (-2112, (2.0, 0, 1), still),
        ]
        * 100
    )
    flights = interactions(particles, 0.0, THICK)
    primary = flights["is_primary"] == 1
    assert (flights["origin"][: len(particles)] == np.arange(len(particles))).all()
    given = np.bincount(flights["origin"][~primary], flights["energy"][~primary], len(particles))
    neutron = particles.pdg_id == 2112
    available = particles.energy - np.where(neutron, particles.mass, 0.0)
    available += np.where(particles.pdg_id == -2112, particles.mass, 0.0)
    interacted = flights["end"][: len(particles)] < NO_END
    assert interacted.mean() > 0.9
    # a neutral kaon is never made with less than its mass
    kaons = np.bincount(
        flights["origin"][~primary],
        np.abs(flights["mass"][~primary] - 0.4976) < 1e-3,
        len(particles),
    )
    assert (given <= available + 0.6 * kaons + 1e-9).all()
    assert (given[~interacted] == 0).all()
    assert given[interacted].sum() > 0.7 * available[interacted].sum()


def test_leptons_slow_particles_and_those_along_the_beam_pass(event_of):
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


def test_the_particles_given_are_left_as_they_are(jumble):
    flights = flights_of(jumble(1, 50))
    before = flights.copy()
    after = interact(np.random.default_rng(2), flights, GEOMETRY, 1.0, 1.0)
    assert len(after) > len(flights)
    assert (flights == before).all()
