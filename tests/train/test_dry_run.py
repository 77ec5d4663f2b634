"""A dry run says what a training would take, and writes nothing."""

from dataclasses import replace

import pytest

from partflow.model.mlpf import MLPF
from partflow.train.config import TrainConfig
from partflow.train.dry_run import dry_run

CONFIG = TrainConfig(epochs=2, batch_elements=400, threads=1)


def test_parameters_and_memory_are_those_of_the_network(mixture, model_config):
    found = dry_run(mixture, model_config, CONFIG)
    model = MLPF(model_config)
    assert sum(found.parameters.values()) == model.num_parameters
    assert set(found.parameters) == {"track_encoder", "cluster_encoder", "backbone", "head"}
    assert found.gradient_bytes == 4 * model.num_parameters
    assert found.optimizer_bytes == 2 * found.gradient_bytes  # two momenta of AdamW
    assert found.weight_bytes == sum(
        t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())
    )


def test_activations_grow_with_the_batch(mixture, model_config):
    small = dry_run(mixture, model_config, replace(CONFIG, batch_elements=100), num_steps=1)
    large = dry_run(mixture, model_config, replace(CONFIG, batch_elements=1000), num_steps=1)
    assert large.activation_bytes > 2 * small.activation_bytes
    at_least = large.batch_elements * model_config.dim * 4
    assert large.activation_bytes > 10 * at_least  # some tensors of each layer


def test_the_end_follows_from_the_speed_or_the_time_limit(mixture, model_config):
    found = dry_run(mixture, model_config, CONFIG)
    expected = 2 * found.num_events / found.events_per_second / 60
    assert found.minutes == pytest.approx(expected)
    limited = dry_run(mixture, model_config, replace(CONFIG, max_minutes=1e-6))
    assert limited.minutes == 1e-6


def test_what_is_printed_names_network_parameters_memory_speed_and_end(mixture, model_config):
    lines = str(dry_run(mixture, model_config, CONFIG)).splitlines()
    assert [line.split()[0] for line in lines] == [
        "network", "parameters", "memory", "speed", "(measured", "end",
    ]  # fmt: skip
    assert "transformer" in lines[0] and "events/s" in lines[3]


def test_frozen_parts_need_no_gradient_and_no_state(mixture, model_config):
    whole = dry_run(mixture, model_config, CONFIG, num_steps=1)
    heads = dry_run(mixture, model_config, replace(CONFIG, freeze="all_but_heads"), num_steps=1)
    assert set(heads.parameters) == {"head"}
    assert heads.gradient_bytes < 0.5 * whole.gradient_bytes
    assert heads.optimizer_bytes == 2 * heads.gradient_bytes


def test_nothing_is_written(dataset, mixture, model_config, tmp_path, monkeypatch):
    before = sorted(path for path in dataset.folder.rglob("*"))
    monkeypatch.chdir(tmp_path)
    dry_run(mixture, model_config, CONFIG, num_steps=1)
    assert sorted(path for path in dataset.folder.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []
