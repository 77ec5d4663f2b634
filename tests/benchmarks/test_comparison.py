"""The comparison of networks: names, processes and table."""

import argparse
import json

import pytest

from benchmarks import comparison
from benchmarks.comparison import LIST, NETWORKS, Network, Run, spread, table

OPTIONS = {"minutes": 1.0, "epochs": None, "preset": "tiny", "threads": 1, "at_once": 2}


def options(output, **others):
    return argparse.Namespace(output=output, **{**OPTIONS, **others})


def test_a_network_is_a_known_one_or_a_configuration_file(tmp_path):
    file = tmp_path / "best.toml"
    file.write_text("[model]\ndim = 32\n")
    for text in ("sharing_fine", f"mine={file}@final", f"mine={file}@fine"):
        assert Network.parse(text).text == text
    assert Network.parse(f"mine={file}").element_set == "final"
    for wrong in ("sharings", "mine=absent.toml", f"mine={file}@finest"):
        with pytest.raises(argparse.ArgumentTypeError):
            Network.parse(wrong)


def write_summary(run, chosen):
    settings = comparison.settings_of(run, chosen)
    (chosen.output / f"{run.name}.json").write_text(json.dumps({"settings": settings}))


def test_every_seed_is_trained_once_and_a_failure_stops_no_other(tmp_path, monkeypatch):
    chosen = options(tmp_path)
    runs = [Run(NETWORKS["sharing"], seed) for seed in (1, 2, 3)]
    write_summary(runs[0], chosen)
    started = []

    class Process:
        def __init__(self, command, **_):
            started.append(command[command.index("--seeds") + 1])
            run = next(r for r in runs if str(r.seed) == started[-1])
            self.returncode = run.seed - 2  # the third fails
            if self.returncode == 0:
                write_summary(run, chosen)

        def poll(self):
            return self.returncode

    monkeypatch.setattr(comparison.subprocess, "Popen", Process)
    monkeypatch.setattr(comparison, "POLL", 0.0)
    assert comparison.train_all(runs, chosen) == runs[:2]
    assert started == ["2", "3"]


def test_results_of_other_settings_are_not_taken_for_these(tmp_path):
    run = Run(NETWORKS["sharing"], 1)
    write_summary(run, options(tmp_path))
    with pytest.raises(SystemExit, match="made with other settings"):
        comparison.is_finished(run, options(tmp_path, minutes=2.0))


def test_with_epochs_no_clock_ends_a_training(tmp_path):
    run = Run(NETWORKS["sharing"], 1)
    in_epochs = options(tmp_path, epochs=3)
    assert comparison.budget(in_epochs) == {"epochs": 3, "max_minutes": None}
    write_summary(run, in_epochs)
    assert comparison.is_finished(run, options(tmp_path, epochs=3, minutes=2.0))
    for other in (options(tmp_path), options(tmp_path, epochs=4)):
        with pytest.raises(SystemExit, match="made with other settings"):
            comparison.is_finished(run, other)


def entries(value):
    rates = {"efficiency": value, "fake_rate": value}
    jets = dict.fromkeys(("iqr_over_median", "median", "matched_fraction"), value)
    met = dict.fromkeys(("iqr_over_median", "iqr_of_difference"), value)
    return jets, met, {"photon": rates, "neutral_hadron": rates}


def test_a_row_is_a_network_with_the_spread_of_its_seeds():
    runs = [Run(NETWORKS["sharing"], seed) for seed in (1, 2)]
    names = {"sharing-1": 1.0, "sharing-2": 2.0, f"sharing-1{LIST}": 3.0, f"sharing-2{LIST}": 4.0,
             "baseline": 5.0}  # fmt: skip
    metrics = {"jets": {}, "met": {}, "particles": {}}
    for name, value in names.items():
        for part, entry in zip(metrics, entries(value), strict=True):
            metrics[part][name] = entry
        if name != "baseline":
            metrics["jets"][name]["relative_to_baseline"] = {"iqr_over_median": value / 5.0}
    summary = {"events_per_second": 10.0, "parameters": 1000, "events_seen": 50}
    rows = table(metrics, runs, {run.name: summary for run in runs}).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == ["sharing", f"sharing{LIST}", "baseline"]
    assert [row[1] for row in cells] == ["2", "2", "-"]
    assert cells[0][2:4] == ["1.5000 ± 0.7071", "0.300 ± 0.141"]
    assert cells[2][2:4] == ["5.0000", "1"]


def test_the_spread_is_that_of_the_seeds_or_half_the_interval():
    assert spread([{"m": 0.98}, {"m": 1.02}], "m", 2) == "1.00 ± 0.03"
    assert spread([{"m": 1.0, "m_ci": [0.9, 1.3]}], "m", 2) == "1.00 ± 0.20"
    assert spread([{"m": None}, {"m": 1.0}], "m", 2) == "-"
