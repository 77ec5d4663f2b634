import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits, rows_in_event
from partflow.core.errors import DataError
from partflow.core.records import Collection
from partflow.core.schemas import CLUSTERS, CONTRIBUTIONS, HIT_CLUSTERS, PARTICLES


def fill(schema, offsets, **columns):
    number = offsets[-1]
    return Collection(
        schema,
        np.array(offsets),
        {f.name: np.array(columns.get(f.name, np.zeros(number))) for f in schema.fields},
    )


@pytest.fixture
def chunk():
    """Two events: 2 and 1 particles, 2 and 1 clusters, 3 and 1 hits, 3 and 2 contributions."""
    return {
        "particles": fill(PARTICLES, [0, 2, 3]),
        "clusters": fill(CLUSTERS, [0, 2, 3]),
        "hit_clusters": fill(HIT_CLUSTERS, [0, 3, 4], cluster_index=[1, -1, 0, 0]),
        "contributions": fill(
            CONTRIBUTIONS, [0, 3, 5], hit_index=[0, 1, 2, 0, 0], particle_index=[1, 0, 1, 0, 0],
            energy_em=[0.1, 0.2, 0.3, 0.4, 0.5],
        ),
    }  # fmt: skip


def test_deposits_are_rows_of_the_chunk_in_the_order_of_the_contributions(chunk):
    deposits = resolve_deposits(**chunk)
    assert deposits.particle.tolist() == [1, 0, 1, 2, 2]
    assert deposits.hit.tolist() == [0, 1, 2, 3, 3]
    assert deposits.cluster.tolist() == [1, -1, 0, 2, 2]
    assert deposits.hit_to_cluster.tolist() == [1, -1, 0, 2]
    assert deposits.energy_em.dtype == np.float64
    assert deposits.energy_em.tolist() == chunk["contributions"].energy_em.tolist()
    assert (deposits.num_particles, deposits.num_hits, deposits.num_clusters) == (3, 4, 3)


def test_deposits_in_other_clusters_are_those_resolved_with_them(chunk):
    finer = {
        "clusters": fill(CLUSTERS, [0, 3, 4]),
        "hit_clusters": fill(HIT_CLUSTERS, [0, 3, 4], cluster_index=[2, 1, 0, -1]),
    }
    moved = resolve_deposits(**chunk).in_clusters(**finer)
    expected = resolve_deposits(**{**chunk, **finer})
    assert moved.cluster.tolist() == [2, 1, 0, -1, -1]
    for name, values in expected._asdict().items():
        np.testing.assert_array_equal(getattr(moved, name), values, err_msg=name)


def test_no_events_and_empty_events_have_no_deposits(chunk):
    for number in (0, 1):
        empty = {name: Collection.empty(c.schema, number) for name, c in chunk.items()}
        deposits = resolve_deposits(**empty)
        assert len(deposits.particle) == len(deposits.hit_to_cluster) == 0
        assert deposits.num_particles == deposits.num_clusters == 0


@pytest.mark.parametrize(
    ("collection", "column", "kind"),
    [
        ("contributions", "hit_index", "hit"),
        ("contributions", "particle_index", "particle"),
        ("hit_clusters", "cluster_index", "cluster"),
    ],
)
@pytest.mark.parametrize("index", [-2, 3])
def test_an_index_out_of_its_event_is_an_error_that_names_event_and_object(
    chunk, collection, column, kind, index
):
    chunk[collection].columns[column][-1] = index
    with pytest.raises(DataError, match=f"position 1: a truth link points to {kind} {index} of 1"):
        resolve_deposits(**chunk)


def test_only_where_minus_one_means_none_it_is_allowed():
    arguments = (np.array([2, 2]), np.array([0, 1]), np.array([1, -1]), "track")
    assert rows_in_event(*arguments, lowest=-1).tolist() == [1, -1]
    with pytest.raises(DataError, match="position 1: a truth link points to track -1 of 2"):
        rows_in_event(*arguments)
