"""Statements about the rule-based baseline on simulated particles.

Reference values: the chain's prototype study (single particles, uds and ttbar events).
"""

import numpy as np
import pytest

from partflow.core.detector import CLIC
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, PHOTON, is_neutrino
from partflow.core.records import concatenate_events
from partflow.generate import GenerationConfig, Gun, generate
from partflow.reconstruct import reconstruct
from partflow.simulate import SimulationConfig, simulate

CENTRAL = (-0.7, 0.7)


def walk(config):
    """Particles, what the detector saw of them, and what the baseline made of it."""
    events = concatenate_events(list(generate(config)))
    seen = simulate(events.particles, events.event_id, CLIC, SimulationConfig())
    return events.particles, seen, reconstruct(seen.hits, seen.tracks, CLIC)


def fire(pdg_id, energy, num=300):
    return walk(GenerationConfig("gun", num, 21, gun=Gun(pdg_id, (energy, energy), CENTRAL)))


def energy_sum(candidates, chosen=True):
    """Energy of the (chosen) candidates of each event [GeV]."""
    weight = candidates.energy * chosen
    return np.bincount(candidates.event_index, weight, candidates.num_events)


def median_and_width(values):
    """Median, and half width of the central 68 % relative to it, from the quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return median, (high - low) / 1.349 / median


@pytest.mark.parametrize(("energy", "width"), [(2.0, 0.115), (10.0, 0.052), (50.0, 0.022)])
def test_photons_are_photons_of_their_energy(energy, width):
    candidates = fire(PHOTON, energy, 400)[2].candidates
    median, found = median_and_width(energy_sum(candidates) / energy)
    assert median == pytest.approx(1.0, abs=0.02)
    assert found == pytest.approx(width, rel=0.25)
    as_photon = energy_sum(candidates, candidates.pdg_id == PHOTON).sum()
    # one in ten converts in the tracker, and the electrons' tracks are found as such or not
    assert as_photon > 0.8 * energy_sum(candidates).sum()


@pytest.mark.parametrize(("energy", "width"), [(5.0, 0.31), (20.0, 0.12)])
def test_neutral_hadrons_keep_their_energy(energy, width):
    median, found = median_and_width(energy_sum(fire(130, energy)[2].candidates) / energy)
    assert median == pytest.approx(1.0, abs=0.06)
    assert found == pytest.approx(width, rel=0.25)


@pytest.mark.parametrize("energy", [5.0, 20.0])
def test_a_charged_hadrons_shower_is_not_counted_again(energy):
    """Its track has its energy; what is called neutral beside it is a few percent.

    The mean is made by one pion in ten, so it takes many to know it.
    """
    _, _, result = fire(211, energy, 1500)
    neutral = energy_sum(result.candidates, result.candidates.charge == 0)
    assert neutral.mean() < 0.06 * energy
    assert np.median(energy_sum(result.candidates)) == pytest.approx(energy, rel=0.01)


@pytest.mark.parametrize(("pdg_id", "kind"), [(11, ELECTRON), (13, MUON), (211, CHARGED_HADRON)])
def test_charged_particles_are_told_apart(pdg_id, kind):
    candidates = fire(pdg_id, 20.0, 200)[2].candidates
    charged = candidates.select(candidates.charge != 0)
    assert np.mean(charged.pdg_id == kind) > 0.9


@pytest.fixture(scope="module")
def ttbar():
    return walk(GenerationConfig("ttbar", 80, 22))


def test_clusters_of_ttbar_events(ttbar):
    _, seen, result = ttbar
    assert result.clusters.counts.mean() == pytest.approx(131, rel=0.15)
    assert np.all(result.hit_clusters.cluster_index >= 0)
    assert len(result.hit_clusters) == len(seen.hits)


def test_charged_hits_are_with_their_track(ttbar):
    """Nine tenths of what a charged hadron with a track deposits is in the track's cluster."""
    particles, seen, result = ttbar
    truth, links = seen.contributions, seen.track_particles
    particle = particles.flat_index(truth.event_index, truth.particle_index)
    cluster = result.hit_clusters.cluster_index[
        seen.hits.flat_index(truth.event_index, truth.hit_index)
    ]
    own_cluster = np.full(len(particles), -1)
    found = result.candidates.select(result.candidates.track_index >= 0)
    track = seen.tracks.flat_index(found.event_index, found.track_index)
    is_own = links.is_primary[track] == 1
    owner = particles.flat_index(found.event_index, links.particle_index[track])[is_own]
    own_cluster[owner] = found.cluster_index[is_own]
    has_cluster = own_cluster[particle] >= 0
    is_hadron = np.abs(particles.pdg_id[particle]) > 100
    energy = truth.energy_em * (has_cluster & is_hadron)
    together = energy[cluster == own_cluster[particle]].sum()
    assert 0.85 < together / energy.sum() < 1.0


def test_particle_flow_measures_jets_better_than_the_calorimeter():
    """Total energy of two light-quark jets at the Z: 3.3 % beside 5.2 % in the prototype."""
    particles, _, result = walk(GenerationConfig("uds", 150, 23, energy=91.2))
    is_seen = ~is_neutrino(particles.pdg_id)
    truth = np.bincount(particles.event_index, particles.energy * is_seen, particles.num_events)
    clusters = result.clusters
    calorimeter = np.bincount(clusters.event_index, clusters.energy_hadronic, clusters.num_events)
    median, flow = median_and_width(energy_sum(result.candidates) / truth)
    assert median == pytest.approx(1.0, abs=0.03)
    assert flow < 0.8 * median_and_width(calorimeter / truth)[1]
