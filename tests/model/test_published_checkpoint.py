import builtins
import json
import os
import pickle

import pytest
import torch

from partflow.core.errors import InputError, SchemaError
from partflow.model.folder import load_config, load_model, save_model
from partflow.model.published.checkpoint import import_checkpoint, read_kwargs


class Calls:
    """A pickle of this calls `function` when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class SetsState:
    """A pickle of this calls `__setstate__`, by the opcode BUILD."""

    def __setstate__(self, state):
        raise AssertionError("an object of the pickle was built")

    def __reduce__(self):
        return object.__new__, (SetsState,), {"state": 1}


MALICIOUS = {
    "os.system": lambda path: Calls(os.system, f"touch {path}"),
    "eval": lambda path: Calls(builtins.eval, f"open({path!r}, 'w').close()"),
    "exec": lambda path: Calls(builtins.exec, f"open({path!r}, 'w').close()"),
    "getattr": lambda path: Calls(getattr, Calls(__import__, "os"), "system"),
    "open": lambda path: Calls(builtins.open, path, "w"),
    "state": lambda path: SetsState(),
    "function": lambda path: os.path.join,
}
"""Objects that write a file when they are unpickled, or give access to what could."""


@pytest.fixture
def checkpoint(tmp_path, published_kwargs, published_network):
    """A checkpoint as the published program writes it, with its arguments beside it."""
    model = published_network(published_kwargs["attention"])
    state = {
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 1e-4}]},
        "extra_state": {"epoch": 5},
    }
    torch.save(state, tmp_path / "c.pth")
    (tmp_path / "kwargs.json").write_text(json.dumps(published_kwargs["attention"]))
    return tmp_path / "c.pth"


@pytest.fixture
def kwargs_file(checkpoint):
    return checkpoint.with_name("kwargs.json")


def edit_state(checkpoint, change):
    content = torch.load(checkpoint, weights_only=True)
    change(content["model_state_dict"])
    torch.save(content, checkpoint)


def edit_kwargs(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_arguments_are_read_from_a_pickle(tmp_path, published_kwargs, protocol):
    for kwargs in published_kwargs.values():
        (tmp_path / "k.pkl").write_bytes(pickle.dumps(kwargs, protocol))
        assert read_kwargs(tmp_path / "k.pkl") == kwargs


@pytest.mark.parametrize("kind", MALICIOUS)
def test_nothing_in_a_file_of_arguments_is_executed(kind, tmp_path, checkpoint):
    touched, path = tmp_path / "touched", tmp_path / "kwargs.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps({"num_convs": MALICIOUS[kind](str(touched))}, protocol))
        with pytest.raises(InputError, match=r"kwargs\.pkl: holds more than plain values"):
            import_checkpoint(checkpoint, path)
    assert not touched.exists()


@pytest.mark.parametrize("kind", MALICIOUS)
@pytest.mark.parametrize("place", ["model_state_dict", "extra_state", "tensor"])
def test_nothing_in_a_checkpoint_is_executed(kind, place, tmp_path, checkpoint, kwargs_file):
    touched = tmp_path / "touched"
    malicious = MALICIOUS[kind](str(touched))
    content = torch.load(checkpoint, weights_only=True)
    if place == "tensor":
        content["model_state_dict"]["nn_pid.0.bias"] = malicious
    else:
        content[place] = malicious
    torch.save(content, checkpoint)
    with pytest.raises(InputError, match=r"c\.pth: holds more than tensors .* is executed"):
        import_checkpoint(checkpoint, kwargs_file)
    assert not touched.exists()


def test_nothing_in_a_checkpoint_that_is_a_plain_pickle_is_executed(
    tmp_path, checkpoint, kwargs_file
):
    """torch reads pickles without an archive around them as well."""
    touched = tmp_path / "touched"
    for make in MALICIOUS.values():
        checkpoint.write_bytes(pickle.dumps(make(str(touched)), 2))
        with pytest.raises(InputError):
            import_checkpoint(checkpoint, kwargs_file)
    assert not touched.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04",
        b"not a pickle",
        b"\x80\x04}\x94.garbage"[:4],
        b"\x80\x02]\x00.",
        b"\x80\x04X\xff\xff\xff\x7f.",  # a string of two gigabytes
        b"\x80\x02Kp0r\xff\xff\xff\x7f.",  # a memo of two billion entries
    ],
)
def test_a_damaged_pickle_is_refused(tmp_path, content):
    (tmp_path / "k.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"k\.pkl: "):
        read_kwargs(tmp_path / "k.pkl")


def test_arguments_that_are_no_dictionary_are_refused(tmp_path):
    for content in ([1, 2], {3: 4}, None, "text"):
        (tmp_path / "k.pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match=r"k\.pkl: holds no dictionary of arguments"):
            read_kwargs(tmp_path / "k.pkl")
    (tmp_path / "k.json").write_text("{")
    with pytest.raises(InputError, match=r"k\.json: no valid JSON"):
        read_kwargs(tmp_path / "k.json")
    with pytest.raises(InputError, match=r"k\.yaml"):
        (tmp_path / "k.yaml").write_text("a: 1")
        read_kwargs(tmp_path / "k.yaml")
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        read_kwargs(tmp_path / "absent.json")


def test_entries_for_resuming_a_training_are_ignored(checkpoint, kwargs_file):
    model = import_checkpoint(checkpoint, kwargs_file)
    assert not model.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())


def test_half_precision_weights_are_read(checkpoint, kwargs_file):
    edit_state(checkpoint, lambda s: s.update({n: t.half() for n, t in s.items()}))
    model = import_checkpoint(checkpoint, kwargs_file)
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("nn_pid.2.bias"), r"'nn_pid\.2\.bias' is missing; check .* kwargs\.json"),
        (lambda s: s.update(nn_charge=torch.zeros(2)), "'nn_charge' belongs to no part"),
        (
            lambda s: s.update({"conv_id.0.norm0.weight": torch.zeros(7)}),
            r"'conv_id\.0\.norm0\.weight' has shape \(7,\), .* needs \(18,\)",
        ),
        (
            lambda s: s.update({"nn_pid.0.bias": torch.zeros(18, dtype=torch.int64)}),
            r"'nn_pid\.0\.bias' is torch\.int64",
        ),
        (lambda s: s["nn_pid.0.bias"].fill_(torch.nan), r"'nn_pid\.0\.bias' holds values"),
        (lambda s: s.update({"nn_pid.0.bias": "text"}), r"\['nn_pid\.0\.bias'\] is no dense"),
    ],
)  # fmt: skip
def test_a_tensor_that_does_not_fit_is_named(checkpoint, kwargs_file, change, message):
    edit_state(checkpoint, change)
    with pytest.raises(InputError, match=r"c\.pth: .*" + message):
        import_checkpoint(checkpoint, kwargs_file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_convs": 3}, "has 2 layers .* num_convs = 3"),
        ({"use_pre_layernorm": False}, "'final_norm_id.weight' belongs to no part"),
        ({"input_encoding": "joint"}, "'nn0_id.0.weight' is missing"),
        ({"pt_mode": "linear"}, "'nn_pt.nn.0.weight' is missing"),
        ({"head_dim": 7}, "has shape .* needs"),
        ({"conv_type": "gnn_lsh"}, r"tensor 'nn0_id\.0\.0\.weight' has shape"),
        ({"head_dim": 10**12}, r"kwargs\.json: head_dim = 1000000000000; it must lie between"),
        ({"colour": "red"}, r"kwargs\.json: 'colour' is no argument"),
    ],
)
def test_arguments_that_do_not_fit_the_checkpoint_are_named(
    checkpoint, kwargs_file, changes, message
):
    edit_kwargs(kwargs_file, **changes)
    with pytest.raises(InputError, match=message):
        import_checkpoint(checkpoint, kwargs_file)


def test_other_files_are_refused(tmp_path, checkpoint, kwargs_file):
    with pytest.raises(InputError, match=r"absent\.pth: no such file"):
        import_checkpoint(tmp_path / "absent.pth", kwargs_file)
    torch.save({"weights": {}}, checkpoint)
    with pytest.raises(InputError, match=r"holds no 'model_state_dict', but only weights"):
        import_checkpoint(checkpoint, kwargs_file)
    torch.save([torch.zeros(2)], checkpoint)
    with pytest.raises(InputError, match="no 'model_state_dict'"):
        import_checkpoint(checkpoint, kwargs_file)
    for content in (b"", b"PK\x03\x04 and no more", b"text"):
        checkpoint.write_bytes(content)
        with pytest.raises(InputError, match=r"c\.pth: "):
            import_checkpoint(checkpoint, kwargs_file)


@pytest.mark.parametrize("kind", ["attention", "gnn_lsh"])
def test_an_imported_network_predicts_the_same_from_its_folder(
    kind, tmp_path, published_kwargs, published_network, published_events, packed
):
    model = published_network(published_kwargs[kind])
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    batch = packed(published_events[2], [len(published_events[2])])
    with torch.inference_mode():
        assert torch.equal(loaded(batch).momentum, model(batch).momentum)
    assert loaded.config == model.config == load_config(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"]["features"].__setitem__(2, "rapidity"), "column 2 .* 'rapidity'"),
        (lambda c: c["model"]["features"].pop(), "the model does not know 'zero_or_sigma_z'"),
        (lambda c: c["model"]["features"].append("face_x"), "have no column 'face_x'"),
        (lambda c: c["model"].update(features=None), "features: expected `array`, got `null`"),
        (lambda c: c.update(architecture="later"), "architecture 'later' is unknown"),
        (lambda c: c.update(format_version=99), "model format 99"),
        (lambda c: c["model"].update(colour=1), "colour: unknown"),
        (lambda c: c["model"].update(input_dim=3), "input_dim = 3"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(
    tmp_path, published_kwargs, published_network, change, message
):
    save_model(published_network(published_kwargs["attention"]), tmp_path)
    description = json.loads((tmp_path / "config.json").read_text())
    change(description)
    (tmp_path / "config.json").write_text(json.dumps(description))
    with pytest.raises(SchemaError, match=message):
        load_model(tmp_path)
