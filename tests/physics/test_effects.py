"""Physics of the detector effects that the plain simulation lacks, one at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL, MUON
from partflow.core.features import element_index_of_clusters
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, concatenate_events
from partflow.core.schemas import PARTICLES
from partflow.generate import GenerationConfig, Gun, generate
from partflow.pipeline import label_events, simulate_events
from partflow.pipeline.element_sets import ElementSets
from partflow.reconstruct.parameters import for_noise
from partflow.simulate import SimulationConfig, realistic, simulate
from partflow.simulate.tracker.bremsstrahlung import fitted_pt, radiate
from partflow.simulate.tracker.decays import decay, decay_lengths, end_by_decay, two_body
from partflow.simulate.tracker.flights import NO_END, NO_SUCCESSOR, Decay, Species, flights_of
from partflow.simulate.tracker.tracker_material import tracker_material

GEOMETRY = CLIC.geometry()
MATERIAL = tracker_material(CLIC)
PLAIN = SimulationConfig(tracker_material=False)
LIGHT = 299.792458  # mm/ns
CENTRAL = (-0.05, 0.05)


def fired(pdg_id, energy, num, cos_theta=CENTRAL):
    gun = Gun(pdg_id, (energy, energy), cos_theta)
    return concatenate_events(list(generate(GenerationConfig("gun", num, 8, gun=gun))))


def seen(pdg_id, energy, num, cos_theta=CENTRAL, **effects):
    events = fired(pdg_id, energy, num, cos_theta)
    return simulate(events.particles, events.event_id, CLIC, replace(PLAIN, **effects))


def together(particles):
    """All particles as one event."""
    return Collection(PARTICLES, np.array([0, len(particles)]), particles.columns)


def decayed(pdg_id, energy, num):
    flights = flights_of(together(fired(pdg_id, energy, num).particles))
    ended = end_by_decay(np.random.default_rng(1), flights, GEOMETRY, decay_lengths())
    return ended, decay(np.random.default_rng(2), ended, GEOMETRY.bending)


@pytest.mark.parametrize(
    ("pdg_id", "mass", "c_tau"), [(211, 0.13957, 7804.5), (-321, 0.49368, 3711.0)]
)
def test_mesons_decay_in_flight_with_their_lifetimes(pdg_id, mass, c_tau):
    num, energy = 30_000, 1.5
    ended, _ = decayed(pdg_id, energy, num)
    momentum = math.sqrt(energy**2 - mass**2)
    radius = momentum / GEOMETRY.bending
    length = 2 * radius * math.asin(1500.0 / (2 * radius))  # on its circle to the ECAL
    expected = 1 - math.exp(-mass * length / (momentum * c_tau))
    found = (ended["decay"] != Decay.NONE).mean()
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / num) + 0.002 * expected)
    assert ((ended["end"] < NO_END) == (ended["decay"] != Decay.NONE)).all()


def test_muons_from_pions_have_at_least_the_mass_ratio_squared_of_their_energy():
    """Their energy is uniform: an isotropic two-body decay of a relativistic pion."""
    ended, flights = decayed(211, 5.0, 40_000)
    muons = flights[len(ended) :]
    assert (muons["species"] == Species.MUON).all()
    assert len(muons) == (ended["decay"] != Decay.NONE).sum() > 150
    share, least = muons["energy"] / 5.0, (0.1056584 / 0.1395704) ** 2
    assert least - 1e-3 < share.min() < share.max() < 1.0 + 1e-9
    assert share.mean() == pytest.approx((1 + least) / 2, abs=4 * 0.123 / math.sqrt(len(muons)))
    assert not muons["is_primary"].any()
    assert (muons["charge"] == 1).all()


def test_kaons_have_their_branching_fractions_and_lose_only_neutrinos():
    ended, flights = decayed(321, 2.0, 30_000)
    is_decayed = ended["decay"] == Decay.KAON
    num, daughters = is_decayed.sum(), flights[len(ended) :]
    origin = daughters["origin"]
    visible = np.bincount(origin, daughters["energy"], len(ended))[is_decayed]
    pions = np.bincount(origin[daughters["mass"] > 0.12], minlength=len(ended))[is_decayed]
    muons = np.bincount(origin[daughters["species"] == Species.MUON], minlength=len(ended))
    photons = np.bincount(origin[daughters["species"] == Species.PHOTON], minlength=len(ended))
    has_all = np.isclose(visible, 2.0, rtol=1e-9)
    for found, expected in (
        (has_all, 0.2067 + 0.0558 + 0.0176),
        (pions == 3, 0.0558),
        ((muons == 1)[is_decayed] & (photons == 0)[is_decayed], 0.6356),
        ((photons == 4)[is_decayed], 0.0176),
    ):
        assert found.mean() == pytest.approx(expected, abs=4 * math.sqrt(expected / num))
    assert visible.max() < 2.0 + 1e-9
    charge = np.bincount(origin, daughters["charge"], len(ended))[is_decayed]
    assert (charge == 1).all()


@pytest.mark.parametrize("cos_theta", [0.0, 0.6])
def test_the_energy_of_electrons_falls_exponentially_with_the_thickness(cos_theta):
    """Their mean energy, in radiation lengths: the definition of a radiation length."""
    num, energy = 20_000, 50.0
    flights = flights_of(together(fired(11, energy, num, (cos_theta, cos_theta)).particles))
    after = radiate(np.random.default_rng(3), flights, GEOMETRY, MATERIAL)
    last = after["successor"] == NO_SUCCESSOR
    kept = after[last & (after["species"] == Species.ELECTRON)]
    assert len(kept) == num
    share = kept["energy"] / energy
    thickness = 0.12 / math.sqrt(1 - cos_theta**2)
    assert share.mean() == pytest.approx(math.exp(-thickness), abs=4 * share.std() / math.sqrt(num))
    photons = after[after["species"] == Species.PHOTON]
    radiated = np.bincount(photons["origin"], photons["energy"], num)
    np.testing.assert_allclose(radiated[kept["origin"]] + kept["energy"], energy, rtol=1e-9)


def test_a_fit_finds_a_curvature_between_those_before_and_after_radiation():
    """The curvature is that of a parabola fitted to evenly spaced points of the track."""
    flights = flights_of(together(fired(11, 50.0, 3000).particles))
    after = radiate(np.random.default_rng(4), flights, GEOMETRY, MATERIAL)
    once = [
        i
        for i in range(3000)
        if (follower := after["successor"][i]) != NO_SUCCESSOR
        and after["successor"][follower] == NO_SUCCESSOR
    ]
    assert len(once) > 300
    end = CLIC.tracker.layer_radii[-1]
    for i in once[:200]:
        part = after[after["successor"][i]]
        before, behind = (1 / np.hypot(p["px"], p["py"]) for p in (after[i], part))
        turn = np.hypot(part["x"], part["y"])
        s = np.linspace(0.0, end, 2001)
        sagitta = 0.5 * before * s**2 + 0.5 * (behind - before) * np.maximum(s - turn, 0.0) ** 2
        curvature = 2 * np.polyfit(s, sagitta, 2)[0]
        assert 1 / fitted_pt(after, i, end, GEOMETRY) == pytest.approx(curvature, rel=2e-3)


def test_radiation_gives_electron_tracks_a_tail_but_leaves_the_energy_in_the_ecal():
    num = 1500
    result = seen(11, 20.0, num, (-0.5, 0.5), bremsstrahlung=True)
    plain = seen(11, 20.0, num, (-0.5, 0.5))
    sine = [np.cos(np.arctan(r.tracks.tan_lambda)) for r in (result, plain)]
    lost, kept = result.tracks.pt < 18.0 * sine[0], plain.tracks.pt < 18.0 * sine[1]
    assert lost.mean() > 0.15 > 0.01 > kept.mean()
    energy = np.bincount(result.hits.event_index, result.hits.energy_em, num)
    assert energy.mean() == pytest.approx(20.0, rel=0.02)
    assert result.tracks.counts.max() == 1  # all parts of an electron are one track
    assert len(result.tracks) == pytest.approx(len(plain.tracks), abs=15)


def test_the_number_of_noise_hits_is_that_of_the_tail_of_a_gaussian():
    """Number of cells x erfc; the number of cells follows from the areas of the layers."""
    num, noise = 200, {"noise_ecal": 0.5 / 4.2, "noise_hcal": 0.3 / 4.2}
    nothing = Collection.empty(PARTICLES, num)
    result = simulate(nothing, np.arange(num), CLIC, replace(PLAIN, **noise))
    assert len(result.contributions) == 0
    probability = 0.5 * math.erfc(4.2 / math.sqrt(2))
    ecal, hcal = CLIC.ecal, CLIC.hcal
    radii = ecal.inner_radius + (np.arange(10) + 0.5) * ecal.group_thickness
    area = (2 * math.pi * radii * 2 * ecal.endcap_z).sum()
    area += 10 * 2 * math.pi * (1721.0**2 - 250.0**2)
    expected = {ECAL: area / ecal.cell_size**2}
    radii = hcal.inner_radius + (np.arange(15) + 0.5) * hcal.group_thickness
    area = (2 * math.pi * radii * 2 * ecal.endcap_z).sum()
    area += 15 * 2 * math.pi * (3330.0**2 - 250.0**2) + 2 * 2 * math.pi * (3330.0**2 - 1721.0**2)
    expected[HCAL] = area / hcal.cell_size**2
    for part, calorimeter in ((ECAL, ecal), (HCAL, hcal)):
        hits = result.hits.select(result.hits.subdetector == part)
        mean = expected[part] * probability
        assert len(hits) / num == pytest.approx(mean, abs=4 * math.sqrt(mean / num))
        assert (hits.energy_em > calorimeter.threshold).all()
        assert (hits.energy_em < 1.7 * calorimeter.threshold).all()


def test_noise_smears_the_hits_of_particles_by_its_width():
    result = seen(22, 10.0, 100, noise_ecal=0.1)
    hits, parts = result.hits, result.contributions
    without_noise = np.bincount(
        hits.flat_index(parts.event_index, parts.hit_index), parts.energy_em, len(hits)
    )
    clear = (without_noise > 3 * CLIC.ecal.threshold) & (hits.subdetector == ECAL)
    difference = (hits.energy_em - without_noise)[clear]
    width = 0.1 * CLIC.ecal.mip_energy
    assert difference.std() == pytest.approx(width, rel=0.05)
    assert abs(difference.mean()) < 4 * width / math.sqrt(clear.sum())


@pytest.mark.parametrize("cos_theta", [CENTRAL, (0.6, 0.9)])
def test_no_hit_is_earlier_than_light_from_the_collision(cos_theta):
    for pdg_id in (22, 211, 2212):
        hits = seen(pdg_id, 5.0, 100, cos_theta, hit_times=True).hits
        distance = np.sqrt(hits.x.astype(float) ** 2 + hits.y.astype(float) ** 2 + hits.z**2)
        late = hits.time - distance / LIGHT
        assert late.min() > -1e-5
        if pdg_id == 22:
            assert np.median(late) < 0.02
            assert late.max() < 1.0
        else:  # a tenth is late, by 8 ns on average
            assert (late > 5).mean() == pytest.approx(0.1 * math.exp(-5 / 8), abs=0.015)


def test_hits_of_slow_particles_are_later():
    """A proton of 1.2 GeV flies at 0.62 of the speed of light, on a circle to the ECAL."""
    energy, mass = 1.3, 0.938272
    hits = seen(2212, energy, 300, hit_times=True).hits
    momentum = math.sqrt(energy**2 - mass**2)
    radius = momentum / GEOMETRY.bending
    length = 2 * radius * math.asin(1500.0 / (2 * radius))
    assert hits.time.min() > length * energy / momentum / LIGHT
    assert np.percentile(hits.time, 20) == pytest.approx(
        length * energy / momentum / LIGHT, abs=0.5
    )


def test_measured_times_have_the_configured_resolution():
    exact, measured = (
        seen(22, 10.0, 200, hit_times=True, hit_time_resolution=w).hits for w in (0.0, 0.5)
    )
    assert (measured.time - exact.time).std() == pytest.approx(0.5, rel=0.05)


def test_hits_of_a_muon_in_the_yoke_are_on_a_line_and_pions_do_not_cross_it():
    num = 400
    muons = seen(13, 20.0, num, (-0.5, 0.5), yoke_hits=True)
    hits = muons.hits.select(muons.hits.subdetector == MUON)
    assert hits.counts.mean() == pytest.approx(6 * 0.95, abs=0.08)
    place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(float)
    residuals = []
    for start, stop in zip(hits.offsets[:-1], hits.offsets[1:], strict=True):
        if stop - start > 3:
            spread = np.linalg.svd(place[start:stop] - place[start:stop].mean(0))[1]
            residuals.append(math.hypot(*spread[1:]) / math.sqrt(stop - start))
    assert np.median(residuals) < CLIC.yoke.cell_size / 2
    radius = np.hypot(hits.x, hits.y)
    assert (radius > CLIC.yoke.inner_radius).all()
    assert (radius < CLIC.yoke.outer_radius).all()
    pions = seen(211, 20.0, 2000, (-0.5, 0.5), yoke_hits=True)
    counted = [np.bincount(r.tracks.num_yoke_hits >= 4, minlength=2) for r in (muons, pions)]
    assert counted[0][1] / len(muons.tracks) > 0.97
    assert counted[1][1] == 0
    assert (pions.hits.subdetector == MUON).any()


def test_slow_muons_stop_before_the_yoke_or_in_it():
    def layers(energy):
        hits = seen(13, energy, 300, yoke_hits=True).hits
        return (hits.subdetector == MUON).sum() / 300

    assert layers(3.5) == 0
    assert 1.0 < layers(4.5) < 3.5 < 5.4 < layers(8.0)


def test_a_track_counts_the_yoke_hits_near_it_and_not_those_of_other_tracks():
    both = seen(13, 10.0, 300, (-0.5, 0.5), yoke_hits=True)
    in_yoke = (both.hits.subdetector == MUON).astype(float)
    num_hits = np.bincount(both.hits.event_index, in_yoke, 300)[both.tracks.event_index]
    assert (both.tracks.num_yoke_hits <= num_hits).all()
    assert both.tracks.num_yoke_hits.sum() / num_hits.sum() > 0.97
    muon, pion = (fired(kind, 10.0, 200, (-0.5, 0.5)).particles for kind in (13, 211))
    columns = {
        name: np.stack([values, pion.columns[name]], axis=1).ravel()
        for name, values in muon.columns.items()
    }
    pairs = Collection(PARTICLES, 2 * np.arange(201), columns)
    result = simulate(pairs, np.arange(200), CLIC, replace(PLAIN, yoke_hits=True))
    is_pion = result.track_particles.particle_index == 1
    assert (result.tracks.num_yoke_hits[is_pion] >= 4).mean() < 0.05
    assert (result.tracks.num_yoke_hits[~is_pion] >= 4).mean() > 0.95


def test_the_daughters_of_a_decay_have_their_masses_and_share_the_momentum():
    rng, mass = np.random.default_rng(5), 0.49368
    whole = (1.0, -2.0, 3.0, math.sqrt(14.0 + mass**2))
    for _ in range(50):
        daughters = np.array(two_body(rng, whole, mass, 0.13957, 0.2))
        np.testing.assert_allclose(daughters.sum(axis=0), whole, rtol=1e-12)
        found = np.sqrt(daughters[:, 3] ** 2 - (daughters[:, :3] ** 2).sum(axis=1))
        assert found == pytest.approx([0.13957, 0.2], rel=1e-9)


def test_a_layer_without_a_hit_is_not_counted_because_of_its_neighbour():
    dense = replace(CLIC, yoke=replace(CLIC.yoke, num_layers=60, efficiency=0.5))
    events = fired(13, 40.0, 60, (-0.5, 0.5))
    setting = replace(PLAIN, yoke_hits=True)
    result = simulate(events.particles, events.event_id, dense, setting)
    num_hits = (np.add.reduceat(result.hits.subdetector == MUON, result.hits.offsets[:-1]))[
        result.tracks.event_index
    ]
    assert num_hits.mean() == pytest.approx(30, abs=2)
    assert (result.tracks.num_yoke_hits <= num_hits).all()


def test_isolated_noise_hits_are_not_clustered_and_shares_still_sum_to_the_energy():
    (generated,) = generate(GenerationConfig("qq", 4, seed=3))
    events = simulate_events(generated, CLIC, realistic())
    events = ElementSets(CLIC, for_noise()).add(events, ["fine"])
    assert events.fine_clusters.num_hits.min() == 2
    for hit_clusters in (events.hit_clusters, events.fine_hit_clusters):
        assert np.any((hit_clusters.cluster_index < 0) & (events.hits.subdetector != MUON))
    for elements in ("final", "fine"):
        labelled, _ = label_events(events, element_set=elements)
        shares = labelled.shares
        row = labelled.elements.flat_index(shares.event_index, shares.cluster_element)
        shared = np.bincount(row, shares.energy_em, len(labelled.elements))
        name = "clusters" if elements == "final" else "fine_clusters"
        element = element_index_of_clusters(events.tracks, events.collections[name])
        np.testing.assert_allclose(shared[element], events.collections[name].energy_em, rtol=1e-5)
