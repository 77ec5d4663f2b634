import pytest

from partflow.core.errors import ConfigError
from partflow.train.checkpoint import RunState
from partflow.train.config import TrainConfig
from partflow.train.schedule import learning_rate, run_progress


def test_progress_is_the_larger_fraction_of_epochs_and_minutes():
    config = TrainConfig(epochs=10, max_minutes=20.0)
    run_state = RunState(epoch=2, events_of_epoch=50, minutes=2.0)
    assert run_progress(run_state, 100, config) == pytest.approx(0.25)
    assert run_progress(RunState(epoch=2, minutes=10.0), 100, config) == pytest.approx(0.5)
    assert run_progress(RunState(epoch=2, minutes=99.0), 100, config) == 1.0
    assert run_progress(RunState(epoch=2, minutes=99.0), 100, TrainConfig(epochs=4)) == 0.5


def test_the_learning_rate_rises_once_falls_once_and_ends_low():
    config = TrainConfig(learning_rate=2e-3, warmup=0.05, final_learning_rate=0.01)
    rates = [learning_rate(i / 1000, config) for i in range(1001)]
    top = rates.index(max(rates))
    assert top == 50 and rates[top] == pytest.approx(2e-3)
    assert rates == sorted(rates[:top]) + sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(2e-5)


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"max_minutes": -1.0},
        {"threads": 0},
        {"validation_fraction": 1.0},
        {"learning_rate": 0.0},
    ],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        TrainConfig(**setting)
