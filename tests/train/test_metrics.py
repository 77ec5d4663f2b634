from dataclasses import replace

import pytest
import torch

from partflow.train.metrics import missing_momentum_error, projections, sliced_wasserstein

DIRECTIONS = projections(seed=1)


def test_a_perfect_network_has_no_error(labelled_batch, perfect_output):
    output = perfect_output(labelled_batch)
    assert float(missing_momentum_error(output, labelled_batch).mean) == pytest.approx(0, abs=1e-3)
    assert float(sliced_wasserstein(output, labelled_batch, DIRECTIONS).mean) < 1e-3


def test_doubled_momenta_give_an_error_of_the_true_met(labelled_batch, perfect_output):
    # Tracks keep their momentum: only events without them are doubled as a whole.
    batch = labelled_batch
    output = perfect_output(batch)
    double = replace(output, log_pt_ratio=output.log_pt_ratio + torch.log(torch.tensor(2.0)))
    has_track = torch.zeros(batch.num_events).index_add(
        0, batch.event_index, batch.is_track.float()
    )
    only_clusters = int(torch.nonzero(has_track == 0)[0])
    rows = batch.event_index == only_clusters
    met = float(torch.linalg.vector_norm(batch.gen_met[only_clusters]))
    assert met > 1  # beyond the quadratic part of the Huber loss
    doubled = torch.where(rows, double.log_pt_ratio, output.log_pt_ratio)
    error = float(missing_momentum_error(replace(output, log_pt_ratio=doubled), batch).mean)
    assert error * batch.num_events == pytest.approx(met - 0.5, rel=1e-3)


def test_the_sliced_wasserstein_distance_does_not_depend_on_the_order_of_particles(
    labelled_batch, perfect_output
):
    """Two elements that exchange their particles do not change the set."""
    output = perfect_output(labelled_batch)
    clusters = torch.nonzero(labelled_batch.is_cluster).flatten()
    first, second = clusters[:2].tolist()
    assert labelled_batch.event_index[first] == labelled_batch.event_index[second]
    swapped = labelled_batch.targets.clone()
    swapped[first], swapped[second] = swapped[second].clone(), swapped[first].clone()
    batch = replace(labelled_batch, targets=swapped)
    assert float(sliced_wasserstein(output, batch, DIRECTIONS).mean) < 1e-3
    lost = replace(output, is_particle_logit=torch.full_like(output.is_particle_logit, -60.0))
    assert float(sliced_wasserstein(lost, batch, DIRECTIONS).mean) > 0.1
