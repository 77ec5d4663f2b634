import pytest
import torch

from partflow.model.softmax_kernels import MAX_THREADS, are_kernels_used, softmax_

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 4e-3}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("num_keys", [1, 7, 31, 32, 33, 150])
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_the_softmax_is_that_of_torch(dtype, num_keys, has_bias, size):
    generator = torch.Generator().manual_seed(num_keys)
    shape = 3, 4, num_keys
    logits = (size * torch.randn(shape, generator=generator)).to(dtype)
    bias = -10.0 * torch.rand(shape, generator=generator) if has_bias else None
    expected = torch.softmax(0.25 * logits.float() + (0.0 if bias is None else bias), -1)
    softmax_(logits, 0.25, bias)
    torch.testing.assert_close(
        logits.float(), expected, rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype]
    )


def test_equal_logits_give_equal_weights():
    logits = torch.full((1, 1, 5), -1e4)
    softmax_(logits, 1.0, None)
    torch.testing.assert_close(logits, torch.full((1, 1, 5), 0.2))


def test_the_kernels_are_for_few_threads_and_two_types_of_numbers():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert are_kernels_used(torch.zeros(1)) and are_kernels_used(torch.zeros(1).bfloat16())
        assert not are_kernels_used(torch.zeros(1, dtype=torch.float64))
        torch.set_num_threads(MAX_THREADS + 1)
        assert not are_kernels_used(torch.zeros(1))
    finally:
        torch.set_num_threads(before)
