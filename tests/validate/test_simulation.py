"""Chunks of samples: summaries on disk, and an interrupted validation that continues."""

import numpy as np
import pytest

from partflow.core.known_detectors import CLIC
from partflow.validate import simulation
from partflow.validate.samples import REDUCED, samples
from partflow.validate.simulation import summarise_samples
from partflow.validate.summaries import Summary, TrackSample, concatenate, load, save

NAMES = ("shower-photon-1", "track-central-5", "particle-photon-1", "uds-91")


@pytest.fixture
def few():
    chosen = {sample.name: sample for sample in samples(REDUCED, 10_000)}
    return [chosen[name] for name in NAMES]


def test_an_interrupted_simulation_continues_where_it_stopped(few, tmp_path, monkeypatch):
    whole = summarise_samples(few, tmp_path / "whole", CLIC, workers=1)
    summarise, done = simulation._summarise_chunk, []

    def interrupted(sample, number, folder, detector):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(sample.name)
        return summarise(sample, number, folder, detector)

    monkeypatch.setattr(simulation, "_summarise_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        summarise_samples(few, tmp_path / "cut", CLIC, workers=1)
    chunks = sorted((tmp_path / "cut" / "chunks").iterdir())
    assert len(chunks) == 2
    before = [path.stat().st_mtime_ns for path in chunks]
    monkeypatch.setattr(simulation, "_summarise_chunk", summarise)
    resumed = summarise_samples(few, tmp_path / "cut", CLIC, workers=1)
    assert [path.stat().st_mtime_ns for path in chunks] == before
    for name in NAMES:
        for table, expected in whole[name].tables.items():
            for column, values in vars(expected).items():
                assert np.array_equal(vars(resumed[name][table])[column], values, equal_nan=True)


def track_summary(num_events):
    rows = np.arange(num_events, dtype=np.float64)
    return Summary(num_events, {"tracks": TrackSample(rows.astype(np.int64), *[rows] * 7)})


def test_a_summary_is_read_as_it_was_written(tmp_path):
    save(tmp_path / "chunk.npz", track_summary(3))
    summary = load(tmp_path / "chunk.npz")
    assert summary.num_events == 3
    assert isinstance(summary["tracks"], TrackSample)
    assert summary["tracks"].d0.tolist() == [0.0, 1.0, 2.0]


def test_events_of_several_chunks_are_numbered_consecutively():
    joined = concatenate([track_summary(2), track_summary(0), track_summary(3)])
    assert joined.num_events == 5
    assert joined["tracks"].event.tolist() == [0, 1, 2, 3, 4]
