"""Speed of matrix products on this processor, by library and type of numbers.

It is measured once for each processor, version of torch and number of threads, in about a second,
and stored in the user's cache folder. Where nothing can be stored, nothing is measured: all
processes of a run must make the same choice, since the libraries round differently.
"""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import platformdirs
import torch
from torch import Tensor

from partflow.model.torch_operators import operators, plain_linear

NUM_ROWS, WIDTH = 1024, 512
"""Size of the measured products: between those of the preset `base` and the published network."""
MIN_GAIN = 1.1
"""Ratio of speeds from which on the usual choice (oneDNN, float32) is left."""
CACHE_FILE = "product-speed.json"
_lock = threading.Lock()
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
"""Features of a processor that matter for products, as Linux names them."""


def processor() -> str:
    """Name of this processor."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def processor_features() -> list[str]:
    """Those of FEATURES that the processor has; empty where the system does not say."""
    flags = _cpu_info("flags").split()
    return [feature for feature in FEATURES if feature in flags]


def is_bfloat16_faster() -> bool:
    """Whether products of bfloat16 are faster than the best ones of float32 on this CPU."""
    speeds = product_speeds()
    if speeds is None:
        return False
    best = max(speeds["onednn float32"], speeds["mkl float32"])
    return speeds["onednn bfloat16"] > MIN_GAIN * best


def is_mkl_faster() -> bool:
    """Whether the products of `F.linear` are faster in float32 than those of oneDNN."""
    speeds = product_speeds()
    return speeds is not None and speeds["mkl float32"] > MIN_GAIN * speeds["onednn float32"]


def product_speeds() -> dict[str, float] | None:
    """Floating-point operations per second of each kind of product; None if they are not known.

    The kinds are `onednn float32`, `mkl float32` and `onednn bfloat16`. The speed is that of the
    number of threads which torch is set to.
    """
    return _stored_speeds(torch.get_num_threads())


@cache
def _stored_speeds(num_threads: int) -> dict[str, float] | None:
    """The stored speeds, or those that are measured and stored now."""
    key = f"{processor()}, torch {torch.__version__}, {num_threads} threads"
    path = cache_folder() / CACHE_FILE
    with _lock:  # threads that measure at the same time disturb each other
        stored = _read(path)
        if key not in stored:
            measured = measure_product_speeds()
            stored = {key: measured, **_read(path)}  # another process may have been faster
            if not _write(path, stored):
                return None
        return stored[key]


def cache_folder() -> Path:
    """The folder of the file with the speeds."""
    return Path(platformdirs.user_cache_dir("partflow"))


def _read(path: Path) -> dict[str, dict[str, float]]:
    """The speeds in a file by processor; none if there are none, or not in this form."""
    try:
        stored = json.loads(path.read_text())
        return {str(key): {str(k): float(v) for k, v in of.items()} for key, of in stored.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(path: Path, speeds: dict[str, dict[str, float]]) -> bool:
    """Write the speeds by processor; returns whether that was possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{time.monotonic_ns()}")
        part.write_text(json.dumps(speeds, indent=1))
        part.replace(path)
    except OSError:
        return False
    return True


def measure_product_speeds(num_rounds: int = 15) -> dict[str, float]:
    """Measure `product_speeds` now.

    The kinds take turns and the fastest time of each counts, so that other work on the machine
    affects the choice little.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(NUM_ROWS, WIDTH, generator=generator)
    weight = torch.randn(WIDTH, WIDTH, generator=generator)
    x_bfloat16, weight_bfloat16 = x.bfloat16(), weight.bfloat16()
    linear = operators().linear
    products: dict[str, Callable[[], Tensor]] = {
        "onednn float32": lambda: linear(x, weight, None, False),
        "mkl float32": lambda: plain_linear(x, weight, None, False),
        "onednn bfloat16": lambda: linear(x_bfloat16, weight_bfloat16, None, False),
    }
    seconds = dict.fromkeys(products, float("inf"))
    with torch.inference_mode():
        for _ in range(num_rounds):
            for name, product in products.items():
                start = time.perf_counter()
                product()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    flops = 2.0 * NUM_ROWS * WIDTH**2
    return {name: flops / duration for name, duration in seconds.items()}


@cache
def _cpu_info(name: str) -> str:
    """A line of Linux's description of the processor; empty where there is none."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.split(":")[0].strip() == name:
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""
