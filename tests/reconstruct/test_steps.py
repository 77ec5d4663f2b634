"""The steps of the clustering one by one, each on the simplest event that needs it."""

from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import HCAL
from partflow.core.known_detectors import CLIC
from partflow.core.particles import CHARGED_HADRON, ELECTRON, KAON0_MASS, NEUTRAL_HADRON, PHOTON
from partflow.core.records import Collection
from partflow.core.schemas import TRACKS
from partflow.reconstruct import BaselineConfig, reconstruct

NO_TRACKS = Collection.empty(TRACKS, 1)
CONFIG = BaselineConfig()
NO_FRAGMENTS = replace(CONFIG, fragments=replace(CONFIG.fragments, sweeps=0))


def hcal_blob(toy, phi=0.5, first_layer=0, shower=1.0):
    """The shower of a hadron without the track of its hits before: four layers of the HCAL."""
    return toy.hadron(1.4, phi, first_layer, shower)[-36:]


def candidates(toy, rows, tracks=NO_TRACKS, config=CONFIG):
    return reconstruct(toy.hits(rows), tracks, CLIC, config).candidates


def test_energy_above_the_momentum_is_split_off_even_from_a_single_shower(toy):
    rows = toy.hadron(shower=8.0)
    energy = toy.hadronic_energy(rows)
    tracks = toy.tracks([(energy / 2, 1.4, 0.5)])
    result = candidates(toy, rows, tracks)
    neutral = result.select(result.charge == 0)
    assert neutral.energy.sum() == pytest.approx(energy / 2, rel=0.25)


def test_a_cluster_whose_energy_agrees_with_the_momentum_is_not_split(toy):
    rows = toy.hadron(shower=8.0)
    tracks = toy.tracks([(0.9 * toy.hadronic_energy(rows), 1.4, 0.5)])
    assert np.all(candidates(toy, rows, tracks).charge != 0)


def test_a_track_without_hits_gets_the_cluster_in_front_of_it(toy):
    """55 mm from the line is too far for the cone of the track and near enough for recovery."""
    rows = toy.hadron(phi=0.5 + 55 / 1500)
    tracks = toy.tracks([(toy.hadronic_energy(rows), 1.4, 0.5)])
    strict = replace(
        NO_FRAGMENTS, association=replace(NO_FRAGMENTS.association, recovery_distance=10.0)
    )
    assert len(candidates(toy, rows, tracks, NO_FRAGMENTS)) == 1
    assert len(candidates(toy, rows, tracks, strict)) == 2


def test_a_fragment_joins_the_track_that_lacks_its_energy(toy):
    shower, fragment = toy.hadron(first_layer=1), hcal_blob(toy, 0.62, 5)
    momentum = toy.hadronic_energy(shower + fragment)
    tracks = toy.tracks([(momentum, 1.4, 0.5)])
    assert len(candidates(toy, shower + fragment, tracks)) == 1
    assert len(candidates(toy, shower + fragment, tracks, NO_FRAGMENTS)) == 2


def test_a_cluster_with_more_energy_than_the_track_lacks_is_no_fragment(toy):
    shower, other = toy.hadron(first_layer=1), hcal_blob(toy, 0.62, 5, shower=3.0)
    tracks = toy.tracks([(toy.hadronic_energy(shower), 1.4, 0.5)])
    assert len(candidates(toy, shower + other, tracks)) == 2


def test_leakage_behind_a_photon_joins_the_photon(toy):
    photon, leakage = toy.photon(20.0), hcal_blob(toy, shower=0.3)
    result = candidates(toy, photon + leakage)
    assert result.pdg_id.tolist() == [PHOTON]
    assert result.energy[0] == pytest.approx(20.0 + sum(row[1] for row in leakage), rel=1e-5)


def test_a_hadron_behind_a_photon_is_not_its_leakage(toy):
    displaced = candidates(toy, toy.photon(20.0) + hcal_blob(toy, phi=0.6, shower=0.3))
    harder = candidates(toy, toy.photon(20.0) + hcal_blob(toy, shower=2.0))
    assert sorted(displaced.pdg_id.tolist()) == [PHOTON, NEUTRAL_HADRON]
    assert sorted(harder.pdg_id.tolist()) == [PHOTON, NEUTRAL_HADRON]


@pytest.mark.parametrize(("angle", "num"), [(0.08, 1), (0.2, 2)])
def test_neutral_clusters_merge_if_their_hits_are_near(toy, angle, num):
    rows = hcal_blob(toy, shower=2.0) + hcal_blob(toy, 0.5 + angle)
    assert len(candidates(toy, rows)) == num


def test_a_cluster_too_soft_to_be_a_peak_may_still_be_a_photon(toy):
    result = candidates(toy, toy.photon(0.23))
    assert result.pdg_id.tolist() == [PHOTON]
    assert result.energy[0] == pytest.approx(0.23, rel=1e-5)


def test_a_soft_cluster_joins_its_neighbour(toy):
    single = (toy.layer_point(HCAL, 4, 1.4, 0.55), 0.1, HCAL)
    rows = [*toy.hadron(), single]
    result = reconstruct(toy.hits(rows), NO_TRACKS, CLIC)
    assert len(result.clusters) == 1


def test_a_neutral_hadron_has_a_mass_unless_that_would_raise_its_energy(toy):
    soft = candidates(toy, hcal_blob(toy, shower=0.05))
    hard = candidates(toy, hcal_blob(toy, shower=1.0))
    for result, mass in ((soft, 0.0), (hard, KAON0_MASS)):
        assert result.pdg_id.tolist() == [NEUTRAL_HADRON]
        momentum = result.pt[0] * np.cosh(result.eta[0])
        assert result.energy[0] ** 2 - momentum**2 == pytest.approx(mass**2, abs=1e-6)
    assert soft.energy[0] < CONFIG.candidates.massless_below < hard.energy[0]


def test_a_distant_photon_is_no_fragment_however_much_energy_the_track_lacks(toy):
    """110 mm from the line of a track without its shower."""
    rows = toy.hadron(first_layer=2, shower=0.2) + toy.photon(8.0, phi=0.5 + 110 / 1500)
    tracks = toy.tracks([(12.0 + toy.hadronic_energy(toy.hadron(shower=0.2)), 1.4, 0.5)])
    far_reaching = replace(CONFIG, fragments=replace(CONFIG.fragments, photon_distance=200.0))
    assert PHOTON in candidates(toy, rows, tracks).pdg_id
    assert PHOTON not in candidates(toy, rows, tracks, far_reaching).pdg_id


def test_compact_pieces_of_a_charged_shower_are_no_photons(toy):
    """Four of 2 to 4 GeV, 36 mm from the line of a track that lacks more than they have."""
    shower = toy.hadron(first_layer=2, shower=0.5)
    directions = {(1.4, 0.5 + 36 / 1500): 4.0, (1.4, 0.5 - 36 / 1500): 3.0,
              (1.4 + 36 / 1500, 0.5): 2.0, (1.4 - 36 / 1500, 0.5): 2.0}  # fmt: skip
    pieces = []
    for direction, energy in directions.items():
        pieces += toy.photon(energy, *direction)
    high, low = 1.3 * toy.hadronic_energy(shower + pieces), toy.hadronic_energy(shower)
    lacking = candidates(toy, shower + pieces, toy.tracks([(high, 1.4, 0.5)]))
    balanced = candidates(toy, shower + pieces, toy.tracks([(low, 1.4, 0.5)]))
    assert PHOTON not in lacking.pdg_id
    assert lacking.energy.sum() == pytest.approx(high, rel=0.01)
    assert np.sum(balanced.pdg_id == PHOTON) == 4


@pytest.mark.parametrize(("energy", "num"), [(1.0, 1), (12.0, 2)])
def test_a_soft_piece_near_the_line_is_a_fragment_and_a_hard_one_a_photon(toy, energy, num):
    """At the same distance from a track that lacks the same energy."""
    rows = toy.hadron(first_layer=2, shower=0.2)
    momentum = toy.hadronic_energy(rows) + 10.0
    piece = toy.photon(energy, phi=0.5 + 60 / 1500)
    assert len(candidates(toy, rows + piece, toy.tracks([(momentum, 1.4, 0.5)]))) == num


def test_a_hadron_that_showers_on_top_of_a_photon_counts_once(toy):
    """44 GeV of photons and 28 GeV of a hadron make one peak, as narrow as that of a photon."""
    peak = toy.photon(44.0, phi=0.5 + 22 / 1500) + toy.photon(28.0, phi=0.5 + 22 / 1500)
    rest = toy.hadron(first_layer=2, shower=8.0)
    momentum = toy.hadronic_energy(rest) + 28.0
    tracks = toy.tracks([(momentum, 1.4, 0.5)])
    without = replace(CONFIG, energy_balance=replace(CONFIG.energy_balance, photon_uncertainty=0.0))
    corrected = candidates(toy, peak + rest, tracks)
    uncorrected = candidates(toy, peak + rest, tracks, without)
    for result in (corrected, uncorrected):
        assert sorted(result.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]
    assert uncorrected.energy.sum() == pytest.approx(momentum + 72.0, rel=0.03)
    assert corrected.energy.sum() == pytest.approx(momentum + 44.0, rel=0.05)


@pytest.mark.parametrize(("shower", "num"), [(0.02, 1), (3.0, 2)])
def test_an_electron_gets_its_leakage_but_no_hadron_behind_it(toy, shower, num):
    rows = toy.photon(20.0) + hcal_blob(toy, first_layer=0, shower=shower)
    result = candidates(toy, rows, toy.tracks([(20.0, 1.4, 0.5)]))
    assert len(result) == num
    assert ELECTRON in result.pdg_id
    if num > 1:
        neutral = result.select(result.charge == 0)
        hadron = toy.hadronic_energy(hcal_blob(toy, shower=shower))
        assert neutral.energy.sum() == pytest.approx(hadron, rel=0.05)


def test_two_electron_peaks_of_one_track_make_one_cluster(toy):
    """Together they exceed its momentum, but no other hit is left to make a neutral cluster."""
    rows = toy.photon(20.0, phi=0.475) + toy.photon(20.0, phi=0.525)
    tracks = toy.tracks([(20.0, 1.4, 0.5)])
    lenient = replace(CONFIG.photons, track_distance=60.0, isolation_distance=80.0)
    result = candidates(toy, rows, tracks, replace(CONFIG, photons=lenient))
    assert result.pdg_id.tolist() == [ELECTRON]
