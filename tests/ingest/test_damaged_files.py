"""Truncated files and flipped bits give a clean error, or events that are consistent."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partflow.core.known_detectors import known_detector
from partflow.core.provenance import Provenance
from partflow.core.store import read_events
from partflow.ingest.edm4hep.ingestion import ingest_file
from partflow.label.published import label_published

SAMPLES = {
    "clic_toy.root": "clic",
    "clic_gamma_10gev_3ev.edm4hep.root": "clic",
    "cld_mumuh_240_nohits_10ev.edm4hep.root": "cld",
}
INDICES = {
    "hit_clusters": [("cluster_index", "clusters")],
    "contributions": [("hit_index", "hits"), ("particle_index", "particles")],
    "track_particles": [("particle_index", "particles")],
    "track_links": [("track_index", "tracks")],
    "baseline": [("track_index", "tracks"), ("cluster_index", "clusters")],
}


def assert_consistent(events):
    for name, references in INDICES.items():
        collection = events.collections[name]
        for column, target in references:
            index = collection.columns[column]
            counts = events.collections[target].counts[collection.event_index]
            assert np.all((index >= -1) & (index < counts)), f"{name}.{column}"
    for name, collection in events.collections.items():
        for column, values in collection.columns.items():
            assert np.all(np.isfinite(values)) or name == "hits", f"{name}.{column}"


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_a_damaged_file_is_read_consistently_or_refused(name, data, edm4hep, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray((edm4hep / name).read_bytes())
    size = len(content)
    # Half of the flips hit the end, where the descriptions of branches are.
    place = st.one_of(st.integers(0, size - 1), st.integers(size - 60_000, size - 1))
    for _ in range(data.draw(st.integers(0, 20), label="flips")):
        content[data.draw(place)] ^= 1 << data.draw(st.integers(0, 7))
    if data.draw(st.integers(0, 3), label="truncate") == 0:
        del content[data.draw(st.integers(0, size)) :]
    (folder / name).write_bytes(content)
    detector = known_detector(SAMPLES[name])
    _, report = ingest_file(0, folder / name, name, folder, detector, None, Provenance("events"))
    shard = folder / "events-00000.parquet"
    if report.error:
        assert name in report.error
        assert "\n" not in report.error
        assert not shard.exists()
        return
    events = read_events(shard, "events")
    assert len(events) == report.num_ingested == report.num_events - len(report.left_out)
    assert_consistent(events)
    label_published(events)
