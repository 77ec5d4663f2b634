"""Every quantity of a shower, on two events whose hits were placed by hand."""

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL, MUON
from partflow.core.known_detectors import CLIC
from partflow.core.particles import CHARGED_HADRON, NEUTRAL_HADRON, PHOTON
from partflow.core.records import Collection
from partflow.core.schemas import HITS, PARTICLES
from partflow.validate.comparison import shower_quantities as quantities
from partflow.validate.comparison.shapes import (
    first_interaction,
    group_edges,
    interaction_lengths,
    measure_shapes,
    radiation_lengths,
)
from partflow.validate.measure import estimate

ECAL_FIRST, ECAL_LAST, HCAL_FIRST = 10.1, 191.9, 293.0
"""Depths of the middles of three layer groups [mm]: 202/20, 202 - 202/20, 202 + 38 + 106/2."""
IN_LAMBDA = {ECAL_FIRST: 0.0527, ECAL_LAST: 1.0013, HCAL_FIRST: 1.304}
"""The same in interaction lengths, of 202 mm in the ECAL and 212 mm in the HCAL."""


def particles(pdg_id=130, charge=0):
    """Two particles of 10 GeV along +x and of 5 GeV along -y."""
    events = [
        {"pdg_id": pdg_id, "charge": charge, "px": 10.0, "py": 0.0, "pz": 0.0, "energy": 10.0},
        {"pdg_id": pdg_id, "charge": charge, "px": 0.0, "py": -5.0, "pz": 0.0, "energy": 5.0},
    ]
    at_origin = {"mass": 0.0, "vx": 0.0, "vy": 0.0, "vz": 0.0}
    return Collection.from_events(PARTICLES, [{**event, **at_origin} for event in events])


def hits():
    """Energies 1, 2 and 3 GeV in the first event and a hit in the muon system, 1 and 1 GeV in the
    second."""
    first = {
        "x": [1500 + ECAL_FIRST, 1500 + ECAL_LAST, 1500 + HCAL_FIRST, 4500.0],
        "y": [0.0, 0.0, 0.0, 0.0],
        "z": [0.0, 6.0, 30.0, 0.0],
        "energy_em": [1.0, 2.0, 3.0, 7.0],
        "subdetector": [ECAL, ECAL, HCAL, MUON],
        "layer": [0, 9, 0, 0],
    }
    second = {
        "x": [0.0, 0.0],
        "y": [-1500 - ECAL_FIRST, -1500 - ECAL_LAST],
        "z": [0.0, 0.0],
        "energy_em": [1.0, 1.0],
        "subdetector": [ECAL, ECAL],
        "layer": [0, 9],
    }
    columns = [
        {**event, "region": np.zeros(len(event["x"])), "time": np.zeros(len(event["x"]))}
        for event in (first, second)
    ]
    return Collection.from_events(HITS, columns)


@pytest.fixture(scope="module")
def showers():
    return measure_shapes(particles(), hits(), CLIC)


BOOTSTRAP = estimate.resampling(2)
MIP = {ECAL: CLIC.ecal.mip_energy, HCAL: CLIC.hcal.mip_energy}
LENGTHS = (
    np.sqrt(np.cov([ECAL_FIRST, ECAL_LAST, HCAL_FIRST], fweights=[1, 2, 3], ddof=0)),
    (ECAL_LAST - ECAL_FIRST) / 2,
)
"""Standard deviation of the depth in each event [mm]."""


@pytest.mark.parametrize(
    ("measure", "options", "expected"),
    [
        (quantities.mean_response, {}, (0.6 + 0.4) / 2),
        (quantities.median_response, {}, 0.5),
        (quantities.resolution, {}, 0.1 / 0.5 / 1.349),  # quartiles 0.45 and 0.55
        (quantities.deposit_rms, {}, 0.1 / 0.5),
        (quantities.ecal_share, {}, 5 / 8),
        (quantities.ecal_hits, {}, 4 / 15),
        (quantities.hcal_hits, {}, 1 / 15),
        (quantities.mean_depth, {}, (2 * ECAL_FIRST + 3 * ECAL_LAST + 3 * HCAL_FIRST) / 8),
        (quantities.mean_interaction_lengths, {}, (2 * 0.0527 + 3 * 1.0013 + 3 * 1.304) / 8),
        # 7.2 of 8 GeV: 5 GeV are in the ECAL, 2.2 of the 3 GeV in the first group of the HCAL.
        (quantities.depth_of_90_percent, {"detector": CLIC}, 240 + 106 * 2.2 / 3),
        (quantities.event_length, {}, np.mean(LENGTHS)),
        (
            quantities.depth_spread,
            {},
            ((ECAL_FIRST + 2 * ECAL_LAST + 3 * HCAL_FIRST) / 6 - (ECAL_FIRST + ECAL_LAST) / 2) / 2,
        ),
        (quantities.first_interaction, {}, 0.0527),
        (quantities.first_group_share, {}, 2 / 8),
        # 3 of 8 GeV are within 0.5 mm, 2 GeV within 6 and 6.5 mm, the rest at 30 mm.
        (quantities.radius, {"level": 0.25}, 0.5 * 2 / 3),
        (quantities.radius, {"level": 0.5}, 6 + 0.5 * 1 / 2),
        (quantities.radius, {"level": 0.9}, 30 + 0.5 * 2.2 / 3),
        (
            quantities.mean_hit_energy,
            {"subdetector": ECAL, "mip_energy": MIP[ECAL]},
            5 / 4 / MIP[ECAL],
        ),
        (quantities.last_groups_share, {}, 0.0),
        (quantities.weak_showers, {}, 0.0),
    ],
)
def test_a_quantity_has_the_value_computed_by_hand(
    measure, options, expected, showers, monkeypatch
):
    monkeypatch.setattr(quantities, "MIN_HITS", 1)
    value = measure(showers, BOOTSTRAP, **options)
    assert len(value) == estimate.REPLICAS + 1
    assert value[0] == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_the_median_energy_of_a_hit_is_exact_to_the_width_of_a_bin(showers, monkeypatch):
    monkeypatch.setattr(quantities, "MIN_HITS", 1)
    for subdetector, energy in ((ECAL, 1.0), (HCAL, 3.0)):
        median = quantities.median_hit_energy(showers, BOOTSTRAP, subdetector)[0]
        assert median == pytest.approx(energy / MIP[subdetector], rel=0.07)


def test_few_hits_have_no_mean_and_no_median_energy(showers):
    assert np.isnan(quantities.median_hit_energy(showers, BOOTSTRAP, ECAL)).all()
    assert np.isnan(quantities.mean_hit_energy(showers, BOOTSTRAP, ECAL, MIP[ECAL])).all()


def test_charged_particles_have_a_distance_from_the_centroid_and_no_axis():
    showers = measure_shapes(particles(211, 1), hits(), CLIC)
    x = np.array([ECAL_FIRST, ECAL_LAST, HCAL_FIRST])
    z = np.array([0.0, 6.0, 30.0])
    square = sum(np.cov(axis, fweights=[1, 2, 3], ddof=0) * 6 for axis in (x, z))
    square += 2 * ((ECAL_LAST - ECAL_FIRST) / 2) ** 2  # of the second event
    distance = quantities.centroid_distance(showers, BOOTSTRAP)[0]
    assert distance == pytest.approx(np.sqrt(square / 8), rel=1e-4)
    assert np.isnan(showers.radial).all()


def test_leakage_is_the_energy_in_the_last_layer_groups_and_showers_of_low_response():
    late = hits()
    columns = {
        **late.columns,
        "x": np.where(late.columns["x"] == 4500.0, 3300.0, late.columns["x"]),
    }
    columns["subdetector"] = np.where(late.columns["subdetector"] == MUON, HCAL, late.subdetector)
    columns["energy_em"] = np.where(late.event_index == 1, 0.1, late.energy_em)
    showers = measure_shapes(particles(), Collection(HITS, late.offsets, columns), CLIC)
    assert quantities.last_groups_share(showers, BOOTSTRAP)[0] == pytest.approx(7 / 13.2)
    assert quantities.weak_showers(showers, BOOTSTRAP)[0] == pytest.approx(0.5)


def test_the_first_interaction_of_a_charged_particle_is_no_ionisation():
    columns = dict(hits().columns)
    columns["energy_em"] = np.array([6 * MIP[ECAL], 20 * MIP[ECAL], 3.0, 7.0, 0.001, 0.001])
    weak = Collection(HITS, hits().offsets, columns).select(hits().subdetector <= HCAL)
    charged = first_interaction(weak, np.array([True, True]), CLIC)
    assert charged[0] == pytest.approx(1.0013)
    assert np.isnan(charged[1])
    columns["energy_em"][0] = 12 * MIP[ECAL]
    strong = Collection(HITS, hits().offsets, columns).select(hits().subdetector <= HCAL)
    assert first_interaction(strong, np.array([False, False]), CLIC)[0] == pytest.approx(0.0527)
    assert first_interaction(strong, np.array([True, True]), CLIC)[0] == pytest.approx(1.0013)


def test_depth_in_an_endcap_is_along_the_beam():
    face = CLIC.ecal.endcap_z
    columns = {
        "x": [500.0, 500.0], "y": [0.0, 0.0], "z": [-face - ECAL_FIRST, -face - HCAL_FIRST],
        "energy_em": [1.0, 3.0], "subdetector": [ECAL, HCAL], "region": [1, 1], "layer": [0, 2],
        "time": [0.0, 0.0],
    }  # fmt: skip
    endcap_hits = Collection.from_events(HITS, [columns, {name: [] for name in columns}])
    showers = measure_shapes(particles(), endcap_hits, CLIC)
    expected = (ECAL_FIRST + 3 * HCAL_FIRST) / 4
    assert quantities.mean_depth(showers, BOOTSTRAP)[0] == pytest.approx(expected)


def test_depths_in_material_leave_out_the_gap_between_the_calorimeters():
    depth = np.array([ECAL_FIRST, ECAL_LAST, 220.0, HCAL_FIRST])
    lengths = interaction_lengths(depth, CLIC)
    assert lengths == pytest.approx([*list(IN_LAMBDA.values())[:2], 1.054, 1.304])
    assert radiation_lengths(depth, CLIC) == pytest.approx([1.1, 20.9, 22.0, 22.0 + 53 * 69 / 1590])
    assert group_edges(CLIC)[[9, 10]] == pytest.approx(np.array([[181.8, 202.0], [240.0, 346.0]]))


def test_muons_count_in_lengths_whatever_their_response():
    columns = dict(hits().columns)
    columns["energy_em"] = columns["energy_em"] * 0.1
    weak = Collection(HITS, hits().offsets, columns)
    of_muons = measure_shapes(particles(13, -1), weak, CLIC)
    of_pions = measure_shapes(particles(211, 1), weak, CLIC)
    assert quantities.is_counted(of_muons).tolist() == [True, True]
    assert quantities.is_counted(of_pions).tolist() == [False, False]


@pytest.mark.parametrize(
    ("particle_class", "has", "lacks"),
    [
        (PHOTON, "energy in the first layer group", "first interaction"),
        (NEUTRAL_HADRON, "radius with 90 % of the energy", "RMS distance from the centroid"),
        (CHARGED_HADRON, "RMS distance from the centroid", "radius with 90 % of the energy"),
    ],
)
def test_particles_are_compared_by_what_describes_them(particle_class, has, lacks):
    labels = [q.label for q in quantities.shower_quantities(particle_class, CLIC)]
    assert has in labels
    assert lacks not in labels
