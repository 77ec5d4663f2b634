from pathlib import Path

import numpy as np
import pytest

from partflow.core.candidate_stream import CandidateStream
from partflow.core.errors import InputError
from partflow.core.records import Collection, Events, offsets_from_counts
from partflow.core.schemas import CANDIDATES
from partflow.core.store import EventWriter


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    """Ten events in row groups of 4, 0 and 6; event i holds i candidates."""
    path = tmp_path / "mlpf.parquet"
    with EventWriter(path, "candidates") as writer:
        for first, last in ((0, 4), (4, 4), (4, 10)):
            counts = np.arange(first, last)
            columns = {f.name: np.zeros(counts.sum()) for f in CANDIDATES.fields}
            collection = Collection(CANDIDATES, offsets_from_counts(counts), columns)
            writer.write(
                Events(counts + 100, np.full(len(counts), "qq"), {"candidates": collection})
            )
    return path


def test_candidates_can_be_taken_in_chunks_of_any_size(candidates: Path) -> None:
    stream = CandidateStream("mlpf", candidates)
    chunks = [stream.take(np.arange(a, b) + 100) for a, b in ((0, 3), (3, 3), (3, 9), (9, 10))]
    assert np.concatenate([chunk.candidates.counts for chunk in chunks]).tolist() == list(range(10))
    stream.expect_end()


def test_candidates_of_other_events_are_refused(candidates: Path) -> None:
    with pytest.raises(InputError, match=r"mlpf.*belongs to other events"):
        CandidateStream("mlpf", candidates).take(np.arange(1, 4) + 100)
    with pytest.raises(InputError, match="fewer events"):
        CandidateStream("mlpf", candidates).take(np.arange(11) + 100)
    stream = CandidateStream("mlpf", candidates)
    stream.take(np.arange(9) + 100)
    with pytest.raises(InputError, match="more events"):
        stream.expect_end()
