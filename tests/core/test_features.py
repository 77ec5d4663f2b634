import numpy as np

from partflow.core.features import (
    CLUSTER,
    ELEMENTS,
    NUM_FEATURES,
    NUM_PUBLISHED_FEATURES,
    TRACK,
    ClusterFeature,
    ExtraFeature,
    TrackFeature,
    build_elements,
    feature_matrix,
)
from partflow.core.records import Collection, offsets_from_counts
from partflow.core.schemas import CLUSTERS, TRACKS


def random_collection(schema, counts, seed):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    columns = {f.name: rng.uniform(1, 3, sum(counts)) for f in schema.fields}
    return Collection(schema, offsets_from_counts(np.array(counts)), columns)


def test_there_are_17_published_columns_and_every_column_has_one_name() -> None:
    assert NUM_PUBLISHED_FEATURES == len(TrackFeature) == len(ClusterFeature) == 17
    assert [*range(17), *ExtraFeature] == list(range(NUM_FEATURES))
    assert len(ELEMENTS.fields) == NUM_FEATURES


def test_the_tracks_of_an_event_come_before_its_clusters() -> None:
    tracks = random_collection(TRACKS, [2, 0, 1, 0], 0)
    clusters = random_collection(CLUSTERS, [1, 2, 0, 0], 1)
    elements = build_elements(tracks, clusters)
    assert elements.counts.tolist() == [3, 2, 1, 0]
    assert elements.type.tolist() == [TRACK, TRACK, CLUSTER, CLUSTER, CLUSTER, TRACK]
    values = feature_matrix(elements)
    np.testing.assert_allclose(values[[0, 1, 5], TrackFeature.OMEGA], tracks.omega, rtol=1e-6)
    np.testing.assert_allclose(values[[2, 3, 4], ClusterFeature.X], clusters.x, rtol=1e-6)


def test_a_track_has_the_part_of_the_calorimeter_it_reaches_and_the_radius_of_its_last_hit() -> (
    None
):
    tracks = random_collection(TRACKS, [4], 0)
    clusters = random_collection(CLUSTERS, [3], 1)
    values = feature_matrix(build_elements(tracks, clusters))
    region = values[:, ExtraFeature.FACE_REGION]
    radius = values[:, ExtraFeature.RADIUS_OF_OUTERMOST_HIT]
    np.testing.assert_allclose(region[:4], tracks.face_region, rtol=1e-6)
    np.testing.assert_allclose(radius[:4], tracks.radius_of_outermost_hit, rtol=1e-6)
    assert not region[4:].any() and not radius[4:].any()


def test_momentum_and_transverse_energy_follow_from_the_angles() -> None:
    tracks = random_collection(TRACKS, [4], 0)
    clusters = random_collection(CLUSTERS, [3], 1)
    values = feature_matrix(build_elements(tracks, clusters)).astype(float)
    track, cluster = values[:4], values[4:]
    pz = track[:, TrackFeature.PT] * np.sinh(track[:, TrackFeature.ETA])
    momentum = np.hypot(track[:, TrackFeature.PT], pz)
    np.testing.assert_allclose(track[:, TrackFeature.P], momentum, rtol=1e-5)
    transverse = cluster[:, ClusterFeature.ENERGY] / np.cosh(cluster[:, ClusterFeature.ETA])
    np.testing.assert_allclose(cluster[:, ClusterFeature.ET], transverse, rtol=1e-5)


def test_values_that_are_not_finite_become_zero() -> None:
    tracks = random_collection(TRACKS, [1], 0)
    broken = Collection(TRACKS, tracks.offsets, {**tracks.columns, "chi2": np.array([np.nan])})
    values = feature_matrix(build_elements(broken, Collection.empty(CLUSTERS, 1)))
    assert values[0, TrackFeature.CHI2] == 0
    assert np.isfinite(values).all()
