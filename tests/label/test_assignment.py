import numpy as np

from partflow.label.assignment import assign, particle_of_largest_overlap
from partflow.label.links import link_clusters, primary_tracks

PLACE = (1.0, 1.0, 1.0)


def assigned(truth):
    links = link_clusters(truth.deposits)
    track = primary_tracks(truth.particles, truth.track_particles)
    return assign(truth.particles, track, links, len(truth.tracks), len(truth.clusters))


def test_a_particle_goes_to_its_own_track_rather_than_to_its_cluster(event):
    result = assigned(event([(211, 5, 0, 0)], [(0, True)], [(0, 0, 4.0, *PLACE)], 1))
    assert result.track.tolist() == [0]
    assert result.cluster.tolist() == [-1]


def test_a_charged_particle_without_track_goes_to_its_largest_cluster(event):
    deposits = [(0, 0, 1.0, *PLACE), (0, 1, 3.0, *PLACE)]
    assert assigned(event([(211, 5, 0, 0)], [], deposits, 2)).cluster.tolist() == [1]


def test_the_more_energetic_particle_chooses_first(event):
    deposits = [(0, 0, 2.0, *PLACE), (1, 0, 1.5, *PLACE), (0, 1, 0.5, *PLACE)]
    result = assigned(event([(22, 3, 0, 0), (22, 9, 0, 0)], [], deposits, 2))
    assert result.cluster.tolist() == [1, 0]


def test_of_two_equally_energetic_the_first_chooses_first(event):
    deposits = [(0, 0, 2.0, *PLACE), (1, 0, 2.5, *PLACE), (1, 1, 0.5, *PLACE)]
    result = assigned(event([(22, 5, 0, 0), (22, 0, 5, 0)], [], deposits, 2))
    assert result.cluster.tolist() == [0, 1]


def test_without_a_track_visible_means_more_than_five_percent_in_clusters(event):
    particles = [(22, 100, 0, 0), (22, 0, 100, 0), (22, 0, 0, 100)]
    deposits = [(0, 0, 5.0, *PLACE), (1, 1, 5.001, *PLACE), (2, -1, 50.0, *PLACE)]
    assert assigned(event(particles, [], deposits, 2)).is_visible.tolist() == [False, True, False]


def test_a_neutrino_is_never_visible(event):
    """Not even with a truth link to a hit."""
    result = assigned(event([(-14, 5, 0, 0)], [], [(0, 0, 3.0, *PLACE)], 1))
    assert not result.is_visible.any()
    assert not result.is_placed.any()


def test_a_particle_left_over_is_merged_into_the_particle_on_its_largest_cluster(event):
    particles = [(22, 9, 0, 0), (130, 0, 8, 0), (22, 0, 0, 2)]
    deposits = [
        (0, 0, 8.0, *PLACE),
        (1, 1, 6.0, *PLACE),
        (2, 0, 0.5, *PLACE),
        (2, 1, 0.7, *PLACE),
    ]
    result = assigned(event(particles, [], deposits, 2))
    assert result.cluster.tolist() == [0, 1, -1]
    assert result.merged_into.tolist() == [-1, -1, 1]


def test_a_particle_without_element_or_cluster_is_lost_and_never_merged_at_random(event):
    """Two particles with the same track, and no cluster."""
    truth = event([(211, 5, 0, 0), (211, 4, 0, 0)], [(0, True)])
    links = link_clusters(truth.deposits)
    result = assign(truth.particles, np.array([0, 0]), links, 1, 0)
    assert result.track.tolist() == [0, -1]
    assert result.merged_into.tolist() == [-1, -1]
    assert result.is_lost.tolist() == [False, True]


def test_merging_skips_a_cluster_without_a_particle(event):
    deposits = [(0, 0, 2.0, *PLACE), (0, 1, 1.0, *PLACE), (1, 0, 3.0, *PLACE)]
    truth = event([(22, 9, 0, 0), (22, 5, 0, 0), (22, 7, 0, 0)], [], deposits, 2)
    links = link_clusters(truth.deposits)
    merged_into = particle_of_largest_overlap(
        np.array([True, True, False]), links, cluster_to_particle=np.array([-1, 2])
    )
    assert merged_into.tolist() == [2, -1, -1]


def test_every_visible_particle_is_placed_once_or_merged_into_one_that_is(random_event, join):
    rng = np.random.default_rng(1)
    result = assigned(join(*(random_event(rng) for _ in range(300))))
    merged = result.merged_into >= 0
    assert np.array_equal(
        result.is_visible.astype(int),
        (result.track >= 0).astype(int) + (result.cluster >= 0) + merged + result.is_lost,
    )
    assert merged.sum() > 20
    assert np.all(result.is_placed[result.merged_into[merged]])
    for element in (result.track, result.cluster):
        taken = element[element >= 0]
        assert len(np.unique(taken)) == len(taken) > 0
