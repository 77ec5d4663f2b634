import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.label.links import link_clusters, primary_tracks


def links_of(truth):
    return link_clusters(truth.deposits)


def test_energies_in_the_hits_of_a_cluster_add_up(event):
    deposits = [(0, 0, 1.0, 1, 1, 1), (0, 1, 0.5, 1, 1, 1), (0, 0, 2.0, 1, 1, 1)]
    links = links_of(event([(22, 4, 0, 0)], deposits=deposits, num_clusters=2))
    assert links.cluster.tolist() == [0, 1]
    assert links.energy_em.tolist() == [3.0, 0.5]
    assert links.clustered_energy_em.tolist() == [3.5]


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
def test_a_link_out_of_its_event_is_an_error_that_names_the_event(event, join, column):
    good = event([(22, 4, 0, 0)], deposits=[(0, 0, 1.0, 1, 1, 1)], num_clusters=1)
    bad = event([(22, 4, 0, 0)], deposits=[(0, 0, 1.0, 1, 1, 1)], num_clusters=1)
    bad.contributions.columns[column][0] = 1  # exists in the chunk, but in another event
    with pytest.raises(DataError, match="event at position 1: a truth link points to"):
        links_of(join(good, bad, good))


def test_only_the_track_that_a_particle_made_itself_is_primary(event):
    truth = event([(22, 4, 0, 0), (211, 0, 5, 0)], tracks=[(0, False), (1, True), (1, False)])
    assert primary_tracks(truth.particles, truth.track_particles).tolist() == [-1, 1]


def test_of_two_primary_tracks_the_first_counts(event):
    truth = event([(211, 0, 5, 0)], tracks=[(0, True), (0, True)])
    assert primary_tracks(truth.particles, truth.track_particles).tolist() == [0]


def test_a_track_without_particle_is_primary_of_none(event):
    truth = event([(211, 0, 5, 0)], tracks=[(0, True)])
    truth.track_particles.columns["particle_index"][0] = -1
    assert np.all(primary_tracks(truth.particles, truth.track_particles) == -1)
