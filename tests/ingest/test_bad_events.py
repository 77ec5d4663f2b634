"""A bad event is skipped and reported; with the published code its whole file would be lost."""

import json

import numpy as np
import pytest

from partflow.core.errors import InputError
from partflow.core.known_detectors import CLIC
from partflow.core.provenance import Provenance
from partflow.core.store import read_events
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.ingestion import ingest_edm4hep
from partflow.ingest.edm4hep.writing import writer as writer_module

BAD = 3
PFOS, CLUSTERS, LINKS = "PandoraPFOs", "PandoraClusters", "CalohitMCTruthLink"


@pytest.fixture
def write_tampered(monkeypatch, toy):
    """Writes the first events of the toy file; `tamper` damages the event BAD."""

    def write(path, tamper=None):
        original = writer_module.event_columns

        def tampered(*arguments):
            tables = {
                name: MemberColumns(t.offsets, {k: v.copy() for k, v in t.values.items()})
                for name, t in original(*arguments).items()
            }
            if tamper is not None:
                tamper(tables)
            return tables

        monkeypatch.setattr(writer_module, "event_columns", tampered)
        with writer_module.EdmWriter(path, CLIC, Provenance("edm4hep")) as writer:
            writer.write(toy[:6])

    return write


def first(table, event=BAD):
    """Row of the first object of the event."""
    assert table.counts[event] > 0
    return table.offsets[event]


def of_type(tables, has_track):
    """Row of a candidate of the bad event with or without a track."""
    table = tables[PFOS]
    rows = np.arange(table.offsets[BAD], table.offsets[BAD + 1])
    is_wanted = (table["tracks_end"] > table["tracks_begin"])[rows] == has_track
    return rows[is_wanted][0]


def two_tracks(tables):
    tables[PFOS]["tracks_end"][of_type(tables, has_track=True)] += 1


def two_clusters(tables):
    tables[PFOS]["clusters_end"][of_type(tables, has_track=False)] += 1


def no_element(tables):
    row = of_type(tables, has_track=False)
    tables[PFOS]["clusters_end"][row] = tables[PFOS]["clusters_begin"][row]


def shared_element(tables):
    ids = tables[f"_{PFOS}_clusters"]
    row = first(ids)
    ids["index"][row + 1] = ids["index"][row]


def no_hits(tables):
    row = first(tables[CLUSTERS])
    tables[CLUSTERS]["hits_end"][row] = tables[CLUSTERS]["hits_begin"][row]


def no_energy(tables):
    for name in ("ECALBarrel", "ECALEndcap", "HCALBarrel", "HCALEndcap", "MUON"):
        table = tables[name]
        table["energy"][table.offsets[BAD] : table.offsets[BAD + 1]] = 0


def unread_link(tables):
    tables[f"_{LINKS}_from"]["collectionID"][first(tables[LINKS])] = 12345


def unread_hit(tables):
    ids = tables[f"_{CLUSTERS}_hits"]
    ids["collectionID"][first(ids)] = 12345


def index_minus_one(tables):
    tables[f"_{LINKS}_to"]["index"][first(tables[LINKS])] = -1


def index_out_of_range(tables):
    ids = tables[f"_{CLUSTERS}_hits"]
    ids["index"][first(ids)] = 10**6


def range_backwards(tables):
    tables[CLUSTERS]["hits_begin"][first(tables[CLUSTERS])] = 2**31


def momentum_not_finite(tables):
    tables["MCParticles"]["momentum.z"][first(tables["MCParticles"])] = np.nan


def weight_infinite(tables):
    tables[LINKS]["weight"][first(tables[LINKS])] = np.inf


def no_states(tables):
    row = first(tables["SiTracks_Refitted"])
    tables["SiTracks_Refitted"]["trackStates_end"][row] = tables["SiTracks_Refitted"][
        "trackStates_begin"
    ][row]


REASONS = {
    two_tracks: "one with two tracks",
    two_clusters: "one with two clusters",
    no_element: "one with neither track nor cluster",
    shared_element: "two that share one of the clusters",
    no_hits: "without hits",
    no_energy: "whose hits have no energy",
    unread_link: "CalohitMCTruthLink (from): points into collection with id 12345",
    unread_hit: "points into collection with id 12345",
    index_minus_one: "points to object -1 of MCParticles",
    index_out_of_range: "points to object 1000000 of ",
    range_backwards: "the hits of PandoraClusters: entries 2147483648 to",
    momentum_not_finite: "momentum.z is not finite",
    weight_infinite: "a weight that is not finite",
    no_states: "without states",
}


@pytest.mark.parametrize("tamper", REASONS, ids=lambda tamper: tamper.__name__)
def test_a_bad_event_is_skipped_and_reported_and_the_others_are_read(
    tamper, write_tampered, toy, tmp_path
):
    write_tampered(tmp_path / "a.root", tamper)
    report = ingest_edm4hep([tmp_path / "a.root"], tmp_path / "events")
    (file,) = report.files
    assert [event.entry for event in file.left_out] == [BAD]
    assert REASONS[tamper] in file.left_out[0].reason
    assert file.left_out[0].event_number == toy.event_id[BAD]
    assert (file.num_events, file.num_ingested) == (6, 5)
    stored = json.loads((tmp_path / "events" / "ingest-report.json").read_text())
    assert stored["num_left_out"] == 1
    assert stored["files"][0]["left_out"][0]["reason"] == file.left_out[0].reason

    events = read_events(tmp_path / "events", "events")
    assert events.event_id.tolist() == np.delete(toy.event_id[:6], BAD).tolist()
    clean = toy[:6]
    for name in ("particles", "tracks", "hits", "clusters", "contributions", "baseline"):
        expected = np.delete(clean.collections[name].counts, BAD)
        assert events.collections[name].counts.tolist() == expected.tolist()


def test_without_damage_no_event_is_skipped(write_tampered, tmp_path):
    write_tampered(tmp_path / "a.root")
    report = ingest_edm4hep([tmp_path / "a.root"], tmp_path / "events")
    assert report.files[0].left_out == ()
    assert report.num_ingested == 6


def test_a_damaged_file_is_skipped_and_reported_and_the_others_are_read(edm4hep, tmp_path):
    whole = edm4hep / "clic_gamma_10gev_3ev.edm4hep.root"
    (tmp_path / "truncated.root").write_bytes(whole.read_bytes()[:200_000])
    (tmp_path / "foreign.root").write_text("not a ROOT file")
    with pytest.raises(InputError, match="2 of 3 files could not be ingested") as error:
        ingest_edm4hep([tmp_path, whole], tmp_path / "events")
    assert error.value.exit_code != 0
    assert "truncated.root" in str(error.value)
    assert "foreign.root" in str(error.value)
    assert len(read_events(tmp_path / "events", "events")) == 3
    report = json.loads((tmp_path / "events" / "ingest-report.json").read_text())
    assert [bool(file["error"]) for file in report["files"]] == [True, True, False]
    # The same command again writes nothing, and reports the same.
    with pytest.raises(InputError, match="2 of 3 files"):
        ingest_edm4hep(
            [tmp_path / "foreign.root", tmp_path / "truncated.root", whole], tmp_path / "events"
        )


def test_a_branch_that_cannot_be_read_is_named(edm4hep, tmp_path):
    import uproot

    path = edm4hep / "clic_gamma_10gev_3ev.edm4hep.root"
    with uproot.open(path) as root:
        branch = root["events/ECALBarrel/ECALBarrel.energy"]
        start = int(branch.member("fBasketSeek")[0])
        length = int(branch.member("fBasketBytes")[0])
    content = bytearray(path.read_bytes())
    content[start + length // 2 : start + length] = bytes(length - length // 2)
    (tmp_path / "a.root").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.root: branch 'ECALBarrel\.energy'"):
        ingest_edm4hep([tmp_path / "a.root"], tmp_path / "events")
    assert not (tmp_path / "events").exists()


def test_a_file_without_tracks_and_clusters_is_refused(tmp_path):
    import uproot

    with uproot.recreate(tmp_path / "a.root") as root:
        root["partflow"] = json.dumps({"collections": {"MCParticles": 1}, "processes": []})
        root["events"] = {"MCParticles.PDG": np.zeros(3)}
    with pytest.raises(InputError, match="no 'SiTracks_Refitted' and no 'PandoraClusters'"):
        ingest_edm4hep([tmp_path / "a.root"], tmp_path / "events")


@pytest.mark.slow
def test_the_result_is_the_same_with_any_number_of_workers(edm4hep, tmp_path):
    files = [edm4hep / "clic_toy.root", edm4hep / "clic_gamma_10gev_3ev.edm4hep.root"]
    for workers in (1, 2):
        ingest_edm4hep(files, tmp_path / str(workers), workers=workers)
    for shard in sorted((tmp_path / "1").glob("*.parquet")):
        assert shard.read_bytes() == (tmp_path / "2" / shard.name).read_bytes()
