"""Final and fine elements through all stages; a network uses those it was trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.errors import ConfigError, InputError
from partflow.core.records import Collection, Events
from partflow.core.schemas import TRACKS
from partflow.core.store import read_events, read_provenance, write_events
from partflow.dataset.packed import PackedDataset
from partflow.generate import GenerationConfig
from partflow.label import LabelConfig
from partflow.pipeline.element_sets import ElementSets


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the output of every stage for eight events, with both element sets."""
    folder = tmp_path_factory.mktemp("fine")
    pipeline.generate(GenerationConfig("qq", 8, seed=5), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events")
    for elements in ("final", "fine"):
        labelled, run = folder / f"labelled-{elements}", folder / f"run-{elements}"
        pipeline.label(folder / "events", labelled, element_set=elements)
        head = "sharing" if elements == "fine" else "direct"
        pipeline.train(labelled, run, preset="tiny", epochs=1, threads=1, head=head)
        pipeline.reconstruct(folder / "events", str(run), folder / f"{elements}.parquet")
    candidates = {name: folder / f"{name}.parquet" for name in ("final", "fine")}
    pipeline.evaluate(folder / "events", candidates, folder / "report", plots=False)
    return folder


def events_of(outputs: Path) -> Events:
    """The events, with the clusters of both element sets."""
    folder = outputs / "events"
    return ElementSets.of(folder).add(read_events(folder, "events"), ["final", "fine"])


def test_fine_clusters_are_smaller_and_hold_the_same_hits(outputs: Path) -> None:
    events = events_of(outputs)
    assert len(events.fine_clusters) > 1.1 * len(events.clusters)
    assert np.all(events.fine_clusters.counts >= events.clusters.counts)
    is_fine, is_final = (
        collection.cluster_index >= 0
        for collection in (events.fine_hit_clusters, events.hit_clusters)
    )
    assert np.mean(is_fine == is_final) > 0.99


def test_fine_clusters_do_not_depend_on_tracks_or_other_events(outputs: Path) -> None:
    element_sets = ElementSets.of(outputs / "events")
    plain = read_events(outputs / "events", "events")
    without = plain.with_collections(tracks=Collection.empty(TRACKS, len(plain)))
    together, alone = (element_sets.add(e, ["fine"]) for e in (without, plain[2:3]))
    for name in ("fine_clusters", "fine_hit_clusters"):
        for column, values in events_of(outputs).collections[name].columns.items():
            np.testing.assert_array_equal(values, together.collections[name].columns[column])
        for column, values in alone.collections[name].columns.items():
            np.testing.assert_array_equal(values, together[2:3].collections[name].columns[column])


@pytest.mark.parametrize("elements", ["final", "fine"])
def test_labels_hold_the_elements_asked_for_and_their_shares(outputs: Path, elements: str) -> None:
    clusters = "clusters" if elements == "final" else "fine_clusters"
    events = events_of(outputs)
    labelled = read_events(outputs / f"labelled-{elements}", "labelled")
    expected = events.tracks.counts + events.collections[clusters].counts
    assert labelled.elements.counts.tolist() == expected.tolist()
    shares = labelled.shares
    row = labelled.elements.flat_index(shares.event_index, shares.cluster_element)
    total = np.bincount(row, shares.energy_em, len(labelled.elements))
    is_cluster = labelled.elements.type == 2
    assert total[is_cluster] == pytest.approx(labelled.elements.energy[is_cluster], rel=1e-5)
    dataset = PackedDataset.open(outputs / f"labelled-{elements}" / pipeline.PACKED)
    assert dataset.element_set == elements
    assert dataset.shares is not None
    assert len(dataset.shares.energy_em) == len(shares)


def test_a_network_reconstructs_from_the_elements_it_was_trained_on(outputs: Path) -> None:
    for elements in ("final", "fine"):
        provenance = read_provenance(outputs / f"{elements}.parquet")
        assert provenance.config["elements"] == elements


def test_the_report_has_the_ceilings_of_both_element_sets(outputs: Path) -> None:
    metrics = json.loads((outputs / "report" / "metrics.json").read_text())
    names = {"final", "fine", "baseline", "perfect", "perfect_sharing", "perfect_sharing_fine"}
    for part in ("jets", "met", "particles"):
        assert names <= set(metrics[part])
    # Perfect sharing assigns every cluster to the right particle, with any elements.
    for name in ("perfect_sharing", "perfect_sharing_fine"):
        assert metrics["particles"][name]["photon"]["fake_rate"] == 0
        assert metrics["particles"][name]["charged_hadron"]["efficiency"] == 1


def test_an_unknown_element_set_is_refused_by_name(outputs: Path) -> None:
    with pytest.raises(ConfigError, match="choose one of final, fine"):
        pipeline.label(outputs / "events", outputs / "none", element_set="finest")
    assert not (outputs / "none").exists()


def test_events_without_hits_have_no_fine_clusters(outputs: Path, tmp_path: Path) -> None:
    """As in published data sets, which hold clusters only."""
    events = read_events(outputs / "events", "events")
    nothing = {
        name: Collection.empty(events.collections[name].schema, len(events))
        for name in ("hits", "hit_clusters", "contributions")
    }
    provenance = read_provenance(next((outputs / "events").glob("*.parquet")))
    file = tmp_path / "events.parquet"
    write_events(file, events.with_collections(**nothing), "events", provenance)
    with pytest.raises(InputError, match=r"events\.parquet: fine clusters are made from"):
        pipeline.reconstruct(file, str(outputs / "run-fine"), tmp_path / "none.parquet")
    assert not (tmp_path / "none.parquet").exists()
    pipeline.reconstruct(file, str(outputs / "run-final"), tmp_path / "final.parquet")


def test_another_label_definition_is_another_output(outputs: Path, tmp_path: Path) -> None:
    config = LabelConfig(secondary_tracks="none")
    pipeline.label(outputs / "events", tmp_path / "none", config=config)
    provenance = read_provenance(next((tmp_path / "none").glob("*.parquet")))
    assert provenance.config["secondary_tracks"] == "none"
    default = read_events(outputs / "labelled-final", "labelled").targets
    other = read_events(tmp_path / "none", "labelled").targets
    assert np.count_nonzero(default.pdg_id == 11) > np.count_nonzero(other.pdg_id == 11)


def test_shares_of_a_network_are_saved_with_its_candidates(outputs: Path) -> None:
    events, saved = events_of(outputs), read_events(outputs / "fine.parquet", "candidates")
    assert np.array_equal(events.event_id, saved.event_id)
    shares = saved.shares
    shared = np.bincount(shares.event_index, shares.energy_em, len(saved))
    clusters = events.fine_clusters
    expected = np.bincount(clusters.event_index, clusters.energy_em, len(events))
    np.testing.assert_allclose(shared, expected, rtol=1e-5)
    assert "shares" not in read_events(outputs / "final.parquet", "candidates").collections


def test_shares_of_a_head_of_ones_own_are_saved_too(outputs: Path, tmp_path: Path) -> None:
    head, run = "partflow.model.sharing:SharingHead", tmp_path / "run"
    pipeline.train(outputs / "labelled-fine", run, "tiny", epochs=1, threads=1, head=head)
    pipeline.reconstruct(outputs / "events", str(run), tmp_path / "own.parquet", head=head)
    assert len(read_events(tmp_path / "own.parquet", "candidates").shares) > 0


def flow_sums(report: Path) -> dict[str, float]:
    """Energy per event in the energy-flow matrix of each candidate set [GeV]."""
    flow = json.loads((report / "metrics.json").read_text())["energy_flow"]
    return {
        name: sum(row[key] for row in rows.values() for key in row if not key.endswith("_ci"))
        for name, rows in flow.items()
    }


def test_every_energy_flow_matrix_holds_all_the_energy(outputs: Path) -> None:
    events = events_of(outputs)
    sums = flow_sums(outputs / "report")
    assert sums.pop("perfect") == 0  # of particles, not of clusters
    expected = {
        elements: events.collections[clusters].energy_em.sum() / len(events)
        for elements, clusters in (("final", "clusters"), ("fine", "fine_clusters"))
    }
    for name, energy in sums.items():
        elements = "fine" if "fine" in name else "final"
        assert energy == pytest.approx(expected[elements], rel=1e-4), name
    flow = json.loads((outputs / "report" / "metrics.json").read_text())["energy_flow"]
    for name in ("perfect_sharing", "perfect_sharing_fine"):
        # Energy of photons is assigned to photons, or to the tracks of converted ones.
        assert flow[name]["photon"]["as_photon"] > 0.8 * sum(
            flow[name]["photon"][key] for key in ("left_to_tracks", "as_photon", "to_nobody")
        )
        assert flow[name]["charged_with_track"]["as_photon"] == pytest.approx(0, abs=0.02)


def test_a_network_without_stored_shares_has_no_energy_flow_matrix(
    outputs: Path, tmp_path: Path
) -> None:
    """As in files of earlier versions, whose provenance does not name the head."""
    events = read_events(outputs / "fine.parquet", "candidates", ["candidates"])
    provenance = read_provenance(outputs / "fine.parquet")
    settings = {key: value for key, value in provenance.config.items() if key != "head"}
    write_events(
        tmp_path / "old.parquet", events, "candidates", replace(provenance, config=settings)
    )
    candidates = {"old": tmp_path / "old.parquet"}
    pipeline.evaluate(outputs / "events", candidates, tmp_path / "report", plots=False)
    assert flow_sums(tmp_path / "report")["old"] == 0
    assert "Not available for old:" in (tmp_path / "report" / "index.html").read_text()
    assert "Not available" not in (outputs / "report" / "index.html").read_text()
