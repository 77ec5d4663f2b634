import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.label.links import link_clusters, own_track


def links_of(truth):
    return link_clusters(
        truth.particles, truth.clusters.counts, truth.hit_clusters, truth.contributions
    )


def test_energies_in_the_hits_of_a_cluster_add_up(event):
    deposits = [(0, 0, 1.0, 1, 1, 1), (0, 1, 0.5, 1, 1, 1), (0, 0, 2.0, 1, 1, 1)]
    links = links_of(event([(22, 4, 0, 0)], deposits=deposits, num_clusters=2))
    assert links.cluster.tolist() == [0, 1]
    assert links.energy.tolist() == [3.0, 0.5]
    assert links.clustered_energy.tolist() == [3.5]


def test_a_hit_in_no_cluster_links_to_none(event):
    links = links_of(event([(22, 4, 0, 0)], deposits=[(0, -1, 1.0, 1, 1, 1)]))
    assert links.offsets.tolist() == [0, 0]
    assert links.best_cluster.tolist() == [-1]


def test_links_go_from_the_largest_overlap_down_and_ties_from_the_lower_cluster_up(event):
    deposits = [(0, 2, 1.0, 1, 1, 1), (0, 0, 1.0, 1, 1, 1), (0, 1, 3.0, 1, 1, 1)]
    links = links_of(event([(22, 9, 0, 0)], deposits=deposits, num_clusters=3))
    assert links.cluster.tolist() == [1, 0, 2]
    assert links.best_cluster.tolist() == [1]


def test_links_never_leave_their_event(event, join):
    one = event([(22, 4, 0, 0)], deposits=[(0, 0, 1.0, 1, 1, 1)], num_clusters=1)
    links = links_of(join(one, event([]), one))
    assert links.cluster.tolist() == [0, 1]
    assert links.particle.tolist() == [0, 1]


@pytest.mark.parametrize("column", ["hit_index", "particle_index"])
def test_a_link_out_of_its_event_is_an_error_that_says_where(event, join, column):
    good = event([(22, 4, 0, 0)], deposits=[(0, 0, 1.0, 1, 1, 1)], num_clusters=1)
    bad = event([(22, 4, 0, 0)], deposits=[(0, 0, 1.0, 1, 1, 1)], num_clusters=1)
    bad.contributions.columns[column][0] = 1  # exists in the batch, but in another event
    with pytest.raises(DataError, match="event at position 1: a truth link points to"):
        links_of(join(good, bad, good))


def test_only_the_track_a_particle_made_itself_is_its_own(event):
    truth = event([(22, 4, 0, 0), (211, 0, 5, 0)], tracks=[(0, False), (1, True), (1, False)])
    assert own_track(truth.particles, truth.track_particles).tolist() == [-1, 1]


def test_of_two_own_tracks_the_first_counts(event):
    truth = event([(211, 0, 5, 0)], tracks=[(0, True), (0, True)])
    assert own_track(truth.particles, truth.track_particles).tolist() == [0]


def test_a_track_without_particle_belongs_to_nobody(event):
    truth = event([(211, 0, 5, 0)], tracks=[(0, True)])
    truth.track_particles.columns["particle_index"][0] = -1
    assert np.all(own_track(truth.particles, truth.track_particles) == -1)
