"""Physics of the fast simulation: single particles without material.

Reference values: resolutions of a prototype of the model, which reproduce
16.5 %/sqrt(E) + 1 % for photons and about 50 %/sqrt(E) for hadrons; shapes of showers in Geant4
11.4 (FTFP_BERT, deposits within 10 ns of the arrival of light), in the same cells.
"""

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL
from partflow.core.hadron_scale import bin_sums, load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.records import concatenate_events
from partflow.generate import GenerationConfig, Gun, generate
from partflow.simulate import SimulationConfig, simulate
from partflow.validate.formulas import neutral_hadron_resolution

NO_MATERIAL = SimulationConfig(tracker_material=False)
CENTRAL = (-0.7, 0.7)


def fire(pdg_id, energy, num, cos_theta=CENTRAL, config=NO_MATERIAL):
    gun = Gun(pdg_id, (energy, energy), cos_theta)
    events = concatenate_events(list(generate(GenerationConfig("gun", num, 8, gun=gun))))
    return events.particles, simulate(events.particles, events.event_id, CLIC, config)


def energy_sum(hits, subdetector=None):
    chosen = hits if subdetector is None else hits.select(hits.subdetector == subdetector)
    return np.bincount(chosen.event_index, chosen.energy_em.astype(float), chosen.num_events)


@pytest.mark.parametrize(("energy", "resolution"), [(10.0, 0.052), (50.0, 0.024)])
def test_photon_resolution(energy, resolution):
    measured = energy_sum(fire(22, energy, 700)[1].hits)
    assert measured.std() / measured.mean() == pytest.approx(resolution, rel=0.10)


@pytest.mark.parametrize("energy", [1.0, 5.0, 20.0, 100.0])
@pytest.mark.parametrize("cos_theta", [CENTRAL, (0.88, 0.96)])
def test_photons_are_measured_at_their_energy(energy, cos_theta):
    num = 1000 if energy < 10 else 200
    measured = energy_sum(fire(22, energy, num, cos_theta)[1].hits)
    assert measured.mean() / energy == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("max_spots", [500, 20_000])
def test_the_resolution_does_not_depend_on_the_number_of_spots(max_spots):
    """Above that number the sampling term is drawn: 0.16/sqrt(50) and a constant term of 1 %."""
    config = SimulationConfig(tracker_material=False, max_shower_spots=max_spots)
    measured = energy_sum(fire(22, 50.0, 700, config=config)[1].hits)
    assert measured.std() / measured.mean() == pytest.approx(
        np.hypot(0.16 / 50**0.5, 0.01), rel=0.1
    )


def test_photons_stay_in_the_ecal_and_their_depth_grows_with_the_logarithm_of_the_energy():
    depths = []
    for energy in (1.0, 10.0, 100.0):
        hits = fire(22, energy, 150)[1].hits
        assert energy_sum(hits, HCAL).mean() < 0.03 * energy
        ecal = hits.select(hits.subdetector == ECAL)
        depths.append(np.average(ecal.layer, weights=ecal.energy_em))
    # a factor of ten is ln 10 radiation lengths; a layer group is 2.2 of them
    assert np.diff(depths) == pytest.approx(np.log(10) / 2.2, rel=0.25)


def test_half_of_the_energy_of_a_photon_is_within_a_third_of_a_moliere_radius():
    """And 90 % within one, to the size of a cell: the definition of the Moliere radius."""
    particles, result = fire(22, 20.0, 200)
    hits = result.hits
    axis = np.stack([particles.px, particles.py, particles.pz], axis=1)[hits.event_index]
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(float)
    along = (place * axis).sum(axis=1)
    distance = np.linalg.norm(place - along[:, None] * axis, axis=1)
    within = [
        hits.energy_em[distance < radius].sum() / hits.energy_em.sum()
        for radius in (7.0, 20.0, 50.0)
    ]
    assert 0.35 < within[0] < 0.75
    assert within[1] == pytest.approx(0.90, abs=0.04)
    assert within[2] > 0.97


@pytest.mark.parametrize(
    ("energy", "response", "resolution"),
    [(5.0, 0.72, 0.30), (20.0, 0.78, 0.142), (50.0, 0.80, 0.115)],
)
def test_neutral_kaons_before_compensation(energy, response, resolution):
    """The response is Geant4's. The resolution, which fits that published after compensation, is
    not: Geant4's is 0.28 at 5 GeV and 0.08 at 50 GeV."""
    measured = energy_sum(fire(130, energy, 700)[1].hits) / energy
    assert measured.mean() == pytest.approx(response, abs=0.03)
    assert measured.std() / measured.mean() == pytest.approx(resolution, rel=0.15)


def test_the_response_to_hadrons_is_below_that_to_photons_and_rises_with_energy():
    response = [energy_sum(fire(130, e, 500)[1].hits).mean() / e for e in (2.0, 10.0, 50.0)]
    assert (np.diff(response) > 0.02).all()
    assert max(response) < 0.9


def test_a_slow_antineutron_deposits_more_than_a_slow_neutron():
    """A neutron keeps its mass, an antineutron releases it together with that of a nucleon."""
    neutron = energy_sum(fire(2112, 2.0, 300)[1].hits).mean()
    antineutron = energy_sum(fire(-2112, 2.0, 300)[1].hits).mean()
    assert antineutron - neutron == pytest.approx(2 * 0.94 * 0.72, rel=0.25)


def test_muons_are_minimum_ionising():
    hits = fire(13, 20.0, 200)[1].hits
    # 40 ECAL layers of 5.5 MeV, 60 HCAL layers of 24.5 MeV: most probable values. The median of
    # the sum is larger, because of delta electrons (most in thin silicon) and of the slant.
    for subdetector, minimum, excess in ((ECAL, 40 * 0.0055, 1.35), (HCAL, 60 * 0.0245, 1.05)):
        measured = np.median(energy_sum(hits, subdetector))
        assert excess * minimum < measured < 1.25 * excess * minimum
    assert hits.counts.mean() == pytest.approx(51, rel=0.1)


def test_the_first_interaction_of_hadrons_is_exponential_in_depth():
    """A baryon crosses the ECAL without interaction with probability exp(-depth/lambda). Up to 10 %
    of those that do leave energy in the ECAL all the same: neutrons scatter back from the HCAL."""
    result = fire(2112, 10.0, 3000, (-0.05, 0.05))[1]
    punched = (energy_sum(result.hits, ECAL) < 0.1).mean()
    expected = np.exp(-CLIC.ecal.depth / CLIC.ecal.interaction_length)
    assert expected - 0.10 < punched < expected


def test_photons_start_deeper_than_electrons():
    """By the mean free path of pair production, 9/7 of a radiation length."""
    depths = []
    for pdg_id in (22, 11):
        hits = fire(pdg_id, 10.0, 1500, (-0.05, 0.05))[1].hits
        ecal = hits.select(hits.subdetector == ECAL)
        depths.append(np.average(ecal.layer, weights=ecal.energy_em))
    layers_per_radiation_length = CLIC.ecal.radiation_length / CLIC.ecal.group_thickness
    assert depths[0] - depths[1] == pytest.approx(9 / 7 * layers_per_radiation_length, rel=0.15)


def test_tracks_have_the_resolution_of_the_detector():
    """1/pt to 2.5e-5 /GeV at 100 GeV, d0 to 5 um; all signs are those of LCIO."""
    particles, result = fire(13, 100.0, 4000, (-0.2, 0.2))
    tracks, rows = result.tracks, result.tracks.event_index
    pt = np.hypot(particles.px, particles.py)[rows]
    assert (1 / tracks.pt - 1 / pt).std() == pytest.approx(2.5e-5, rel=0.1)
    assert tracks.d0.std() == pytest.approx(0.005, rel=0.1)
    assert tracks.z0.std() == pytest.approx(0.005, rel=0.1)
    assert len(tracks) / 4000 == pytest.approx(0.995, abs=0.005)
    phi = np.arctan2(particles.py, particles.px)[rows]
    assert np.angle(np.exp(1j * (tracks.phi - phi))).std() < 1e-4


def test_forward_tracks_have_the_momentum_resolution_of_the_full_simulation():
    """8.56e-5 pt (+) 0.0149 for abs(eta) in 1.32-1.74, of the fits to full simulation."""
    for momentum, term in ((10.0, 0.0149), (1000.0, 8.56e-5)):
        particles, result = fire(13, momentum, 2500, (0.90, 0.93))
        pt = np.hypot(particles.px, particles.py)[result.tracks.event_index]
        width = (result.tracks.charge * particles.charge[0] * pt / result.tracks.pt).std()
        expected = np.hypot(8.56e-5 * pt.mean(), 0.0149)
        assert expected == pytest.approx(term * (1 if momentum == 10.0 else pt.mean()), rel=0.1)
        assert width == pytest.approx(expected, rel=0.06)


def test_the_momentum_resolution_of_electrons_is_worse_than_that_of_muons():
    width = []
    for pdg_id in (13, 11):
        particles, result = fire(pdg_id, 5.0, 2000, (-0.1, 0.1))
        pt = np.hypot(particles.px, particles.py)[result.tracks.event_index]
        width.append((result.tracks.pt / pt - 1).std())
    assert width[1] / width[0] == pytest.approx(1.4, rel=0.08)


def test_with_material_fewer_pions_and_some_photons_have_tracks():
    num = 2000
    material = SimulationConfig()
    assert len(fire(211, 5.0, num)[1].tracks) > len(
        (found := fire(211, 5.0, num, config=material)[1]).tracks.select(
            found.track_particles.is_primary == 1
        )
    )
    photons = fire(22, 5.0, num, config=material)[1]
    assert 0.05 < (photons.tracks.counts > 0).mean() < 0.2


def test_content_of_top_pair_events():
    """Tracks within 15 % of the reference study, 49 per event. Its showers were narrower and made
    4130 hits, 78 % in the ECAL; with the hits per GeV of Geant4 there are 4700 and 82 %."""
    events = concatenate_events(list(generate(GenerationConfig("ttbar", 60, 21))))
    result = simulate(events.particles, events.event_id)
    assert result.hits.counts.mean() == pytest.approx(4700, rel=0.10)
    assert result.tracks.counts.mean() == pytest.approx(49, rel=0.15)
    ecal = (result.hits.subdetector == ECAL).mean()
    assert ecal == pytest.approx(0.82, abs=0.03)


GEANT4_SHOWERS = {
    # (pdg id, energy [GeV]): ECAL and HCAL hits per GeV, share of the ECAL, radius with 90 % [mm]
    (22, 1.0): (27.9, None, 0.998, 24.3),
    (22, 10.0): (14.2, None, 0.993, 23.4),
    (130, 2.0): (10.1, 3.96, 0.581, 220.0),
    (130, 10.0): (7.7, 4.64, 0.452, 194.0),
    (130, 50.0): (None, 4.27, None, 165.0),
    (2112, 5.0): (5.9, 3.64, 0.484, 264.0),
}
"""Showers in Geant4 11.4 (FTFP_BERT; deposits within 10 ns) in the barrel, abs(cos theta) < 0.3,
with the same cells and thresholds; None where a shower measures it too badly."""


@pytest.mark.parametrize(("pdg_id", "energy"), GEANT4_SHOWERS)
def test_showers_look_like_those_of_geant4(pdg_id, energy):
    """Within 10 % for photons and 25 % for hadrons, of which 5 % for the statistics of both."""
    num = int(max(3000 / energy, 150))
    particles, result = fire(pdg_id, energy, num, (-0.3, 0.3))
    hits = result.hits
    in_ecal = hits.subdetector == ECAL
    axis = np.stack([particles.px, particles.py, particles.pz], axis=1)[hits.event_index]
    axis /= np.linalg.norm(axis, axis=1)[:, None]
    place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(float)
    distance = np.linalg.norm(place - (place * axis).sum(axis=1)[:, None] * axis, axis=1)
    order = np.argsort(distance)
    within = np.cumsum(hits.energy_em[order]) / hits.energy_em.sum()
    measured = (
        in_ecal.sum() / num / energy,
        (~in_ecal).sum() / num / energy,
        hits.energy_em[in_ecal].sum() / hits.energy_em.sum(),
        distance[order][np.searchsorted(within, 0.9)],
    )
    tolerance = 0.10 if pdg_id == 22 else 0.25
    for value, expected in zip(measured, GEANT4_SHOWERS[pdg_id, energy], strict=True):
        if expected is not None:
            assert value == pytest.approx(expected, rel=tolerance)


def test_the_energy_that_a_muon_deposits_fluctuates_as_in_geant4():
    """By 20 % from delta electrons and radiation, most of it in few muons."""
    measured = energy_sum(fire(13, 10.0, 1000, (-0.3, 0.3))[1].hits)
    low, median, high = np.percentile(measured, [25, 50, 75])
    assert (high - low) / 1.349 / median == pytest.approx(0.148, rel=0.2)
    assert 0.15 < measured.std() / measured.mean() < 0.35


@pytest.mark.parametrize("energy", [5.0, 10.0, 20.0])
def test_neutral_kaons_are_measured_as_well_as_in_the_full_simulation(energy):
    """Within 20 % of the fit to CLICdet's; below 5 GeV the 1/E term of that fit is not physical."""
    particles, result = fire(130, energy, 1500)
    hits = result.hits
    sums = bin_sums(hits.energy_em, hits.subdetector, hits.event_index, len(particles))
    low, median, high = np.percentile(load_hadron_scale(CLIC).energy(sums), [25, 50, 75])
    expected = float(neutral_hadron_resolution(energy))
    assert (high - low) / 1.349 / median == pytest.approx(expected, rel=0.20)


@pytest.mark.parametrize("cos_theta", [(-0.7, 0.7), (0.85, 0.95)])
@pytest.mark.parametrize(("pdg_id", "energy"), [(130, 20.0), (13, 20.0)])
def test_the_last_layer_of_the_ecal_has_no_excess_of_energy(pdg_id, energy, cos_theta):
    """Behind the ECAL a shower deposits its energy in the HCAL, not in the gap in front of it."""
    num = 1500
    hits = fire(pdg_id, energy, num, cos_theta)[1].hits
    hits = hits.select(hits.subdetector == ECAL)
    profile = np.bincount(hits.layer, hits.energy_em.astype(float), CLIC.ecal.num_groups)
    assert profile[-1] / profile[-3:-1].mean() == pytest.approx(1.0, abs=0.08)


def test_muons_deposit_as_much_inside_the_radius_of_the_ring_as_elsewhere():
    """The ring's inner side is a gap only as far as the ring is long."""
    slanted = (0.86, 0.90)  # crosses the radius between ECAL endcap and ring inside the HCAL
    measured = [
        np.median(energy_sum(fire(13, 20.0, 300, cos)[1].hits, HCAL) * np.mean(cos))
        for cos in (slanted, (0.95, 0.97))
    ]
    assert measured[0] == pytest.approx(measured[1], rel=0.04)
