"""Kinks and converted photons, recognised by the measured tracks."""

import math

import numpy as np
import pytest

from partflow.core.helix import HelixState, advance, follow_track, perigee
from partflow.core.known_detectors import CLIC
from partflow.core.records import concatenate_events
from partflow.core.schemas import TRACKS
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct import reconstruct
from partflow.reconstruct.parameters import SecondaryConfig
from partflow.reconstruct.secondary_tracks import find_secondary_tracks
from partflow.simulate import simulate

BENDING = CLIC.geometry().bending


def track_from(vertex, momentum, charge, first=31.0, last=1486.0):
    """Columns of the track of a particle from `vertex` [mm] with `momentum` [GeV]."""
    d0, z0, phi, omega, tan_lambda = perigee(BENDING, HelixState(*vertex, *momentum, charge))
    pt = math.hypot(momentum[0], momentum[1])
    names = ("face_region", "face_x", "face_y", "face_z", "face_dx", "face_dy", "face_dz")
    face = follow_track(CLIC.geometry(), d0, z0, phi, tan_lambda, pt, charge)
    return {
        "charge": charge, "pt": pt, "phi": phi, "tan_lambda": tan_lambda, "d0": d0, "z0": z0,
        "omega": omega, "radius_of_innermost_hit": first, "radius_of_outermost_hit": last,
        **dict(zip(names, face, strict=True)),
    }  # fmt: skip


def find(toy, *rows, config=SecondaryConfig()):  # noqa: B008 (frozen)
    """Whether each track is a kink daughter, and whether it is from a conversion."""
    columns = {name: np.array([row.get(name, 0.0) for row in rows]) for name in TRACKS.names}
    result = find_secondary_tracks(toy.filled(TRACKS, **columns), CLIC, config)
    return result.is_kink_daughter.tolist(), result.is_conversion.tolist()


PARENT_MOMENTUM = (4.0, 3.0, 2.0)


def kinked(kink=0.2, shift=0.0, parent_last=340.0, first=554.0):
    """Tracks of a pion that ends at a transverse path of 450 mm and of a daughter at an angle."""
    x, y, z, px, py = advance(BENDING, HelixState(0.0, 0.0, 0.0, *PARENT_MOMENTUM, 1), 450.0)
    phi = math.atan2(py, px) + kink
    return (
        track_from((0.0, 0.0, 0.0), PARENT_MOMENTUM, 1, last=parent_last),
        track_from(
            (x, y, z + shift), (2.0 * math.cos(phi), 2.0 * math.sin(phi), 1.0), -1, first=first
        ),
    )


@pytest.mark.parametrize("kink", [-0.4, -0.02, 0.02, 0.2])
def test_a_track_that_begins_where_another_ends_is_a_kink_daughter(toy, kink):
    assert find(toy, *kinked(kink)) == ([False, True], [False, False])
    assert find(toy, *kinked(kink)[::-1])[0] == [True, False]


@pytest.mark.parametrize(
    "change",
    [
        {"shift": 5.0},  # displaced in z
        {"parent_last": 1486.0},  # the other track continues
        {"first": 127.0},  # it begins before the other ends
        {"parent_last": 0.0},  # unknown where the other ends
    ],
)
def test_a_track_that_does_not_begin_there_is_no_kink_daughter(toy, change):
    assert find(toy, *kinked(**change))[0] == [False, False]


def converted(radius, share=0.4, energy=20.0, first=554.0, partner=True):
    """Tracks of the electron and the positron of a photon that converts at `radius` [mm]."""
    direction = np.array([0.6, 0.64, 0.48])
    vertex = tuple(direction * radius / 0.8772684879)  # the transverse part of the direction
    tracks = [
        track_from(vertex, tuple(direction * share * energy), 1, first=first),
        track_from(vertex, tuple(direction * (1 - share) * energy), -1, first=first),
    ]
    return tracks if partner else tracks[:1]


def test_tracks_that_begin_in_the_direction_of_a_photon_are_from_its_conversion(toy):
    assert find(toy, *converted(450.0)) == ([False, False], [True, True])
    assert find(toy, *converted(450.0, partner=False))[1] == [True]


def test_near_the_beam_a_conversion_needs_two_tracks(toy):
    """Tracks of heavy-flavour decays look the same there."""
    assert find(toy, *converted(35.0, first=44.0))[1] == [True, True]
    assert find(toy, *converted(35.0, first=44.0, partner=False))[1] == [False]


def test_prompt_tracks_and_those_of_a_kaon_decay_are_not_from_a_conversion(toy):
    prompt = track_from((0.0, 0.0, 0.0), (3.0, 1.0, 2.0), -1)
    pions = [
        track_from((300.0, 0.0, 100.0), (5.0, 0.2, 5.0 / 3), 1, first=340.0),
        track_from((300.0, 0.0, 100.0), (4.0, -0.2, 4.0 / 3), -1, first=340.0),
    ]
    assert find(toy, prompt, *pions)[1] == [False, False, False]


def test_the_energy_of_a_converted_photon_in_a_bundle_counts_once(toy):
    """An electron of 20 GeV points into a peak of 60 GeV, 2 cm from its centre, and is part of it:
    the sum is 60 GeV.
    """
    (electron,) = converted(450.0, share=0.5, energy=40.0, partner=False)
    columns = {name: np.array([electron.get(name, 0.0)]) for name in TRACKS.names}
    tracks = toy.filled(TRACKS, **columns)
    x, y, z = electron["face_x"], electron["face_y"], electron["face_z"]
    rows = toy.photon(60.0, math.atan2(math.hypot(x, y), z), math.atan2(y, x) + 0.013)
    candidates = reconstruct(toy.hits(rows), tracks, CLIC).candidates
    assert candidates.energy.sum() == pytest.approx(60.0, rel=0.03)
    assert sorted(candidates.pdg_id.tolist()) == [11, 22]


@pytest.fixture(scope="module")
def simulated():
    events = concatenate_events(list(generate(GenerationConfig("ttbar", 250, seed=2700))))
    result = simulate(events.particles, events.event_id, CLIC)
    tagged = find_secondary_tracks(result.tracks, CLIC, SecondaryConfig())
    truth = result.track_particles
    particle = events.particles.flat_index(truth.event_index, truth.particle_index)
    has_track = np.zeros(len(events.particles), bool)
    has_track[particle[truth.is_primary == 1]] = True
    momentum = result.tracks.pt * np.sqrt(1 + result.tracks.tan_lambda**2)
    is_secondary = truth.is_primary == 0
    return tagged, {
        "is_kink_daughter": is_secondary & has_track[particle],
        "is_conversion": is_secondary & (events.particles.pdg_id[particle] == 22),
    }, momentum  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "efficiency"), [("is_kink_daughter", 0.75), ("is_conversion", 0.7)]
)
def test_in_simulated_events_efficiency_and_purity_are_high(simulated, kind, efficiency):
    """Weighted with momentum, because energy is counted twice or lost."""
    tagged, truth, momentum = simulated
    is_tagged, is_true = getattr(tagged, kind), truth[kind]
    assert momentum[is_tagged & is_true].sum() > efficiency * momentum[is_true].sum()
    assert momentum[is_tagged & is_true].sum() > 0.93 * momentum[is_tagged].sum()
