"""Time of packed attention and of its alternatives: one layer, forward and backward.

    python -m benchmarks.attention [--threads 2] [--heads 4]

Prints the time of each method for a batch of 18 events with the sizes of ttbar events, in
milliseconds and relative to the method of the network. The methods take turns in every round, so
that other work on the machine affects them alike; the median counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from partflow.model.attention import packed_attention
from partflow.model.layout import EventRows

DIM = 128
NUM_EVENTS = 18
SIZES = (90, 190)
"""Elements of an event: the central 80 % of simulated ttbar events."""
ROUNDS = 40

Attention = Callable[[Tensor], Tensor]


def event_rows(counts: list[int]) -> tuple[EventRows, ...]:
    ends = torch.cumsum(torch.tensor(counts), 0).tolist()
    return tuple(EventRows(e - n, e - n, e) for e, n in zip(ends, counts, strict=True))


def methods(counts: list[int], num_heads: int) -> dict[str, Attention]:
    """Functions of the projections [element, 3, head, width]; that of the network comes first."""
    biases = [-torch.rand(num_heads, n, n) for n in counts]
    rows = event_rows(counts)

    def sdpa_per_event(qkv: Tensor) -> Tensor:
        parts = (p.split(counts, 1) for p in qkv.permute(1, 2, 0, 3))
        attended = [
            F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=b[None])[0]
            for q, k, v, b in zip(*parts, biases, strict=True)
        ]
        return torch.cat(attended, 1).transpose(0, 1).flatten(1)

    return {
        "packed, baddbmm + softmax + bmm": lambda qkv: packed_attention(qkv, rows, biases),
        "packed, sdpa for each event": sdpa_per_event,
        "padded, sdpa, similar sizes": padded(counts, biases, num_groups=3),
        "padded, sdpa, one rectangle": padded(counts, biases, num_groups=1),
    }


def padded(counts: list[int], biases: list[Tensor], num_groups: int) -> Attention:
    """Attention on padded rectangles, each of the same number of events of similar sizes."""
    order = sorted(range(len(counts)), key=lambda i: counts[i])
    size = -(-len(order) // num_groups)
    starts = [row.begin for row in event_rows(counts)]
    groups = []
    for chosen in (order[i : i + size] for i in range(0, len(order), size)):
        longest = max(counts[i] for i in chosen)
        is_element = torch.arange(longest) < torch.tensor([[counts[i]] for i in chosen])
        bias = torch.full((len(chosen), len(biases[0]), longest, longest), -1e4)
        for row, i in enumerate(chosen):
            bias[row, :, : counts[i], : counts[i]] = biases[i]
        rows = torch.cat([torch.arange(starts[i], starts[i] + counts[i]) for i in chosen])
        groups.append((is_element, bias, rows))

    def attention(qkv: Tensor) -> Tensor:
        num_elements, _, num_heads, width = qkv.shape
        out = qkv.new_empty(num_elements, num_heads * width)
        for is_element, bias, rows in groups:
            rectangle = qkv.new_zeros(*is_element.shape, 3, num_heads, width)
            rectangle[is_element] = qkv[rows]
            query, key, value = rectangle.permute(2, 0, 3, 1, 4)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
            out = out.index_copy(0, rows, attended.transpose(1, 2)[is_element].flatten(1))
        return out

    return attention


def measure(functions: dict[str, Attention], qkv: Tensor, upstream: Tensor) -> dict[str, float]:
    """Median time [s] of a forward and backward pass of each function."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, function in functions.items():
            qkv.grad = None
            start = time.perf_counter()
            function(qkv).backward(upstream)
            seconds[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    counts = torch.randint(*SIZES, (NUM_EVENTS,)).tolist()
    functions = methods(counts, options.heads)
    qkv = torch.randn(sum(counts), 3, options.heads, DIM // options.heads, requires_grad=True)
    upstream = torch.randn(len(qkv), DIM)

    first, *others = (function(qkv) for function in functions.values())
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-4, atol=1e-5)
    measured = measure(functions, qkv, upstream)
    reference = next(iter(measured.values()))
    print(f"{NUM_EVENTS} events, {sum(counts)} elements, {options.heads} heads of "
          f"{DIM // options.heads}, {options.threads} threads, forward and backward")  # fmt: skip
    for name, seconds in measured.items():
        print(f"{name:34s} {1e3 * seconds:7.2f} ms   x {seconds / reference:.2f}")


if __name__ == "__main__":
    main()
