"""Kinks and converted photons, found from what was measured of the tracks."""

import math

import numpy as np
import pytest

from partflow.core.detector import CLIC
from partflow.core.helix import advance, follow_track, perigee
from partflow.core.records import concatenate_events
from partflow.core.schemas import TRACKS
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct import reconstruct
from partflow.reconstruct.parameters import SecondaryConfig
from partflow.reconstruct.secondaries import find_secondaries
from partflow.simulate import simulate

BENDING = CLIC.geometry().bending


def made_at(vertex, momentum, charge, first=31.0, last=1486.0):
    """Columns of the track of a particle made at `vertex` [mm] with `momentum` [GeV]."""
    d0, z0, phi, omega, tan_lambda = perigee(BENDING, *vertex, *momentum, charge)
    pt = math.hypot(momentum[0], momentum[1])
    names = ("face_region", "face_x", "face_y", "face_z", "face_dx", "face_dy", "face_dz")
    face = follow_track(CLIC.geometry(), d0, z0, phi, tan_lambda, pt, charge)
    return {
        "charge": charge, "pt": pt, "phi": phi, "tan_lambda": tan_lambda, "d0": d0, "z0": z0,
        "omega": omega, "radius_of_innermost_hit": first, "radius_of_outermost_hit": last,
        **dict(zip(names, face, strict=True)),
    }  # fmt: skip


def found(ruler, *rows, config=SecondaryConfig()):  # noqa: B008 (frozen)
    columns = {name: np.array([row.get(name, 0.0) for row in rows]) for name in TRACKS.names}
    result = find_secondaries(ruler.filled(TRACKS, **columns), CLIC, config)
    return result.is_daughter.tolist(), result.is_leg.tolist()


PARENT_MOMENTUM = (4.0, 3.0, 2.0)


def broken_up(kink=0.2, shift=0.0, parent_last=340.0, first=554.0):
    """A pion that ends at a transverse path of 450 mm, and a daughter at an angle to it."""
    x, y, z, px, py = advance(BENDING, 0.0, 0.0, 0.0, *PARENT_MOMENTUM, 1, 450.0)
    phi = math.atan2(py, px) + kink
    return (
        made_at((0.0, 0.0, 0.0), PARENT_MOMENTUM, 1, last=parent_last),
        made_at(
            (x, y, z + shift), (2.0 * math.cos(phi), 2.0 * math.sin(phi), 1.0), -1, first=first
        ),
    )


@pytest.mark.parametrize("kink", [-0.4, -0.02, 0.02, 0.2])
def test_a_track_that_begins_where_another_ends_is_its_daughter(ruler, kink):
    assert found(ruler, *broken_up(kink)) == ([False, True], [False, False])
    assert found(ruler, *broken_up(kink)[::-1])[0] == [True, False]


@pytest.mark.parametrize(
    "apart",
    [
        {"shift": 5.0},  # beside it in z
        {"parent_last": 1486.0},  # the other track goes on
        {"first": 127.0},  # it began before the other ended
        {"parent_last": 0.0},  # not known where it ends
    ],
)
def test_a_track_that_does_not_begin_there_is_no_daughter(ruler, apart):
    assert found(ruler, *broken_up(**apart))[0] == [False, False]


def converted(radius, share=0.4, energy=20.0, first=554.0, partner=True):
    """Electron and positron of a photon that converts at `radius` [mm]."""
    direction = np.array([0.6, 0.64, 0.48])
    vertex = tuple(direction * radius / 0.8772684879)  # the transverse part of the direction
    legs = [
        made_at(vertex, tuple(direction * share * energy), 1, first=first),
        made_at(vertex, tuple(direction * (1 - share) * energy), -1, first=first),
    ]
    return legs if partner else legs[:1]


def test_tracks_that_begin_in_the_direction_of_a_photon_are_its_legs(ruler):
    assert found(ruler, *converted(450.0)) == ([False, False], [True, True])
    assert found(ruler, *converted(450.0, partner=False))[1] == [True]


def test_near_the_beam_a_leg_needs_a_partner(ruler):
    """Tracks of heavy-flavour decays look the same there."""
    assert found(ruler, *converted(35.0, first=44.0))[1] == [True, True]
    assert found(ruler, *converted(35.0, first=44.0, partner=False))[1] == [False]


def test_prompt_tracks_and_those_of_a_kaon_are_no_legs(ruler):
    prompt = made_at((0.0, 0.0, 0.0), (3.0, 1.0, 2.0), -1)
    pions = [
        made_at((300.0, 0.0, 100.0), (5.0, 0.2, 5.0 / 3), 1, first=340.0),
        made_at((300.0, 0.0, 100.0), (4.0, -0.2, 4.0 / 3), -1, first=340.0),
    ]
    assert found(ruler, prompt, *pions)[1] == [False, False, False]


def test_a_photon_seen_through_a_track_it_left_in_a_bundle_counts_once(ruler):
    """A leg of 20 GeV points into a peak of 60 GeV, of which it is a part, 2 cm beside its middle:
    60 GeV in all.
    """
    (leg,) = converted(450.0, share=0.5, energy=40.0, partner=False)
    columns = {name: np.array([leg.get(name, 0.0)]) for name in TRACKS.names}
    tracks = ruler.filled(TRACKS, **columns)
    place = np.array([leg["face_x"], leg["face_y"], leg["face_z"]])
    theta = math.acos(place[2] / np.linalg.norm(place))
    rows = ruler.photon(60.0, theta, math.atan2(place[1], place[0]) + 0.013)
    candidates = reconstruct(ruler.hits(rows), tracks, CLIC).candidates
    assert candidates.energy.sum() == pytest.approx(60.0, rel=0.03)
    assert sorted(candidates.pdg_id.tolist()) == [11, 22]


@pytest.fixture(scope="module")
def simulated():
    events = concatenate_events(list(generate(GenerationConfig("ttbar", 250, seed=2700))))
    result = simulate(events.particles, events.event_id, CLIC)
    found = find_secondaries(result.tracks, CLIC, SecondaryConfig())
    truth = result.track_particles
    particle = events.particles.flat_index(truth.event_index, truth.particle_index)
    has_own = np.zeros(len(events.particles), bool)
    has_own[particle[truth.is_primary == 1]] = True
    momentum = result.tracks.pt * np.sqrt(1 + result.tracks.tan_lambda**2)
    secondary = truth.is_primary == 0
    return found, {
        "is_daughter": secondary & has_own[particle],
        "is_leg": secondary & (events.particles.pdg_id[particle] == 22),
    }, momentum  # fmt: skip


@pytest.mark.parametrize(("kind", "least"), [("is_daughter", 0.75), ("is_leg", 0.7)])
def test_of_simulated_events_most_are_found_and_nearly_all_found_are_true(simulated, kind, least):
    """Weighted with momentum: what counts is energy counted twice, and energy lost."""
    found, truth, momentum = simulated
    is_found, is_true = getattr(found, kind), truth[kind]
    assert momentum[is_found & is_true].sum() > least * momentum[is_true].sum()
    assert momentum[is_found & is_true].sum() > 0.93 * momentum[is_found].sum()
