"""A gate reports each violated bound with the metric, and rejects what is no bound."""

import pytest

from partflow.core.errors import ConfigError, InputError, RequirementError
from partflow.evaluate.gate import read_gate, require, violated_bounds

METRICS = {
    "num_events": 7,
    "jets": {
        "my.net": {
            "num_gen": 12,
            "iqr_over_median": 0.07,
            "median": 1.0,
            "bins": [
                {"low": 5.0, "high": 10.0, "num_gen": 0, "median": None},
                {"low": 10.0, "high": 20.5, "num_gen": 12, "median": 0.97},
            ],
        }
    },
}


def gate(tmp_path, text):
    path = tmp_path / "gate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_bounds_that_hold_give_no_message(tmp_path):
    text = """
        num_events = { min = 7, max = 7 }
        [jets."my.net"]
        iqr_over_median = { max = 0.07 }
        [jets."my.net".bins."10-20.5"]
        median = { min = 0.9, max = 1.1 }
        """
    path = gate(tmp_path, text)
    assert violated_bounds(METRICS, read_gate(path)) == []
    require(METRICS, read_gate(path), path)


def test_a_violated_bound_is_reported_with_the_metric(tmp_path):
    text = '[jets."my.net"]\niqr_over_median = { max = 0.06 }\nmedian = { min = 1.01 }'
    path = gate(tmp_path, text)
    with pytest.raises(RequirementError, match=r"gate.toml: 2 of 2 bounds violated: ") as raised:
        require(METRICS, read_gate(path), path)
    assert "jets.my.net.iqr_over_median = 0.07, bound max 0.06" in str(raised.value)
    assert "jets.my.net.median = 1, bound min 1.01" in str(raised.value)


def test_a_metric_that_is_null_violates_its_bound_and_the_reason_is_given(tmp_path):
    path = gate(tmp_path, '[jets."my.net".bins."5-10"]\nmedian = { max = 2 }')
    messages = violated_bounds(METRICS, read_gate(path))
    assert messages == ["jets.my.net.bins.5-10.median is null (num_gen = 0), bound max 2"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ('jets."my.net".iqr_over_mean', "jets.my.net holds num_gen, iqr_over_median"),
        ("jets.other.median", "jets holds my.net"),
        ("nets.other.median", "metrics.json holds num_events, jets"),
        ('jets."my.net".bins."7-9".median', "bins holds 5-10, 10-20.5"),
        ('jets."my.net"', "is no single metric"),
    ],
)
def test_a_bound_on_an_unknown_metric_is_rejected_by_name(tmp_path, place, message):
    path = gate(tmp_path, f"{place} = {{ max = 1 }}")
    with pytest.raises(ConfigError, match=message):
        violated_bounds(METRICS, read_gate(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[jets", "not TOML"),
        ("", "holds no bound"),
        ("[jets]\nmedian = 0.07", "jets.median = 0.07 is no bound"),
        ("[jets]\nmedian = { max = 'a' }", "max = 'a' is no number"),
        ("[jets]\nmedian = { max = true }", "max = True is no number"),
        ("[jets]\nmedian = { max = nan }", "nan is no limit"),
        ("[jets]\nmedian = { min = 2, max = 1 }", "min 2 is above max 1"),
        ("[jets]\nmedian = { max = 2, most = 1 }", "jets.median.max = 2 is no bound"),
    ],
)
def test_a_file_that_is_no_gate_is_rejected(tmp_path, text, message):
    with pytest.raises((ConfigError, InputError), match=message):
        read_gate(gate(tmp_path, text))


def test_a_missing_gate_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_gate(tmp_path / "none.toml")
