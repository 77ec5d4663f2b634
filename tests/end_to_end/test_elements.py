"""Final and fine elements through every room: a network remembers which it was trained on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.errors import ConfigError, InputError
from partflow.core.store import read_events, read_provenance, write_events
from partflow.dataset.packed import PackedDataset
from partflow.generate import GenerationConfig
from partflow.label import LabelConfig


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the verbs make of eight events with fine elements."""
    folder = tmp_path_factory.mktemp("fine")
    pipeline.generate(GenerationConfig("qq", 8, seed=5), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events", fine_elements=True)
    pipeline.simulate([folder / "gen.parquet"], folder / "plain")
    for elements in ("final", "fine"):
        labelled, run = folder / f"labelled-{elements}", folder / f"run-{elements}"
        pipeline.label(folder / "events", labelled, elements=elements)
        head = "sharing" if elements == "fine" else "direct"
        pipeline.train(labelled, run, preset="tiny", epochs=1, threads=1, head=head)
        pipeline.reconstruct(folder / "events", str(run), folder / f"{elements}.parquet")
    candidates = {name: folder / f"{name}.parquet" for name in ("final", "fine")}
    pipeline.evaluate(folder / "events", candidates, folder / "report")
    return folder


def test_fine_clusters_change_nothing_else(walk: Path) -> None:
    with_fine, plain = (read_events(walk / name, "events") for name in ("events", "plain"))
    assert set(with_fine.collections) - set(plain.collections) == {
        "fine_clusters",
        "fine_hit_clusters",
    }
    for name, collection in plain.collections.items():
        for column, values in collection.columns.items():
            np.testing.assert_array_equal(values, with_fine.collections[name].columns[column])
    assert len(with_fine.fine_clusters) > len(with_fine.clusters)


@pytest.mark.parametrize("elements", ["final", "fine"])
def test_labels_hold_the_elements_asked_for_and_their_shares(walk: Path, elements: str) -> None:
    clusters = "clusters" if elements == "final" else "fine_clusters"
    events = read_events(walk / "events", "events", ["tracks", clusters])
    labelled = read_events(walk / f"labelled-{elements}", "labelled")
    expected = events.tracks.counts + events.collections[clusters].counts
    assert labelled.elements.counts.tolist() == expected.tolist()
    shares = labelled.shares
    row = labelled.elements.flat_index(shares.event_index, shares.cluster_element)
    total = np.bincount(row, shares.energy_em, len(labelled.elements))
    is_cluster = labelled.elements.type == 2
    assert total[is_cluster] == pytest.approx(labelled.elements.energy[is_cluster], rel=1e-5)
    dataset = PackedDataset.open(walk / f"labelled-{elements}" / pipeline.PACKED)
    assert dataset.elements == elements
    assert dataset.shares is not None
    assert len(dataset.shares.energy_em) == len(shares)


def test_a_network_is_given_the_elements_it_was_trained_on(walk: Path) -> None:
    for elements in ("final", "fine"):
        record = read_provenance(walk / f"{elements}.parquet")
        assert record.config["elements"] == elements
    with pytest.raises(InputError, match="simulate again with --fine-elements"):
        pipeline.reconstruct(walk / "plain", str(walk / "run-fine"), walk / "none.parquet")
    assert not (walk / "none.parquet").exists()


def test_the_report_has_the_ceilings_of_both_sets_of_elements(walk: Path) -> None:
    metrics = json.loads((walk / "report" / "metrics.json").read_text())
    names = {"final", "fine", "baseline", "perfect", "perfect_sharing", "perfect_sharing_fine"}
    for part in ("jets", "met", "particles"):
        assert names <= set(metrics[part])
    # Perfect sharing names every cluster's particle rightly, whatever its elements.
    for name in ("perfect_sharing", "perfect_sharing_fine"):
        assert metrics["particles"][name]["photon"]["fake_rate"] == 0
        assert metrics["particles"][name]["charged_hadron"]["efficiency"] == 1


def test_elements_that_are_not_there_are_refused_by_name(walk: Path) -> None:
    with pytest.raises(InputError, match="holds no fine clusters"):
        pipeline.label(walk / "plain", walk / "none", elements="fine")
    with pytest.raises(ConfigError, match="choose one of final, fine"):
        pipeline.label(walk / "events", walk / "none", elements="finest")
    candidates = {"fine": walk / "fine.parquet"}
    with pytest.raises(InputError, match="holds no fine clusters"):
        pipeline.evaluate(walk / "plain", candidates, walk / "none")
    assert not (walk / "none").exists()


def test_another_label_definition_is_another_output(walk: Path, tmp_path: Path) -> None:
    config = LabelConfig(secondary_tracks="none")
    pipeline.label(walk / "plain", tmp_path / "none", config=config)
    record = read_provenance(next((tmp_path / "none").glob("*.parquet")))
    assert record.config["secondary_tracks"] == "none"
    default = read_events(walk / "labelled-final", "labelled").targets
    other = read_events(tmp_path / "none", "labelled").targets
    assert np.count_nonzero(default.pdg_id == 11) > np.count_nonzero(other.pdg_id == 11)


def test_shares_of_a_network_are_saved_beside_its_candidates(walk: Path) -> None:
    events, saved = (
        read_events(walk / "events", "events"),
        read_events(walk / "fine.parquet", "candidates"),
    )
    assert np.array_equal(events.event_id, saved.event_id)
    shares = saved.shares
    given = np.bincount(shares.event_index, shares.energy_em, len(saved))
    clusters = events.fine_clusters
    held = np.bincount(clusters.event_index, clusters.energy_em, len(events))
    np.testing.assert_allclose(given, held, rtol=1e-5)
    assert "shares" not in read_events(walk / "final.parquet", "candidates").collections


def flow_sums(report: Path) -> dict[str, float]:
    """Energy per event in each candidate set's matrix of where the energy goes [GeV]."""
    flow = json.loads((report / "metrics.json").read_text())["energy_flow"]
    return {
        name: sum(row[key] for row in rows.values() for key in row if not key.endswith("_ci"))
        for name, rows in flow.items()
    }


def test_every_matrix_of_where_the_energy_goes_holds_all_of_it(walk: Path) -> None:
    events = read_events(walk / "events", "events")
    sums = flow_sums(walk / "report")
    assert sums.pop("perfect") == 0  # of particles, not of clusters
    held = {
        elements: events.collections[clusters].energy_em.sum() / len(events)
        for elements, clusters in (("final", "clusters"), ("fine", "fine_clusters"))
    }
    for name, energy in sums.items():
        elements = "fine" if "fine" in name else "final"
        assert energy == pytest.approx(held[elements], rel=1e-4), name
    flow = json.loads((walk / "report" / "metrics.json").read_text())["energy_flow"]
    for name in ("perfect_sharing", "perfect_sharing_fine"):
        # What photons left in clusters is theirs, or that of the tracks of converted ones.
        assert flow[name]["photon"]["as_photon"] > 0.8 * sum(
            flow[name]["photon"][key] for key in ("left_to_tracks", "as_photon", "to_nobody")
        )
        assert flow[name]["charged_with_track"]["as_photon"] == pytest.approx(0, abs=0.02)


def test_a_network_of_which_no_shares_were_kept_has_no_matrix(walk: Path, tmp_path: Path) -> None:
    """As in files of before: their provenance does not tell the head."""
    events = read_events(walk / "fine.parquet", "candidates", ["candidates"])
    record = read_provenance(walk / "fine.parquet")
    settings = {key: value for key, value in record.config.items() if key != "head"}
    write_events(tmp_path / "old.parquet", events, "candidates", replace(record, config=settings))
    pipeline.evaluate(walk / "events", {"old": tmp_path / "old.parquet"}, tmp_path / "report")
    assert flow_sums(tmp_path / "report")["old"] == 0
    assert "Not available for old:" in (tmp_path / "report" / "index.html").read_text()
    assert "Not available" not in (walk / "report" / "index.html").read_text()
