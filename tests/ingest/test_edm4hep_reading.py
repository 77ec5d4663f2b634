import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits
from partflow.core.detector import ECAL, FACE_BARREL, FACE_ENDCAP, HCAL, MUON
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.store import FULL_SIMULATION, STAGES, read_events, write_events
from partflow.ingest.edm4hep.podio import open_podio
from partflow.ingest.edm4hep.reading.contents import contents_of
from partflow.ingest.edm4hep.reading.events import EntryRange, entry_ranges, process_of, read_chunk
from partflow.label.labelling import label

SAMPLES = {
    "toy": "clic_toy.root",
    "photons": "clic_gamma_10gev_3ev.edm4hep.root",
    "cld": "cld_mumuh_240_full_1ev.edm4hep.root",
    "cld_without_hits": "cld_mumuh_240_nohits_10ev.edm4hep.root",
}
NUMBERS = {
    "toy": {"events": 29, "clusters": 359, "tracks": 245},
    "photons": {"events": 3, "hits": 677, "clusters": 3, "tracks": 0, "baseline": 3},
    "cld": {"events": 1, "clusters": 60, "tracks": 24, "baseline": 64, "track_links": 24},
    "cld_without_hits": {"events": 10, "hits": 0, "clusters": 455, "contributions": 0},
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_event_and_object_is_read(sample, request):
    events = request.getfixturevalue(sample)
    numbers = dict(NUMBERS[sample])
    assert len(events) == numbers.pop("events")
    assert {name: len(events.collections[name]) for name in numbers} == numbers


@pytest.mark.parametrize("sample", SAMPLES)
def test_events_that_are_read_can_be_stored_and_labelled(sample, request, tmp_path):
    events = request.getfixturevalue(sample)
    assert set(events.collections) == {*STAGES["events"], *FULL_SIMULATION}
    write_events(tmp_path / "a.parquet", events, "events")
    stored = read_events(tmp_path / "a.parquet", "events")
    deposits = resolve_deposits(
        stored.particles, stored.clusters, stored.hit_clusters, stored.contributions
    )
    labels = label(
        stored.particles, stored.tracks, stored.track_particles, stored.clusters, deposits,
        stored.event_id,
    )  # fmt: skip
    assert labels.targets.num_events == len(events)


def test_contributions_sum_to_the_energies_of_hits(cld):
    hit = cld.contributions.hit_index
    summed = np.bincount(hit, cld.contributions.energy_em, len(cld.hits))
    np.testing.assert_allclose(summed, cld.hits.energy_em, rtol=1e-5)


def test_energies_of_clusters_are_sums_over_their_hits(cld, toy):
    for events in (cld, toy):
        cluster = events.clusters.flat_index(
            events.hit_clusters.event_index, events.hit_clusters.cluster_index
        )
        listed = cluster >= 0
        number = np.bincount(cluster[listed], minlength=len(events.clusters))
        np.testing.assert_array_equal(number, events.clusters.num_hits)
        for part, name in (
            (ECAL, "energy_em_ecal"),
            (HCAL, "energy_em_hcal"),
            (MUON, "energy_em_other"),
        ):
            of_part = listed & (events.hits.subdetector == part)
            energy = np.bincount(
                cluster[of_part], events.hits.energy_em[of_part], len(events.clusters)
            )
            np.testing.assert_allclose(energy, events.clusters.columns[name], atol=1e-5)


def test_without_hits_the_energies_of_clusters_are_those_that_pandora_stores(cld_without_hits):
    clusters = cld_without_hits.clusters
    parts = clusters.energy_em_ecal + clusters.energy_em_hcal + clusters.energy_em_other
    assert np.all(parts > 0)
    # Pandora's energy is its own correction of the sum, which is of the same size.
    assert 0.7 < np.median(clusters.energy_em / parts) < 1.5
    assert np.all(clusters.num_hits > 0)


def test_tracks_meet_the_calorimeter_at_its_faces(cld):
    tracks = cld.tracks
    barrel, endcap = tracks.face_region == FACE_BARREL, tracks.face_region == FACE_ENDCAP
    assert np.all(barrel | endcap)
    np.testing.assert_allclose(np.abs(tracks.face_z[endcap]), CLD.ecal.endcap_z, rtol=1e-4)
    # The barrel is a polygon of twelve sides around its inner radius.
    radius = np.hypot(tracks.face_x, tracks.face_y)[barrel] / CLD.ecal.inner_radius
    assert np.all((radius > 0.999) & (radius < 1 / np.cos(np.pi / 12) + 0.001))
    direction = tracks.face_dx**2 + tracks.face_dy**2 + tracks.face_dz**2
    np.testing.assert_allclose(direction, 1)
    outwards = tracks.face_x * tracks.face_dx + tracks.face_y * tracks.face_dy
    assert np.all(outwards[barrel] > 0)
    assert np.all((tracks.face_z * tracks.face_dz)[endcap] > 0)


@pytest.mark.parametrize("sample", ["cld", "cld_without_hits"])
def test_pt_of_muon_tracks_is_that_of_the_generator_in_two_tesla(sample, request):
    events = request.getfixturevalue(sample)
    links = events.track_particles
    particle = events.particles.flat_index(links.event_index, links.particle_index)
    of_muon = (links.is_primary == 1) & (np.abs(events.particles.pdg_id[particle]) == 13)
    particle = particle[of_muon]
    true_pt = np.hypot(events.particles.px[particle], events.particles.py[particle])
    ratio = events.tracks.pt[of_muon] / true_pt
    assert len(ratio) >= 3
    assert np.median(np.abs(ratio - 1)) < 0.01
    assert abs(np.median(ratio) - 1) < 0.003
    np.testing.assert_array_equal(events.tracks.charge[of_muon], events.particles.charge[particle])


def test_energy_of_pandora_is_that_of_the_event(cld):
    # Visible energy of ee -> mu mu H at 240 GeV; neutrinos of the Higgs may take some.
    is_neutrino = np.isin(np.abs(cld.particles.pdg_id), (12, 14, 16))
    assert cld.baseline.energy.sum() == pytest.approx(
        cld.particles.energy[~is_neutrino].sum(), rel=0.05
    )


def test_energy_of_descendants_belongs_to_their_stable_ancestor(cld):
    assert len(cld.contributions) == 5024  # every link has one
    assert np.all(cld.contributions.particle_index >= 0)
    mc_index = cld.particle_sources.mc_index[cld.contributions.particle_index]
    is_of_stable_particle = mc_index == cld.contribution_sources.mc_index
    assert 0 < np.mean(is_of_stable_particle) < 1


def test_missing_parts_of_a_file_are_named_with_what_is_impossible_without_them(edm4hep):
    with open_podio(edm4hep / SAMPLES["cld_without_hits"]) as file:
        missing = contents_of(file).missing
    assert any("CalohitMCTruthLink" in part.what for part in missing)
    assert any("no labels from clusters" in part.cost for part in missing)
    with open_podio(edm4hep / SAMPLES["cld"]) as file:
        assert contents_of(file).missing == ()


def test_events_are_the_same_whatever_range_they_are_read_in(edm4hep, toy):
    with open_podio(edm4hep / SAMPLES["toy"]) as file:
        assert entry_ranges(file) == [EntryRange(0, 29)]
        part = read_chunk(file, EntryRange(11, 18), CLIC).events
    assert part.event_id.tolist() == toy.event_id[11:18].tolist()
    for name, collection in part.collections.items():
        expected = toy.collections[name][11:18]
        for column, values in collection.columns.items():
            np.testing.assert_array_equal(values, expected.columns[column])


def test_an_event_without_any_element_is_read(toy):
    empty = toy[16:17]
    assert len(empty.hits) == len(empty.tracks) == len(empty.clusters) == 0


@pytest.mark.parametrize(
    ("name", "process"),
    [
        ("reco_p8_ee_ttbar_ecm380_104.root", "reco_p8_ee_ttbar_ecm380"),
        ("rec.edm4hep.root", "rec"),
        ("12.root", "12"),
    ],
)
def test_the_process_is_the_name_without_its_number(name, process):
    assert process_of(name) == process
