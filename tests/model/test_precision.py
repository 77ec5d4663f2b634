import json
import threading

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partflow.model import product_speed
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.linear import Linear, linear, linear_add
from partflow.model.mlpf import MLPF
from partflow.model.precision import (
    SMALLEST_BFLOAT16,
    WeightCopies,
    choose_dtype,
    current,
    float32_products,
    precision,
)
from partflow.model.product_speed import product_speeds

WIDTH = SMALLEST_BFLOAT16
ROUNDING = {"rtol": 2e-2, "atol": 2e-2}


def drawn(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator) / shape[-1] ** 0.25


@pytest.fixture
def speeds(monkeypatch, tmp_path):
    """A function that sets the measured speeds; the cache folder is empty."""
    monkeypatch.setattr(product_speed, "cache_folder", lambda: tmp_path)

    def set_speeds(onednn=1.0, mkl=1.0, bfloat16=1.0):
        measured = {"onednn float32": onednn, "mkl float32": mkl, "onednn bfloat16": bfloat16}
        monkeypatch.setattr(product_speed, "measure_product_speeds", lambda: measured)
        product_speed._stored_speeds.cache_clear()

    yield set_speeds
    product_speed._stored_speeds.cache_clear()


def test_a_product_in_bfloat16_is_that_of_rounded_numbers():
    x, weight, bias = drawn(20, WIDTH), drawn(WIDTH, WIDTH), drawn(WIDTH)
    with precision("bfloat16"), torch.inference_mode():
        product = linear(x, weight, bias)
        total = linear_add(x, weight, bias, x)
    assert product.dtype == torch.bfloat16 and total.dtype == torch.float32
    rounded = F.linear(*(t.bfloat16().float() for t in (x, weight, bias)))
    torch.testing.assert_close(product.float(), rounded, rtol=8e-3, atol=8e-3)
    torch.testing.assert_close(total, x + rounded, rtol=8e-3, atol=8e-3)


def test_outside_the_block_and_in_other_threads_products_are_float32():
    x, weight = drawn(3, WIDTH), drawn(WIDTH, WIDTH)
    found = []
    with precision("bfloat16"):
        thread = threading.Thread(target=lambda: found.append(linear(x, weight).dtype))
        thread.start()
        thread.join()
        with float32_products(x.device):
            found.append(linear(x, weight).dtype)
        assert current().dtype == torch.bfloat16
    found.append(linear(x, weight).dtype)
    assert found == 3 * [torch.float32]


@pytest.mark.parametrize("shape", [(WIDTH, WIDTH - 1), (WIDTH - 1, WIDTH)])
def test_a_narrow_product_stays_float32(shape):
    with precision("bfloat16"):
        assert linear(drawn(3, shape[1]).bfloat16(), drawn(*shape)).dtype == torch.float32


@pytest.mark.parametrize("relu", [True, False])
def test_gradients_in_bfloat16_are_close_and_of_float32(relu):
    def gradients(dtype):
        inputs = [drawn(50, WIDTH), drawn(WIDTH, WIDTH), drawn(WIDTH)]
        for tensor in inputs:
            tensor.requires_grad_()
        with precision(dtype):
            linear(*inputs, relu=relu).float().square().mean().backward()
        return [tensor.grad for tensor in inputs]

    for rounded, exact in zip(gradients("bfloat16"), gradients("float32"), strict=True):
        assert rounded.dtype == torch.float32
        assert (rounded - exact).norm() < 0.02 * exact.norm()


def test_each_block_of_training_sees_the_weights_of_its_step():
    layer, x = Linear(WIDTH, WIDTH), drawn(5, WIDTH)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
    for _ in range(2):
        with precision("bfloat16"):
            output = layer(x)
            output.float().square().sum().backward()
        torch.testing.assert_close(output.float(), F.linear(x, layer.weight, layer.bias),
                                   **ROUNDING)  # fmt: skip
        optimizer.step()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fixed_weights_give_the_same_products_and_are_prepared_once(dtype):
    layer, x, copies = Linear(WIDTH, WIDTH), drawn(5, WIDTH), WeightCopies()
    with torch.inference_mode():
        with precision(dtype):
            expected = layer(x)
        for _ in range(2):
            with precision(dtype, fixed_weights=copies):
                torch.testing.assert_close(layer(x), expected)
                # Rows of a weight are prepared by themselves.
                torch.testing.assert_close(
                    linear(x, layer.weight[: WIDTH // 2]).float(),
                    F.linear(x, layer.weight[: WIDTH // 2]), **ROUNDING,
                )  # fmt: skip
    assert len(copies._copies) == 2


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("head", ["direct", "sharing"])
def test_a_network_predicts_about_the_same_in_bfloat16(backbone, head, learnable_events):
    from partflow.dataset.batches import batch_of_elements

    torch.manual_seed(0)
    model = MLPF(ModelConfig(dim=WIDTH, num_layers=2, backbone=backbone, head=head)).eval()
    elements = learnable_events([6, 3], [9, 7], seed=2).elements
    batch = batch_of_elements(elements, np.arange(2))
    model.fit_standardisation([batch])
    with torch.inference_mode():
        expected = model(batch)
        with precision("bfloat16"):
            output = model(batch)
    for name in ("is_particle_logit", "log_pt_ratio", "eta", "log_energy_ratio"):
        values = getattr(output, name)
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, getattr(expected, name), rtol=0.05, atol=0.1)


def test_auto_is_what_is_measured_to_be_faster(speeds):
    speeds(bfloat16=2.0)
    assert choose_dtype("cpu") == torch.bfloat16
    speeds(bfloat16=1.05)
    assert choose_dtype("cpu", "auto") == torch.bfloat16, "the stored choice is kept"
    (file,) = product_speed.cache_folder().iterdir()
    file.unlink()
    product_speed._stored_speeds.cache_clear()
    assert choose_dtype("cpu") == torch.float32
    assert choose_dtype("cpu", "bfloat16") == torch.bfloat16
    speeds(bfloat16=2.0)
    assert choose_dtype("cpu", "float32") == torch.float32


def test_auto_does_not_depend_on_the_processor_for_the_gpu_of_a_mac(speeds):
    speeds(bfloat16=2.0)
    assert choose_dtype("mps") == torch.float32
    assert choose_dtype("mps", "bfloat16") == torch.bfloat16


def test_speeds_are_stored_by_processor_and_number_of_threads(speeds):
    speeds(mkl=3.0)
    assert product_speed.is_mkl_faster()
    (file,) = product_speed.cache_folder().iterdir()
    (key,) = json.loads(file.read_text())
    assert torch.__version__ in key and f"{torch.get_num_threads()} threads" in key


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"a": {"b": "c"}}'])
def test_a_broken_file_of_speeds_is_replaced(speeds, content):
    speeds(bfloat16=2.0)
    file = product_speed.cache_folder() / product_speed.CACHE_FILE
    file.write_text(content)
    assert product_speeds()["onednn bfloat16"] == 2.0
    assert json.loads(file.read_text())


def test_where_nothing_can_be_stored_the_usual_choice_is_made(speeds, monkeypatch, tmp_path):
    speeds(mkl=5.0, bfloat16=20.0)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(product_speed, "cache_folder", lambda: tmp_path / "file" / "folder")
    assert product_speeds() is None
    assert not product_speed.is_mkl_faster() and choose_dtype("cpu") == torch.float32


def test_measured_speeds_are_positive():
    assert all(speed > 0 for speed in product_speed.measure_product_speeds(1).values())
