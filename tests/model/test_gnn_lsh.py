import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from partflow.core.errors import ConfigError
from partflow.model.gnn_lsh import BinnedRows, GnnLshConfig, GnnLshLayer

CONFIG = GnnLshConfig(bin_size=8, max_num_bins=10, distance_dim=5, hidden_dim=7)
COUNTS = (20, 0, 8, 1, 97, 17)
DIM = 6
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(3)
    layer = GnnLshLayer(DIM, CONFIG).double()
    with torch.no_grad():
        for norm in (layer.layernorm1.weight, layer.layernorm1.bias):
            norm.add_(0.3 * torch.randn_like(norm))
    return layer.eval()


@pytest.fixture(scope="module")
def x():
    generator = torch.Generator().manual_seed(4)
    return torch.randn(sum(COUNTS), DIM, generator=generator, dtype=torch.float64)


def by_the_equations(layer, x, config):
    """One event, element by element, by the equations of the paper."""
    if not len(x):
        return x
    num_bins = math.ceil(len(x) / config.bin_size)
    x = torch.cat([x, x.new_zeros(num_bins * config.bin_size - len(x), x.shape[1])])
    x = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + 1e-6).sqrt()
    x = x * layer.layernorm1.weight + layer.layernorm1.bias
    u = x
    linear = [module for module in layer.ffn_dist if isinstance(module, torch.nn.Linear)]
    for module in linear:
        u = F.elu(u @ module.weight.T + module.bias)
    directions = layer.message_building_layer.codebook_random_rotations[:, : max(1, num_bins // 2)]
    hashes = torch.cat([u @ directions, -(u @ directions)], 1).argmax(1).tolist()
    order = sorted(range(len(x)), key=lambda row: hashes[row])
    out = torch.empty_like(x)
    for begin in range(0, len(x), config.bin_size):
        rows = order[begin : begin + config.bin_size]
        y = x[rows]
        for message in layer.message_passing_layers:
            new = []
            for i in range(len(rows)):
                received = torch.zeros(DIM, dtype=x.dtype)
                for j in range(len(rows)):
                    squared = (u[rows[i]] - u[rows[j]]).square().sum().clamp(1e-6, 1e6)
                    received += torch.exp(-0.1 * squared.sqrt()) * (y[j] @ message.theta)
                gate = torch.sigmoid(y[i] @ message.W_t + message.b_t)
                new.append(F.elu(gate * received + (1 - gate) * (y[i] @ message.W_h)))
            y = torch.stack(new)
        out[rows] = y
    return out


def test_the_layer_agrees_with_its_equations_for_every_event_of_a_batch(layer, x):
    with torch.inference_mode():
        out = layer(x, BinnedRows.of_events(COUNTS, CONFIG))
        begin = 0
        for count in COUNTS:
            expected = by_the_equations(layer, x[begin : begin + count], CONFIG)[:count]
            # Distances come from expanded squares: half the digits are left where they are 0.
            torch.testing.assert_close(out[begin : begin + count], expected, rtol=1e-6, atol=1e-8)
            begin += count


def test_an_event_has_the_same_result_alone_and_in_any_batch(layer, x):
    with torch.inference_mode():
        together = layer(x, BinnedRows.of_events(COUNTS, CONFIG))
        for count, rows in zip(COUNTS, x.split(COUNTS), strict=True):
            alone = layer(rows, BinnedRows.of_events((count,), CONFIG))
            begin = rows.storage_offset() // DIM
            torch.testing.assert_close(alone, together[begin : begin + count], **TOLERANCE)


def test_messages_stay_in_their_bin(layer, x):
    """A change too small for another hash affects the elements of the same bin and no others."""
    changed = x.clone()
    row = sum(COUNTS[:4]) + 50  # in the event of 97
    changed[row, 0] += 1e-7
    with torch.inference_mode():
        rows = BinnedRows.of_events(COUNTS, CONFIG)
        before, after = layer(x, rows), layer(changed, rows)
    affected = torch.nonzero((before != after).any(1)).flatten()
    assert row in affected and 1 < len(affected) <= CONFIG.bin_size
    assert sum(COUNTS[:4]) <= affected.min() and affected.max() < sum(COUNTS[:5])


def test_batches_without_events_or_with_empty_events_are_accepted(layer):
    for counts in ((), (0,), (0, 0)):
        nothing = torch.empty(0, DIM, dtype=torch.float64)
        assert layer(nothing, BinnedRows.of_events(counts, CONFIG)).shape == (0, DIM)


def test_memory_grows_with_elements_not_with_their_square():
    """The largest tensor of a layer has a fixed number of entries for each element."""
    config = GnnLshConfig(bin_size=16, distance_dim=8, hidden_dim=8)
    layer = GnnLshLayer(8, config).eval()

    def largest(num_elements):
        sizes = []

        class Watch(torch.overrides.TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                result = function(*args, **(kwargs or {}))
                if isinstance(result, torch.Tensor):
                    sizes.append(result.numel())
                return result

        with torch.inference_mode(), Watch():
            layer(torch.randn(num_elements, 8), BinnedRows.of_events((num_elements,), config))
        return max(sizes)

    # Beyond max_num_bins the number of directions no longer grows either.
    assert largest(12_800) == 2 * largest(6_400)


def test_every_parameter_has_a_gradient(x):
    torch.manual_seed(1)
    layer = GnnLshLayer(DIM, CONFIG).double()
    layer(x, BinnedRows.of_events(COUNTS, CONFIG)).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.abs().sum() > 0), name
        assert bool(parameter.grad.isfinite().all()), name
    assert "message_building_layer.codebook_random_rotations" not in dict(layer.named_parameters())


def test_every_event_begins_a_bin():
    rows = BinnedRows.of_events(COUNTS, CONFIG)
    event = np.repeat(np.arange(len(COUNTS)), COUNTS)
    assert np.array_equal(rows.event[rows.row], event)
    assert np.all(np.bincount(rows.event) == [24, 0, 8, 8, 104, 24])
    assert rows.num_directions[rows.row[np.flatnonzero(event == 4)]].eq(5).all()


@pytest.mark.parametrize("setting", ["bin_size", "distance_dim", "num_hidden_layers"])
def test_sizes_below_one_are_refused(setting):
    with pytest.raises(ConfigError, match=setting):
        GnnLshConfig(**{setting: 0})
