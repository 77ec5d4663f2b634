"""Fine clusters: complete, purer than the final clusters, and independent of other events."""

import numpy as np
import pytest

from partflow.core.detector import MUON
from partflow.core.errors import DataError
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection
from partflow.core.schemas import HITS
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct import BaselineConfig, fine_clusters, reconstruct
from partflow.reconstruct.fine import fine_config
from partflow.simulate import simulate


@pytest.fixture(scope="module")
def simulated():
    (generated,) = generate(GenerationConfig("ww", 8, seed=17))
    return simulate(generated.particles, generated.event_id, CLIC)


@pytest.fixture(scope="module")
def fine(simulated):
    return fine_clusters(simulated.hits, CLIC)


def purity(simulated, clusters, hit_clusters):
    """Fraction of the clustered energy that belongs to the largest particle of its cluster."""
    contributions = simulated.contributions
    hit = simulated.hits.flat_index(contributions.event_index, contributions.hit_index)
    cluster = clusters.flat_index(contributions.event_index, hit_clusters.cluster_index[hit])
    is_clustered = cluster >= 0
    pairs = np.stack([cluster, contributions.particle_index])[:, is_clustered]
    pair, pair_index = np.unique(pairs, axis=1, return_inverse=True)
    energy = np.bincount(pair_index.ravel(), contributions.energy_em[is_clustered])
    largest = np.zeros(len(clusters))
    np.maximum.at(largest, pair[0], energy)
    return largest.sum() / energy.sum()


def test_every_hit_of_the_calorimeters_is_in_one_fine_cluster(simulated, fine):
    is_clustered = fine.hit_clusters.cluster_index >= 0
    assert np.array_equal(is_clustered, simulated.hits.subdetector != MUON)
    row = fine.clusters.flat_index(
        simulated.hits.event_index, fine.hit_clusters.cluster_index
    )[is_clustered]  # fmt: skip
    energy = np.bincount(row, simulated.hits.energy_em[is_clustered], len(fine.clusters))
    assert fine.clusters.energy_em == pytest.approx(energy, rel=1e-6)
    assert np.all(np.bincount(row, minlength=len(fine.clusters)) == fine.clusters.num_hits)
    assert np.all(fine.clusters.num_hits > 0)


def test_fine_clusters_are_more_numerous_and_purer_than_final_ones(simulated, fine):
    final = reconstruct(simulated.hits, simulated.tracks, CLIC)
    assert 1.2 * len(final.clusters) < len(fine.clusters) < 2 * len(final.clusters)
    final_purity = purity(simulated, final.clusters, final.hit_clusters)
    assert purity(simulated, fine.clusters, fine.hit_clusters) > final_purity + 0.01


def test_fine_clusters_of_an_event_depend_on_its_own_hits_only(simulated, fine):
    alone = fine_clusters(simulated.hits[3:4], CLIC)
    for name in ("clusters", "hit_clusters"):
        together = getattr(fine, name)[3:4]
        for column, values in getattr(alone, name).columns.items():
            assert np.array_equal(values, together.columns[column]), column


def test_only_cones_and_merging_differ_from_the_baseline():
    baseline = BaselineConfig()
    config = fine_config(baseline, cone_scale=0.5)
    assert config.cones.tangent_hcal == 0.5 * baseline.cones.tangent_hcal
    assert config.cones.same_layer_ecal == baseline.cones.same_layer_ecal
    assert (config.peaks, config.photons) == (baseline.peaks, baseline.photons)
    assert config.neutrals.merge_distance_hcal == 0


@pytest.mark.parametrize("num_events", [0, 2])
def test_events_without_hits_have_no_fine_clusters(num_events):
    result = fine_clusters(Collection.empty(HITS, num_events), CLIC)
    assert result.clusters.num_events == result.hit_clusters.num_events == num_events
    assert len(result.clusters) == 0


def test_a_hit_without_finite_energy_is_refused(simulated):
    hits = simulated.hits[:1]
    hits.columns["energy_em"][0] = np.nan
    with pytest.raises(DataError, match=r"hits\.energy_em: nan in event 0"):
        fine_clusters(hits, CLIC)
