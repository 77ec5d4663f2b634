"""The published definition on small events; the reference file is in tests/ingest."""

import numpy as np
import pytest

from partflow.core.records import Collection, Events
from partflow.core.schemas import CANDIDATES
from partflow.label.published import label_published


def as_events(truth):
    number = truth.particles.num_events
    return Events(
        np.arange(number),
        np.full(number, "x", dtype=object),
        {**truth._asdict(), "baseline": Collection.empty(CANDIDATES, number)},
    )


def test_of_two_merged_particles_only_the_last_counts(event):
    photons = [(22, 0, 20, 0), (22, 0, 10, 0), (22, 0, 5, 0)]
    deposits = [(i, 0, e, 0, 1500, 0) for i, e in ((0, 20), (1, 10), (2, 5))]
    found = label_published(as_events(event(photons, deposits=deposits, num_clusters=1)))
    assert found.events.targets.energy.tolist() == [25]
    assert (found.report.num_merged, found.report.num_forgotten) == (2, 1)


def test_a_particle_without_overlap_is_merged_into_the_particle_on_the_first_cluster(event):
    # Both pions are linked to the only track; for the second no element is left.
    truth = event(
        [(22, 0, 9, 0), (211, 8, 0, 0), (-211, 3, 0, 0)],
        tracks=[(1, 1)],
        deposits=[(0, 0, 9, 0, 1500, 0)],
        num_clusters=1,
    )
    events = as_events(truth)
    made = events.track_particles
    links = {
        "track_index": np.array([0, 0]), "mc_index": np.array([1, 2]),
        "weight": np.array([0.6, 0.4]),
    }  # fmt: skip
    from partflow.core import schemas as r

    sources = {"mc_index": np.arange(3), "simulator_status": np.zeros(3)}
    events = events.with_collections(
        particle_sources=Collection(r.PARTICLE_SOURCES, np.array([0, 3]), sources),
        particle_daughters=Collection.empty(r.PARTICLE_DAUGHTERS, 1),
        contribution_sources=Collection(
            r.CONTRIBUTION_SOURCES, np.array([0, 1]), {"mc_index": np.array([0])}
        ),
        track_links=Collection(r.TRACK_LINKS, np.array([0, 2]), links),
        unrefitted_states=Collection(
            r.UNREFITTED_STATES,
            made.offsets,
            {n: events.tracks.columns[n] for n in r.UNREFITTED_STATES.names},
        ),
    )
    targets = label_published(events).events.targets
    assert targets.pdg_id.tolist() == [211, 22]
    energy = events.particles.energy
    assert targets.energy.tolist() == pytest.approx([energy[1], energy[0] + energy[2]])
    assert targets.gp_to_track.tolist() == pytest.approx([0.6, 0])


def test_a_particle_that_cannot_be_placed_drops_its_event_only(event, join):
    without_cluster = event([(211, 8, 0, 0), (-211, 3, 0, 0)], tracks=[(0, 1)])
    good = event([(13, 8, 0, 0)], tracks=[(0, 1)])
    events = as_events(join(good, without_cluster, good))
    # The second pion is linked to the first one's track.
    links = events.track_particles
    assert len(links) == 3
    from partflow.core import schemas as r

    track_links = Collection(
        r.TRACK_LINKS,
        np.array([0, 1, 3, 4]),
        {
            "track_index": np.zeros(4),
            "mc_index": np.array([0, 0, 1, 0]),
            "weight": np.array([1, 0.5, 0.5, 1]),
        },
    )
    counts = events.particles.offsets
    sources = {"mc_index": events.particles.index_in_event, "simulator_status": np.zeros(4)}
    events = events.with_collections(
        particle_sources=Collection(r.PARTICLE_SOURCES, counts, sources),
        particle_daughters=Collection.empty(r.PARTICLE_DAUGHTERS, 3),
        contribution_sources=Collection.empty(r.CONTRIBUTION_SOURCES, 3),
        track_links=track_links,
    )
    found = label_published(events)
    assert found.events.event_id.tolist() == [0, 2]
    assert found.report.bad_event_ids == (1,)
    assert found.report.to_dict()["bad_events"][0]["event_id"] == 1


def test_an_event_without_visible_particle_is_dropped(event, join):
    truth = join(event([(22, 0, 1, 0)]), event([(13, 8, 0, 0)], tracks=[(0, 1)]), event([]))
    found = label_published(as_events(truth))
    assert found.events.event_id.tolist() == [1]
    assert found.report.num_without_visible == 2


def test_no_events_give_no_labels(event):
    events = as_events(event([]))[:0]
    found = label_published(events)
    assert len(found.events) == 0
    assert found.events.elements.num_events == 0


def test_a_neutral_particle_on_a_track_is_a_charged_hadron_without_charge(event):
    truth = event([(22, 0, 4, 0)], tracks=[(0, 1)])
    targets = label_published(as_events(truth)).events.targets
    assert (targets.pdg_id.tolist(), targets.charge.tolist()) == ([211], [0])


@pytest.mark.parametrize("seed", range(8))
def test_an_event_is_labelled_alone_as_among_others(seed, random_event, join):
    rng = np.random.default_rng(seed)
    truths = [random_event(rng) for _ in range(6)]
    together = label_published(as_events(join(*truths))).events
    position = 0
    for truth in truths:
        alone = label_published(as_events(truth)).events
        if len(alone) == 0:
            continue
        for name, collection in alone.collections.items():
            same = together.collections[name][position : position + 1]
            for column, values in collection.columns.items():
                np.testing.assert_array_equal(same.columns[column], values)
        position += 1
    assert position == len(together)
