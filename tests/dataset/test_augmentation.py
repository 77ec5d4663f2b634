import numpy as np
import pytest

from partflow.core.features import (
    CLUSTER,
    NUM_FEATURES,
    TRACK,
    ClusterFeature,
    ExtraFeature,
    TrackFeature,
    build_elements,
    feature_matrix,
)
from partflow.core.kinematics import delta_phi
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection
from partflow.core.schemas import CLUSTERS, TRACKS
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM
from partflow.dataset.augmentation import (
    Symmetry,
    draw_symmetry,
    transform_features,
    transform_met,
    transform_targets,
)
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.dataset.draws import uniform

NUM = 200
# float32 holds 24 bits, so sums of a few products are good to about 1e-6 of the largest.
PRECISION = 3e-6


@pytest.fixture(params=["rotation", "reflection y", "reflection z", "all"])
def symmetry(request):
    rng = np.random.default_rng(1)
    angle, one = rng.uniform(0, 2 * np.pi, NUM), np.ones(NUM)
    sign_y, sign_z = (np.where(rng.random(NUM) < 0.5, -1.0, 1.0) for _ in range(2))
    return {
        "rotation": Symmetry(angle, one, one),
        "reflection y": Symmetry(0 * one, -one, one),
        "reflection z": Symmetry(0 * one, one, -one),
        "all": Symmetry(angle, sign_y, sign_z),
    }[request.param]


def along_helix(pt, phi, tan_lambda, d0, z0, omega, path):
    """Point and direction after the transverse `path` [mm] from the perigee (LCIO signs)."""
    turned = phi - omega * path
    x = -d0 * np.sin(phi) + (np.sin(phi) - np.sin(turned)) / omega
    y = d0 * np.cos(phi) + (np.cos(turned) - np.cos(phi)) / omega
    direction = np.stack([np.cos(turned), np.sin(turned), tan_lambda], axis=1)
    direction /= np.sqrt(1 + tan_lambda**2)[:, None]
    return np.stack([x, y, z0 + path * tan_lambda], axis=1), direction


@pytest.fixture(scope="module")
def tracks():
    """Features of tracks whose face position lies on the helix of their perigee."""
    rng = np.random.default_rng(2)
    charge = rng.choice([-1, 1], NUM)
    pt, phi = rng.uniform(2, 50, NUM), rng.uniform(-np.pi, np.pi, NUM)
    tan_lambda, d0, z0 = rng.normal(0, 0.7, NUM), rng.normal(0, 20, NUM), rng.normal(0, 50, NUM)
    omega = charge * LIGHT_SPEED_GEV_PER_T_MM * CLIC.magnetic_field / pt
    position, direction = along_helix(pt, phi, tan_lambda, d0, z0, omega, 1500.0)
    values = {f.name: rng.normal(size=NUM) for f in TRACKS.fields}
    values |= {
        "charge": charge,
        "pt": pt,
        "phi": phi,
        "tan_lambda": tan_lambda,
        "d0": d0,
        "z0": z0,
        "omega": omega,
    }
    values |= {f"face_{axis}": position[:, i] for i, axis in enumerate("xyz")}
    values |= {f"face_d{axis}": direction[:, i] for i, axis in enumerate("xyz")}
    values |= {
        "face_region": np.ones(NUM),
        "num_yoke_hits": np.ones(NUM),
    }
    return feature_matrix(
        build_elements(
            Collection(TRACKS, np.array([0, NUM]), values), Collection.empty(CLUSTERS, 1)
        )
    )


@pytest.fixture(scope="module")
def clusters():
    """Features of clusters transformed from the origin in the direction of their centroid."""
    rng = np.random.default_rng(3)
    x, y, z = rng.normal(0, 1500, (3, NUM))
    values = {f.name: rng.exponential(1, NUM) for f in CLUSTERS.fields}
    values |= {
        "x": x,
        "y": y,
        "z": z,
        "theta": np.arctan2(np.hypot(x, y), z),
        "phi": np.arctan2(y, x),
    }
    return feature_matrix(
        build_elements(
            Collection.empty(TRACKS, 1), Collection(CLUSTERS, np.array([0, NUM]), values)
        )
    )


def transformed_vectors(vectors, symmetry):
    """Vectors [element, 3] after the symmetry, by matrices: independent of the code."""
    cos, sin, zero = np.cos(symmetry.angle), np.sin(symmetry.angle), np.zeros(NUM)
    matrix = np.array(
        [
            [cos, -sin * symmetry.sign_y, zero],
            [sin, cos * symmetry.sign_y, zero],
            [zero, zero, symmetry.sign_z],
        ]
    )
    return np.einsum("ije,ej->ei", matrix, vectors)


def test_a_transformed_track_is_on_its_transformed_helix(tracks, symmetry):
    f, extra = TrackFeature, ExtraFeature
    transformed = transform_features(tracks, symmetry).astype(np.float64)
    phi = np.arctan2(transformed[:, f.SIN_PHI], transformed[:, f.COS_PHI])
    perigee = (transformed[:, c] for c in (f.TAN_LAMBDA, f.D0, f.Z0, f.OMEGA))
    position, direction = along_helix(transformed[:, f.PT], phi, *perigee, 1500.0)
    face = transformed[:, extra.FACE_X : extra.FACE_Z + 1]
    assert np.abs(position - face).max() < 1500 * PRECISION
    face_direction = transformed[:, extra.FACE_DX : extra.FACE_DZ + 1]
    assert np.abs(direction - face_direction).max() < PRECISION
    original = tracks[:, extra.FACE_X : extra.FACE_Z + 1].astype(np.float64)
    assert np.abs(face - transformed_vectors(original, symmetry)).max() < 1500 * PRECISION


def test_eta_and_tan_lambda_of_a_transformed_track_agree(tracks, symmetry):
    transformed = transform_features(tracks, symmetry)
    eta = np.arcsinh(transformed[:, TrackFeature.TAN_LAMBDA])
    assert np.abs(transformed[:, TrackFeature.ETA] - eta).max() < PRECISION


def test_angles_and_position_of_a_transformed_cluster_agree(clusters, symmetry):
    f, extra = ClusterFeature, ExtraFeature
    transformed = transform_features(clusters, symmetry).astype(np.float64)
    x, y, z = transformed[:, f.X], transformed[:, f.Y], transformed[:, f.Z]
    position = np.stack([x, y, z], axis=1)
    original = clusters[:, [f.X, f.Y, f.Z]].astype(np.float64)
    assert np.abs(position - transformed_vectors(original, symmetry)).max() < 5000 * PRECISION
    radius = np.hypot(x, y)
    assert np.abs(transformed[:, f.SIN_PHI] - y / radius).max() < 10 * PRECISION
    assert np.abs(transformed[:, f.COS_PHI] - x / radius).max() < 10 * PRECISION
    assert np.abs(transformed[:, f.THETA] - np.arctan2(radius, z)).max() < PRECISION
    assert transformed[:, f.ETA] == pytest.approx(np.arcsinh(z / radius), abs=1e-4, rel=1e-4)
    assert np.array_equal(transformed[:, extra.FACE_X : extra.FACE_Z + 1], position)
    direction = transformed[:, extra.FACE_DX : extra.FACE_DZ + 1]
    length = np.linalg.norm(position, axis=1, keepdims=True)
    assert np.abs(direction - position / length).max() < PRECISION


def test_columns_without_direction_do_not_change(tracks, clusters, symmetry):
    f, c, extra = TrackFeature, ClusterFeature, ExtraFeature
    angles = {f.ETA, f.SIN_PHI, f.COS_PHI, *range(extra.FACE_X, extra.FACE_DZ + 1)}
    of_track = angles | {f.TAN_LAMBDA, f.D0, f.OMEGA, f.Z0}
    of_cluster = angles | {c.X, c.Y, c.Z, c.THETA, c.SIGMA_X, c.SIGMA_Y}
    for features, with_direction in ((tracks, of_track), (clusters, of_cluster)):
        rest = sorted(set(range(NUM_FEATURES)) - {int(i) for i in with_direction})
        transformed = transform_features(features, symmetry)
        assert np.array_equal(transformed[:, rest], features[:, rest])


def test_a_quarter_turn_swaps_the_widths_and_any_rotation_keeps_their_quadratic_sum(clusters):
    x, y = ClusterFeature.SIGMA_X, ClusterFeature.SIGMA_Y
    one = np.ones(NUM)
    quarter = transform_features(clusters, Symmetry(one * np.pi / 2, one, one))
    assert quarter[:, [x, y]] == pytest.approx(clusters[:, [y, x]], rel=1e-6)
    turned = transform_features(clusters, Symmetry(one * 0.7, one, one))
    assert np.hypot(turned[:, x], turned[:, y]) == pytest.approx(
        np.hypot(clusters[:, x], clusters[:, y]), rel=1e-6
    )


def test_two_equal_reflections_give_the_original_event(tracks, clusters):
    one = np.ones(NUM)
    for reflection in (Symmetry(0 * one, -one, one), Symmetry(0 * one, one, -one)):
        assert np.array_equal(
            transform_features(transform_features(tracks, reflection), reflection), tracks
        )
        twice = transform_features(transform_features(clusters, reflection), reflection)
        assert np.abs(twice - clusters).max() < PRECISION  # theta -> pi - theta rounds


def drawn_targets(rng):
    targets = np.zeros((NUM, len(TargetColumn)), np.float32)
    phi = rng.uniform(-np.pi, np.pi, NUM)
    targets[:, TargetColumn.CLASS] = 1
    targets[:, TargetColumn.CHARGE] = rng.choice([-1, 1], NUM)
    targets[:, TargetColumn.PT] = rng.exponential(5, NUM)
    targets[:, TargetColumn.ETA] = rng.normal(0, 1, NUM)
    targets[:, TargetColumn.SIN_PHI], targets[:, TargetColumn.COS_PHI] = np.sin(phi), np.cos(phi)
    targets[:, TargetColumn.ENERGY] = rng.exponential(8, NUM)
    targets[:, TargetColumn.JET_INDEX] = rng.integers(-1, 4, NUM)
    return targets


def test_a_target_is_transformed_like_its_element(tracks, symmetry):
    t, f = TargetColumn, TrackFeature
    targets = drawn_targets(np.random.default_rng(4))
    transformed, element = (
        transform_targets(targets, symmetry),
        transform_features(tracks, symmetry),
    )

    def apart(a, b):
        phi_a = np.arctan2(a[:, t.SIN_PHI], a[:, t.COS_PHI])
        phi_b = np.arctan2(b[:, f.SIN_PHI], b[:, f.COS_PHI])
        return delta_phi(phi_a, phi_b), a[:, t.ETA] - b[:, f.ETA]

    (phi_before, eta_before), (phi_after, eta_after) = (
        apart(targets, tracks),
        apart(transformed, element),
    )
    turned = np.abs(delta_phi(phi_after, symmetry.sign_y * phi_before))
    assert turned.max() < 10 * PRECISION
    assert np.abs(eta_after - symmetry.sign_z * eta_before).max() < PRECISION
    curves_as_charged = element[:, f.OMEGA] * transformed[:, t.CHARGE]
    assert np.array_equal(
        np.sign(curves_as_charged), np.sign(tracks[:, f.OMEGA] * targets[:, t.CHARGE])
    )
    kept = [t.CLASS, t.PT, t.ENERGY, t.JET_INDEX]
    assert np.array_equal(transformed[:, kept], targets[:, kept])


def test_missing_momentum_is_transformed_like_the_targets():
    t = TargetColumn
    targets = drawn_targets(np.random.default_rng(5))
    event = draw_symmetry(np.array([11]), seed=1, pass_index=1)
    transformed = transform_targets(targets, event.take(np.zeros(NUM, dtype=int)))

    def met(x):
        momentum = x[:, [t.COS_PHI, t.SIN_PHI]].astype(np.float64) * x[:, [t.PT]]
        return momentum.sum(axis=0, keepdims=True)

    assert (MetColumn.PX, MetColumn.PY) == (0, 1)
    assert transform_met(met(targets), event) == pytest.approx(met(transformed), abs=1e-3)


def test_an_element_without_particle_keeps_a_target_of_zeros(symmetry):
    nothing = np.zeros((NUM, len(TargetColumn)), np.float32)
    nothing[:, TargetColumn.JET_INDEX] = -1
    assert np.array_equal(transform_targets(nothing, symmetry), nothing)


def test_the_input_arrays_are_not_changed(tracks, symmetry):
    before = tracks.copy()
    transform_features(tracks, symmetry)
    assert np.array_equal(tracks, before)


def test_drawn_symmetries_cover_the_group_evenly():
    drawn = draw_symmetry(np.arange(10000), seed=5, pass_index=0)
    # five standard deviations of the mean of 10000 numbers
    assert abs(drawn.sign_y.mean()) < 0.05
    assert abs(drawn.sign_z.mean()) < 0.05
    assert abs((drawn.sign_y * drawn.sign_z).mean()) < 0.05
    assert abs(np.exp(1j * drawn.angle).mean()) < 0.05
    assert np.abs(np.histogram(drawn.angle, 10, (0, 2 * np.pi))[0] - 1000).max() < 5 * np.sqrt(900)


def test_a_symmetry_depends_on_event_seed_and_number_of_uses_alone():
    ids = np.array([3, 1, 2])
    some, all_of_them = draw_symmetry(ids[1:], 7, 2), draw_symmetry(ids, 7, 2)
    assert np.array_equal(some.angle, all_of_them.angle[1:])
    assert not np.any(draw_symmetry(ids, 7, 3).angle == all_of_them.angle)
    assert not np.any(draw_symmetry(ids, 8, 2).angle == all_of_them.angle)


def test_draws_with_different_keys_are_uncorrelated():
    ids = np.arange(10000)
    draws = np.stack([uniform(ids, *key) for key in ((), (1,), (2,), (1, 2), (2, 1), (1, 2, 0))])
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 0.05  # five times 1/sqrt(10000)
    assert np.all((draws >= 0) & (draws < 1))


def test_tracks_and_clusters_of_one_batch_are_transformed_by_their_type(tracks, clusters, symmetry):
    mixed = np.concatenate([tracks[::2], clusters[1::2]])
    assert set(mixed[:, TrackFeature.TYPE]) == {TRACK, CLUSTER}
    order = np.concatenate([np.arange(0, NUM, 2), np.arange(1, NUM, 2)])
    transformed = transform_features(mixed, symmetry.take(order))
    assert np.array_equal(transformed[: NUM // 2], transform_features(tracks, symmetry)[::2])
    assert np.array_equal(transformed[NUM // 2 :], transform_features(clusters, symmetry)[1::2])
