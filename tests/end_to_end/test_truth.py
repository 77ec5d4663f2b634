"""Rules and networks read nothing that a detector cannot measure."""

from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.features import ELEMENTS, build_elements, feature_matrix
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, Events, concatenate_events
from partflow.core.schemas import CLUSTERS, HITS, TRACKS
from partflow.core.store import iterate_events, read_events, read_provenance, write_events
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct import reconstruct
from partflow.simulate import SimulationConfig, realistic

NUM_EVENTS = 6


def with_another_truth(events: Events, seed: int) -> Events:
    """The same hits and tracks with another truth: identities, momenta, vertices, order and every
    link of the particles are drawn anew.
    """
    rng = np.random.default_rng(seed)
    particles = events.particles
    columns = {name: values.copy() for name, values in particles.columns.items()}
    columns["pdg_id"] = rng.choice([22, 11, -13, 211, -211, 130, 2112, 12], len(particles))
    columns["charge"] = rng.integers(-1, 2, len(particles))
    columns["is_overlay"] = rng.integers(0, 2, len(particles))
    for name in ("px", "py", "pz", "energy", "mass", "vx", "vy", "vz", "collision_time"):
        columns[name] = rng.normal(0.0, 20.0, len(particles))
    order = rng.permutation(len(particles))
    order = order[np.argsort(particles.event_index[order], kind="stable")]
    particles = Collection(
        particles.schema, particles.offsets, {n: v[order] for n, v in columns.items()}
    )

    def relinked(links: Collection) -> Collection:
        num = particles.counts[links.event_index]
        other = {"particle_index": (rng.random(len(links)) * num).astype(int)}
        for name in ("energy_em", "is_primary", "is_duplicate"):
            if name in links.columns:
                other[name] = rng.integers(0, 2, len(links))
        return Collection(links.schema, links.offsets, {**links.columns, **other})

    return events.with_collections(
        particles=particles,
        contributions=relinked(events.contributions),
        track_particles=relinked(events.track_particles),
    )


@pytest.fixture(scope="module", params=["plain", "realistic"])
def folders(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """Simulated events, the same with another truth, and a network trained on the former."""
    folder = tmp_path_factory.mktemp(request.param)
    config = realistic() if request.param == "realistic" else SimulationConfig()
    pipeline.generate(GenerationConfig("ttbar", NUM_EVENTS, seed=61), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events", "clic", config)
    pipeline.label(folder / "events", folder / "labelled")
    pipeline.train(folder / "labelled", folder / "run", "tiny", epochs=1, threads=1)
    (folder / "other").mkdir()
    file = next((folder / "events").glob("*.parquet"))
    other = with_another_truth(read_events(file, "events"), 3)
    write_events(folder / "other" / file.name, other, "events", read_provenance(file))
    return folder / "events", folder / "other", folder / "run"


def bytes_of(collection: Collection) -> dict[str, bytes]:
    return {"offsets": collection.offsets.tobytes()} | {
        name: values.tobytes() for name, values in collection.columns.items()
    }


def test_the_truth_was_replaced(folders: tuple[Path, Path, Path]) -> None:
    one, other = (read_events(folder, "events") for folder in folders[:2])
    assert (one.particles.pdg_id != other.particles.pdg_id).mean() > 0.5
    assert not np.isclose(one.particles.vx, other.particles.vx).any()
    is_same = one.contributions.particle_index == other.contributions.particle_index
    assert is_same.mean() < 0.1
    for name in ("hits", "tracks"):
        assert bytes_of(one.collections[name]) == bytes_of(other.collections[name])


def test_elements_and_candidates_do_not_depend_on_the_truth(
    folders: tuple[Path, Path, Path],
) -> None:
    """Rules and network, byte for byte."""
    results = []
    for events in folders[:2]:
        stored = concatenate_events(list(iterate_events(events, "events")))
        by_rules = reconstruct(stored.hits, stored.tracks, CLIC)
        elements = build_elements(stored.tracks, by_rules.clusters)
        output = events.parent / f"{events.name}.parquet"
        pipeline.reconstruct(events, str(folders[2]), output)
        by_network = read_events(output, "candidates")
        results.append(
            (
                bytes_of(by_rules.candidates),
                bytes_of(by_rules.hit_clusters),
                feature_matrix(elements).tobytes(),
                bytes_of(by_network.candidates),
                bytes_of(by_network.shares),
            )
        )
    assert results[0] == results[1]
    assert len(results[0][3]["pt"]) > 8 * 10 * NUM_EVENTS


FIT = {"charge", "pt", "phi", "tan_lambda", "d0", "z0", "omega", "chi2", "ndf", "dedx",
       "dedx_error", "time"}  # fmt: skip
LAYERS = {"radius_of_innermost_hit", "radius_of_outermost_hit", "num_yoke_hits"}
FOLLOWED = {"face_region", "face_x", "face_y", "face_z", "face_dx", "face_dy", "face_dz"}


def test_every_column_is_a_measurement() -> None:
    """For a new column, state here how a detector would measure it.

    `tests/simulate/test_tracker.py` compares the followed columns with the fit and the hits.
    """
    assert set(TRACKS.names) == FIT | LAYERS | FOLLOWED
    assert set(HITS.names) == {"x", "y", "z", "energy_em", "subdetector", "region", "layer", "time"}
    truth = {"pdg_id", "vx", "vy", "vz", "particle_index", "is_primary", "is_overlay"}
    for schema in (TRACKS, HITS, CLUSTERS, ELEMENTS):
        assert not truth & set(schema.names)


def test_the_simulated_columns_at_the_face_hold_no_production_point() -> None:
    """A track that reaches no calorimeter ends far from where its particle was produced."""
    events = concatenate_events(list(generate(GenerationConfig("ttbar", 60, seed=62))))
    simulated = pipeline.simulate_events(events, CLIC, SimulationConfig())
    tracks, truth = simulated.tracks, simulated.track_particles
    lost = (tracks.face_region == 0) & (truth.is_primary == 1)
    particle = events.particles.flat_index(truth.event_index, truth.particle_index)[lost]
    vertex = np.stack([events.particles.columns[f"v{axis}"][particle] for axis in "xyz"], 1)
    face = np.stack([tracks.columns[f"face_{axis}"][lost] for axis in "xyz"], 1)
    assert lost.sum() > 100
    assert np.linalg.norm(face - vertex, axis=1).min() > 100.0
