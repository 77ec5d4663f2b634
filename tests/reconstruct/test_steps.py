"""What each step of the chain adds, on the least event that needs it."""

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


def hcal_blob(ruler, phi=0.5, first_layer=0, shower=1.0):
    """The shower of a hadron without its way there: four layers of the HCAL."""
    return ruler.hadron(1.4, phi, first_layer, shower)[-36:]


def candidates(ruler, rows, tracks=NO_TRACKS, config=CONFIG):
    return reconstruct(ruler.hits(rows), tracks, CLIC, config).candidates


def test_energy_beyond_the_momentum_is_split_off_even_where_nothing_can_be_told_apart(ruler):
    rows = ruler.hadron(shower=8.0)
    energy = ruler.hadronic_energy(rows)
    tracks = ruler.tracks([(energy / 2, 1.4, 0.5)])
    found = candidates(ruler, rows, tracks)
    neutral = found.select(found.charge == 0)
    assert neutral.energy.sum() == pytest.approx(energy / 2, rel=0.25)


def test_energy_that_agrees_with_the_momentum_is_left_together(ruler):
    rows = ruler.hadron(shower=8.0)
    tracks = ruler.tracks([(0.9 * ruler.hadronic_energy(rows), 1.4, 0.5)])
    assert np.all(candidates(ruler, rows, tracks).charge != 0)


def test_a_track_without_hits_takes_the_cluster_at_its_entrance(ruler):
    """55 mm beside the line is too far for its cone and near enough for this."""
    rows = ruler.hadron(phi=0.5 + 55 / 1500)
    tracks = ruler.tracks([(ruler.hadronic_energy(rows), 1.4, 0.5)])
    strict = replace(
        NO_FRAGMENTS, association=replace(NO_FRAGMENTS.association, late_distance=10.0)
    )
    assert len(candidates(ruler, rows, tracks, NO_FRAGMENTS)) == 1
    assert len(candidates(ruler, rows, tracks, strict)) == 2


def test_a_fragment_returns_to_the_track_that_lacks_its_energy(ruler):
    own, piece = ruler.hadron(first_layer=1), hcal_blob(ruler, 0.62, 5)
    together = ruler.hadronic_energy(own + piece)
    tracks = ruler.tracks([(together, 1.4, 0.5)])
    assert len(candidates(ruler, own + piece, tracks)) == 1
    assert len(candidates(ruler, own + piece, tracks, NO_FRAGMENTS)) == 2


def test_no_track_takes_a_fragment_that_it_has_no_energy_for(ruler):
    own, piece = ruler.hadron(first_layer=1), hcal_blob(ruler, 0.62, 5, shower=3.0)
    tracks = ruler.tracks([(ruler.hadronic_energy(own), 1.4, 0.5)])
    assert len(candidates(ruler, own + piece, tracks)) == 2


def test_what_leaks_out_behind_a_photon_is_the_photons(ruler):
    photon, leaked = ruler.photon(20.0), hcal_blob(ruler, shower=0.3)
    found = candidates(ruler, photon + leaked)
    assert found.pdg_id.tolist() == [PHOTON]
    assert found.energy[0] == pytest.approx(20.0 + sum(row[1] for row in leaked), rel=1e-5)


def test_a_hadron_behind_a_photon_is_not_its_leakage(ruler):
    beside = candidates(ruler, ruler.photon(20.0) + hcal_blob(ruler, phi=0.6, shower=0.3))
    harder = candidates(ruler, ruler.photon(20.0) + hcal_blob(ruler, shower=2.0))
    assert sorted(beside.pdg_id.tolist()) == [PHOTON, NEUTRAL_HADRON]
    assert sorted(harder.pdg_id.tolist()) == [PHOTON, NEUTRAL_HADRON]


@pytest.mark.parametrize(("angle", "num"), [(0.08, 1), (0.2, 2)])
def test_neutral_clusters_join_if_their_hits_are_near(ruler, angle, num):
    rows = hcal_blob(ruler, shower=2.0) + hcal_blob(ruler, 0.5 + angle)
    assert len(candidates(ruler, rows)) == num


def test_a_cluster_too_soft_to_be_a_peak_may_still_be_a_photon(ruler):
    found = candidates(ruler, ruler.photon(0.23))
    assert found.pdg_id.tolist() == [PHOTON]
    assert found.energy[0] == pytest.approx(0.23, rel=1e-5)


def test_a_soft_cluster_joins_what_it_lies_beside(ruler):
    single = (ruler.layer_point(HCAL, 4, 1.4, 0.55), 0.1, HCAL)
    rows = [*ruler.hadron(), single]
    result = reconstruct(ruler.hits(rows), NO_TRACKS, CLIC)
    assert len(result.clusters) == 1


def test_a_neutral_hadron_has_a_mass_unless_that_would_raise_its_energy(ruler):
    soft = candidates(ruler, hcal_blob(ruler, shower=0.05))
    hard = candidates(ruler, hcal_blob(ruler, shower=1.0))
    for found, mass in ((soft, 0.0), (hard, KAON0_MASS)):
        assert found.pdg_id.tolist() == [NEUTRAL_HADRON]
        momentum = found.pt[0] * np.cosh(found.eta[0])
        assert found.energy[0] ** 2 - momentum**2 == pytest.approx(mass**2, abs=1e-6)
    assert soft.energy[0] < CONFIG.candidates.massless_below < hard.energy[0]


def test_a_photon_beside_the_line_is_no_fragment_however_much_energy_the_track_lacks(ruler):
    """110 mm away, as the photons that a track without its shower once swallowed."""
    rows = ruler.hadron(first_layer=2, shower=0.2) + ruler.photon(8.0, phi=0.5 + 110 / 1500)
    tracks = ruler.tracks([(12.0 + ruler.hadronic_energy(ruler.hadron(shower=0.2)), 1.4, 0.5)])
    generous = replace(CONFIG.fragments, photon_distance=200.0)
    assert PHOTON in candidates(ruler, rows, tracks).pdg_id
    assert PHOTON not in candidates(ruler, rows, tracks, replace(CONFIG, fragments=generous)).pdg_id


def test_compact_pieces_of_a_hadrons_shower_are_no_photons(ruler):
    """Four of 2 to 4 GeV, 36 mm beside a line whose track lacks more than they have."""
    own = ruler.hadron(first_layer=2, shower=0.5)
    places = {(1.4, 0.5 + 36 / 1500): 4.0, (1.4, 0.5 - 36 / 1500): 3.0,
              (1.4 + 36 / 1500, 0.5): 2.0, (1.4 - 36 / 1500, 0.5): 2.0}  # fmt: skip
    pieces = [row for place, energy in places.items() for row in ruler.photon(energy, *place)]
    momentum = 1.3 * ruler.hadronic_energy(own + pieces)
    lacking = candidates(ruler, own + pieces, ruler.tracks([(momentum, 1.4, 0.5)]))
    enough = candidates(ruler, own + pieces, ruler.tracks([(ruler.hadronic_energy(own), 1.4, 0.5)]))
    assert PHOTON not in lacking.pdg_id
    assert lacking.energy.sum() == pytest.approx(momentum, rel=0.01)
    assert np.sum(enough.pdg_id == PHOTON) == 4


@pytest.mark.parametrize(("energy", "num"), [(1.0, 1), (8.0, 2)])
def test_a_soft_piece_beside_the_line_is_a_fragment_and_a_hard_one_a_photon(ruler, energy, num):
    """At the same distance, and where the track lacks as much energy."""
    rows = ruler.hadron(first_layer=2, shower=0.2)
    momentum = ruler.hadronic_energy(rows) + 10.0
    piece = ruler.photon(energy, phi=0.5 + 60 / 1500)
    assert len(candidates(ruler, rows + piece, ruler.tracks([(momentum, 1.4, 0.5)]))) == num


def test_a_hadron_that_showers_on_top_of_a_photon_is_not_counted_twice(ruler):
    """44 GeV of photons and 28 GeV of a hadron make one peak, narrow as a photon's."""
    peak = ruler.photon(44.0, phi=0.5 + 22 / 1500) + ruler.photon(28.0, phi=0.5 + 22 / 1500)
    rest = ruler.hadron(first_layer=2, shower=8.0)
    momentum = ruler.hadronic_energy(rest) + 28.0
    tracks = ruler.tracks([(momentum, 1.4, 0.5)])
    found = candidates(ruler, peak + rest, tracks)
    blind = replace(CONFIG, energy_flow=replace(CONFIG.energy_flow, photon_uncertainty=0.0))
    twice = candidates(ruler, peak + rest, tracks, blind)
    for made in (found, twice):
        assert sorted(made.pdg_id.tolist()) == [PHOTON, CHARGED_HADRON]
    assert twice.energy.sum() == pytest.approx(momentum + 72.0, rel=0.03)
    assert found.energy.sum() == pytest.approx(momentum + 44.0, rel=0.05)


@pytest.mark.parametrize(("shower", "num"), [(0.02, 1), (3.0, 2)])
def test_an_electron_keeps_what_leaks_and_no_hadron_behind_it(ruler, shower, num):
    rows = ruler.photon(20.0) + hcal_blob(ruler, first_layer=0, shower=shower)
    found = candidates(ruler, rows, ruler.tracks([(20.0, 1.4, 0.5)]))
    assert len(found) == num
    assert ELECTRON in found.pdg_id
    if num > 1:
        neutral = found.select(found.charge == 0)
        behind = ruler.hadronic_energy(hcal_blob(ruler, shower=shower))
        assert neutral.energy.sum() == pytest.approx(behind, rel=0.05)


def test_two_showers_of_an_electrons_energy_at_one_track_need_no_third(ruler):
    """Together they exceed its momentum, but no hit is left over to make a cluster of."""
    rows = ruler.photon(20.0, phi=0.475) + ruler.photon(20.0, phi=0.525)
    tracks = ruler.tracks([(20.0, 1.4, 0.5)])
    lenient = replace(CONFIG.photons, track_distance=60.0, isolation_distance=80.0)
    found = candidates(ruler, rows, tracks, replace(CONFIG, photons=lenient))
    assert found.pdg_id.tolist() == [ELECTRON]
