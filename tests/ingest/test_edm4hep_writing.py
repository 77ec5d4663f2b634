import numpy as np
import pytest

from partflow.core.detector import FACE_NONE
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLD, CLIC, known_detector
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Collection, Events
from partflow.core.schemas import EVENT_WEIGHT, TRACK_PARTICLES, TRACKS
from partflow.core.store import STAGES, read_events, write_events
from partflow.dataset.packed import PackedDataset
from partflow.generate import GenerationConfig, generate
from partflow.ingest.edm4hep.export import export_edm4hep
from partflow.ingest.edm4hep.ingestion import ingest_edm4hep
from partflow.ingest.edm4hep.podio import open_podio
from partflow.ingest.edm4hep.reading.events import entry_ranges, read_chunk
from partflow.ingest.edm4hep.writing.writer import EdmWriter
from partflow.pipeline import PACKED, label, simulate_events
from partflow.simulate import SimulationConfig

SINGLE = 1e-6
"""EDM4hep stores most numbers in single precision: seven digits."""
LENGTH = 3e-4
"""Single precision at 3 m [mm]."""


def read_back(path, detector_name):
    with open_podio(path) as file:
        (entries,) = entry_ranges(file)
        return read_chunk(file, entries, known_detector(detector_name))


def assert_same(result: Events, expected: Events):
    assert result.event_id.tolist() == expected.event_id.tolist()
    assert result.process.tolist() == expected.process.tolist()
    for name in STAGES["events"]:
        ours, theirs = result.collections[name], expected.collections[name]
        assert ours.offsets.tolist() == theirs.offsets.tolist(), name
        for column, values in theirs.columns.items():
            same = ours.columns[column]
            if values.dtype.kind == "i":
                np.testing.assert_array_equal(same, values, err_msg=f"{name}.{column}")
            else:
                np.testing.assert_allclose(
                    same, values, rtol=SINGLE, atol=LENGTH, err_msg=f"{name}.{column}"
                )


def test_weights_of_events_go_from_an_edm4hep_file_to_the_packed_arrays(toy, tmp_path):
    weight = np.linspace(0.5, 2.0, len(toy))
    rows = np.arange(len(toy) + 1)
    weighted = toy.with_collections(event_weight=Collection(EVENT_WEIGHT, rows, {"weight": weight}))
    events = {}
    for name, content in (("with", weighted), ("without", toy)):
        with EdmWriter(tmp_path / f"{name}.root", CLIC, Provenance("edm4hep")) as writer:
            writer.write(content)
        ingest_edm4hep([tmp_path / f"{name}.root"], tmp_path / name)
        events[name] = read_events(tmp_path / name, "events")
    assert "event_weight" not in events["without"].collections
    assert events["with"].event_weight.weight == pytest.approx(weight, rel=1e-6)
    for definition in ("closed", "mlpf-2.5"):
        label(tmp_path / "with", tmp_path / definition, definition)
        data = PackedDataset.open(tmp_path / definition / PACKED)
        by_id = dict(zip(toy.event_id.tolist(), weight, strict=True))
        expected = [by_id[event_id] for event_id in data.event_id.tolist()]
        assert data.event_weight == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("sample", "detector"), [("toy", CLIC), ("cld", CLD)])
def test_events_are_read_back_as_they_were_written(sample, detector, request, tmp_path):
    # Hits of ECALOther, which only event 26 of the toy file has, are written among barrel and
    # endcap: the same hits in another order.
    events = request.getfixturevalue(sample)[:26]
    half = len(events) // 2
    with EdmWriter(tmp_path / "a.root", detector, Provenance("edm4hep")) as writer:
        for chunk in (events[:half], events[half:]):
            if len(chunk):
                writer.write(chunk)
    chunk = read_back(tmp_path / "a.root", detector.name)
    assert chunk.bad_events == ()
    assert_same(chunk.events, events)


def test_a_track_without_a_state_at_the_calorimeter_is_followed_as_in_the_simulation(tmp_path):
    """Its face columns follow from the perigee alone."""
    (generated,) = generate(GenerationConfig("ttbar", 10, seed=4))
    events = simulate_events(generated, CLIC, SimulationConfig())
    lost = events.tracks.face_region == FACE_NONE
    assert lost.sum() > 20
    moved = {
        name: np.where(lost, 7.0, values) if name.startswith("face_") else values
        for name, values in events.tracks.columns.items()
    }
    moved["face_region"] = events.tracks.face_region
    tracks = Collection(TRACKS, events.tracks.offsets, moved)
    with EdmWriter(tmp_path / "a.root", CLIC, Provenance("edm4hep")) as writer:
        writer.write(events.with_collections(tracks=tracks))
    result = read_back(tmp_path / "a.root", "clic").events.tracks
    assert np.array_equal(result.face_region, events.tracks.face_region)
    np.testing.assert_allclose(
        result.radius_of_outermost_hit, events.tracks.radius_of_outermost_hit, rtol=SINGLE
    )
    for name in ("face_x", "face_y", "face_z"):  # 20 m of a circle, from single precision
        np.testing.assert_allclose(
            result.columns[name][lost], events.tracks.columns[name][lost], atol=0.1
        )
    for name in ("face_dx", "face_dy", "face_dz"):
        np.testing.assert_allclose(
            result.columns[name][lost], events.tracks.columns[name][lost], atol=1e-3
        )


@pytest.mark.parametrize(("original", "duplicate", "other"), [(1, 2, 0), (2, 1, 0), (2, 0, 1)])
@pytest.mark.parametrize("is_primary", [0, 1])
def test_a_duplicate_is_linked_to_the_same_particle_as_the_track_it_repeats(
    toy, original, duplicate, other, is_primary, tmp_path
):
    """The first particle has three tracks: `other` is that of a secondary, `original` that of
    another secondary or its primary track, and `duplicate` has nearly the momentum of `original`.
    """
    position = int(np.flatnonzero(toy.tracks.counts >= 3)[0])
    event = toy[position : position + 1]
    tracks, truth = dict(event.tracks.columns), np.full((3, len(event.tracks)), 0)
    for name in ("charge", "pt", "phi", "tan_lambda", "omega"):
        tracks[name] = tracks[name].copy()
        tracks[name][duplicate] = tracks[name][original]
    tracks["pt"][duplicate] *= 1.01
    tracks["omega"][duplicate] /= 1.01
    if is_primary:
        tracks["charge"][other] = tracks["charge"][duplicate]
    else:  # the other secondary of a conversion, in the same direction
        for name in ("pt", "phi", "tan_lambda"):
            tracks[name][other] = tracks[name][duplicate]
        tracks["charge"][other] = -tracks["charge"][duplicate]
    columns = dict(zip(TRACK_PARTICLES.names, truth, strict=True))
    columns["particle_index"][3:] = -1
    columns["is_primary"][original] = is_primary
    columns["is_duplicate"][duplicate] = 1
    changed = event.with_collections(
        tracks=Collection(TRACKS, event.tracks.offsets, tracks),
        track_particles=Collection(TRACK_PARTICLES, event.tracks.offsets, columns),
    )
    with EdmWriter(tmp_path / "a.root", CLIC, Provenance("edm4hep")) as writer:
        writer.write(changed)
    result = read_back(tmp_path / "a.root", "clic").events
    for name, values in columns.items():
        assert result.track_particles.columns[name].tolist() == values.tolist(), name
    linked = result.track_links.mc_index
    assert linked[original] == linked[duplicate] != linked[other]


def test_other_programs_find_the_members_by_their_edm4hep_names(toy, tmp_path):
    import uproot

    with EdmWriter(tmp_path / "a.root", CLIC, Provenance("edm4hep"), ["mlpf"]) as writer:
        writer.write(toy, {"mlpf": toy.baseline})
    with uproot.open(tmp_path / "a.root") as root:
        tree = root["events"]
        for name in ("PandoraPFOs", "mlpf"):
            energy = tree[f"{name}.energy"].array()
            assert [len(e) for e in energy] == toy.baseline.counts.tolist()
            np.testing.assert_allclose(
                np.concatenate([*map(np.asarray, energy)]), toy.baseline.energy, rtol=SINGLE
            )
        assert tree.num_entries == len(toy)
        assert "_MCParticles_daughters.index" in tree.keys(full_paths=False)


def test_exported_events_and_candidates_are_ingested_again(toy, tmp_path):
    provenance = make_provenance("events", {"detector": "clic"})
    write_events(tmp_path / "events" / "a.parquet", toy[:4], "events", provenance)
    write_events(tmp_path / "events" / "b.parquet", toy[4:9], "events", provenance)
    result = Events(toy.event_id[:9], toy.process[:9], {"candidates": toy.baseline[:9]})
    write_events(tmp_path / "result.parquet", result, "candidates", provenance)
    num_events = export_edm4hep(
        tmp_path / "events", tmp_path / "out", {"mlpf": tmp_path / "result.parquet"}
    )
    assert num_events == 9
    assert export_edm4hep(
        tmp_path / "events", tmp_path / "out", {"mlpf": tmp_path / "result.parquet"}
    ) is None  # fmt: skip
    report = ingest_edm4hep([tmp_path / "out"], tmp_path / "back")
    assert report.num_ingested == 9
    assert_same(read_events(tmp_path / "back", "events"), toy[:9])


def test_the_name_of_a_baseline_collection_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="take another"):
        export_edm4hep(tmp_path, tmp_path / "out", {"PandoraPFOs": tmp_path})
