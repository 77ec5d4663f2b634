"""Deposits of steps in cells: light, window, places, sums. No Geant4 is needed."""

from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import HCAL, Slab
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLIC
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.cells import cell_centre, cell_grid
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.deposits import (
    contributions_of,
    light,
    nested_box_positions,
    smeared_times,
)
from partflow.simulate.geant4.layers import Part, active_depth, check_layers, num_ring_layers
from partflow.simulate.geant4.shots import DEPOSIT
from partflow.simulate.hits import MAX_PARTICLES, cell_of

CONFIG = Geant4Config(stand_in_data=True)
GRID = cell_grid(CLIC)


def deposit(part, layer, x, y, z, energy=1.0, time=None, particle=0, length=1.0, is_neutral=False):
    """One row of DEPOSIT; by default at the time of light's arrival."""
    row = np.zeros(1, DEPOSIT)
    if time is None:
        time = np.sqrt(x**2 + y**2 + z**2) / LIGHT_SPEED_MM_PER_NS
    for name, value in (
        ("particle", particle), ("part", part), ("is_neutral", is_neutral), ("layer", layer),
        ("x", x), ("y", y), ("z", z), ("energy", energy), ("length", length), ("time", time),
    ):  # fmt: skip
        row[name] = value
    return row


def test_birks_law_of_a_minimum_ionising_particle_and_of_a_stopping_proton():
    seen = light(np.array([0.2, 10.0]), np.array([1.0, 1.2]), np.array([False, False]))
    assert seen == pytest.approx([0.2 / (1 + 0.07943 * 0.2), 10 / (1 + 0.07943 * 10 / 1.2)])


def test_a_neutral_hadron_counts_as_a_proton_that_stops():
    # a proton of 10 MeV stops after 1.2 mm of plastic (PSTAR: 1.23 mm of water)
    neutral, proton = light(np.array([10.0, 10.0]), np.array([0.0, 1.23]), np.array([True, False]))
    assert neutral == pytest.approx(proton, rel=0.1)
    # and one of 1 MeV after 25 um: two thirds to three quarters of the light are lost
    assert 0.2 < light(np.array([1.0]), np.array([5.0]), np.array([True]))[0] < 0.3


def test_a_step_without_length_is_not_quenched():
    assert light(np.array([3.0]), np.array([0.0]), np.array([False]))[0] == 3.0


@pytest.mark.parametrize("angle", [-0.26, 0.0, 0.1, 0.26])
@pytest.mark.parametrize("stave", [0, 1, 7])
def test_a_stave_becomes_a_cylinder_seen_from_the_collision(stave, angle):
    phi = stave * np.pi / 6 + angle
    depth = 1500 + 3 * 5.05 + active_depth(CLIC.ecal)  # of the plane of layer 3
    radius, z = depth / np.cos(angle), 700.0
    x, y, z_moved = nested_box_positions(
        deposit(Part.ECAL_BARREL, 3, radius * np.cos(phi), radius * np.sin(phi), z), CLIC
    )
    assert np.hypot(x, y) == pytest.approx(depth)
    assert np.arctan2(y[0], x[0]) == pytest.approx((phi + np.pi) % (2 * np.pi) - np.pi)
    assert z_moved / np.hypot(x, y) == pytest.approx(z / radius)


@pytest.mark.parametrize(
    ("part", "layer", "expected"),
    [
        (Part.ECAL_ENDCAP, 0, 2307 + active_depth(CLIC.ecal)),
        (Part.HCAL_ENDCAP, 2, 2547 + 2 * 26.5 + active_depth(CLIC.hcal)),
        (Part.HCAL_RING, 1, 2335 + 26.5 + active_depth(CLIC.hcal)),
    ],
)
@pytest.mark.parametrize("side", [-1, 1])
def test_the_depth_of_an_endcap_is_that_of_its_layer(part, layer, expected, side):
    x, y, z = nested_box_positions(deposit(part, layer, 2000.0, 30.0, side * expected), CLIC)
    assert (x, y) == (2000.0, 30.0)
    assert z == pytest.approx(side * expected)


def test_the_ring_has_as_many_layers_as_fit():
    assert num_ring_layers(CLIC) == 8


def test_the_cell_is_of_the_layer_group():
    rows = np.concatenate(
        [deposit(Part.HCAL_BARREL, layer, 1740 + 26.5 * layer + 21, 0.0, 5.0) for layer in (3, 4)]
    )
    keys = contributions_of(rows, np.zeros(1, int), CLIC, GRID, CONFIG).keys
    layers = [cell_centre(GRID, cell_of(key))[3:] for key in keys.tolist()]
    assert layers == [(HCAL, 0, 0), (HCAL, 0, 1)]


def test_deposits_out_of_the_window_are_not_measured():
    arrival = 1510 / LIGHT_SPEED_MM_PER_NS
    rows = np.concatenate(
        [
            deposit(Part.ECAL_BARREL, 1, 1510.0, 0.0, 0.0, time=arrival + delay, energy=energy)
            for delay, energy in ((-1.1, 1.0), (-0.9, 2.0), (9.9, 4.0), (10.1, 8.0))
        ]
    )
    found = contributions_of(rows, np.zeros(1, int), CLIC, GRID, CONFIG)
    assert found.energies * CLIC.ecal.sampling_fractions[0] == pytest.approx([6e-3])
    assert found.times == pytest.approx([arrival - 0.9])


def test_contributions_are_summed_by_cell_and_generator_particle():
    place = (Part.ECAL_BARREL, 1, 1510.0, 4.0, 4.0)
    rows = np.concatenate(
        [deposit(*place, energy=e, particle=p) for e, p in ((1, 0), (2, 1), (4, 2), (8, 0))]
    )
    origins = np.array([7, 5, 7])  # the first and the third descend from particle 7
    found = contributions_of(rows, origins, CLIC, GRID, CONFIG)
    assert (found.keys % MAX_PARTICLES).tolist() == [5, 7]
    assert found.energies * CLIC.ecal.sampling_fractions[0] == pytest.approx([2e-3, 13e-3])
    assert (np.diff(found.keys) > 0).all()


def test_no_deposit_is_no_contribution():
    assert (
        len(contributions_of(np.zeros(0, DEPOSIT), np.zeros(0, int), CLIC, GRID, CONFIG).keys) == 0
    )


def test_all_times_of_a_cell_have_the_same_error():
    rows = np.concatenate(
        [
            deposit(Part.ECAL_BARREL, layer, 1510.0 + 5.05 * layer, 4.0, 4.0, particle=p)
            for layer in (1, 9) for p in (0, 1)
        ]
    )  # fmt: skip
    found = contributions_of(rows, np.arange(2), CLIC, GRID, CONFIG)
    error = smeared_times(found, 2.0, np.random.default_rng(1)) - found.times
    assert error[0] == pytest.approx(error[1])
    assert error[2] == pytest.approx(error[3])
    assert abs(error[0] - error[2]) > 0.01


def test_geant4_wants_slabs_that_fill_the_layer():
    deeper = replace(CLIC, name="mine", ecal=replace(CLIC.ecal, layers_per_group=5))
    with pytest.raises(ConfigError, match=r"mine: the slabs of ecal.layer are 5.05 mm thick, but"):
        check_layers(deeper)
    unknown = replace(CLIC, name="mine", hcal=replace(CLIC.hcal, layer=()))
    with pytest.raises(ConfigError, match=r"mine: hcal.layer is missing"):
        check_layers(unknown)
    check_layers(CLIC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": (Slab("G4_W", 2.0), Slab("Air", 3.05))}, "exactly one slab with is_active"),
        ({"layer": (Slab("G4_Si", 5.05, True), Slab("Air", 0.0))}, r"layer\[1\].thickness = 0.0"),
        ({"sampling_fractions": (0.03, 1.2)}, "both must be between 0 and 1"),
    ],
)
def test_impossible_layers_are_refused_by_the_detector(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(CLIC, name="mine", ecal=replace(CLIC.ecal, **change))


def test_the_fingerprint_of_an_engine_has_what_its_showers_depend_on():
    other_slabs = replace(CLIC, ecal=replace(CLIC.ecal, sampling_fractions=(0.02, 0.02)))
    assert other_slabs.fingerprint("fast") == CLIC.fingerprint("fast")
    assert other_slabs.fingerprint("geant4") != CLIC.fingerprint("geant4")
    other_medium = replace(CLIC, ecal=replace(CLIC.ecal, moliere_radius=21.0))
    assert other_medium.fingerprint("fast") != CLIC.fingerprint("fast")
    assert other_medium.fingerprint("geant4") == CLIC.fingerprint("geant4")
