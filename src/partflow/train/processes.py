"""Devices and processes of a training: Lightning Fabric, and what the processes tell each other.

Fabric places the network on its device, starts a process for each device, and averages gradients
over the processes (DDP). On one node it starts the processes itself; under a scheduler (SLURM) or
torchrun they are there already.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy

from partflow.core.errors import ConfigError, PartflowError
from partflow.core.threads import available_cores
from partflow.train.config import TrainConfig

Value = TypeVar("Value")


def make_fabric(config: TrainConfig) -> Fabric:
    """Fabric for the devices of `config`; raises ConfigError where they are not there."""
    strategy: str | DDPStrategy = "auto"
    if config.num_ranks > 1:
        is_started = _is_started_from_outside()
        strategy = DDPStrategy(start_method="popen" if is_started else "spawn")
    try:
        return Fabric(
            accelerator=config.accelerator,
            strategy=strategy,
            devices=config.devices,
            num_nodes=config.nodes,
        )
    except (RuntimeError, ValueError) as error:  # Lightning's own exceptions are among these
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"train.accelerator = {config.accelerator}, train.devices = {config.devices}: {reason}"
        ) from error


def launch(fabric: Fabric, function: Callable[..., Value], *arguments: Any) -> Value:
    """`function(fabric, *arguments)` in every process of the training; returns that of rank 0.

    Arguments must be picklable if Fabric starts the processes. A process that dies ends the others.
    Raises PartflowError where that happened, and what `function` raises.
    """
    if fabric.world_size == 1:
        return function(fabric, *arguments)
    if _is_started_from_outside():
        return fabric.launch(function, *arguments)
    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

    # The processes handle an interruption themselves, and this one waits for them.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        outcome = fabric.launch(_Call(function, arguments)).value
    except ProcessExitedException as error:
        raise PartflowError(
            f"process {error.error_index} of the training ended ({_ending(error)}): the others "
            "were stopped; --resume continues the run from its last validation"
        ) from error
    except ProcessRaisedException as error:  # its text is that of a traceback
        reason = str(error).strip().splitlines()[-1]
        raise PartflowError(
            f"process {error.error_index} of the training failed: {reason}"
        ) from error
    finally:
        signal.signal(signal.SIGINT, previous)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


class _Outcome:
    """What a call in another process gave, hidden from Lightning as the arguments of `_Call`."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Call:
    """A call of a function in another process.

    Lightning would search plain arguments and results for modules and tensors, and fails in frozen
    dataclasses.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Silence the new process, which Lightning sets up before the call."""
        self.__dict__ = state
        _silence()

    def __call__(self, fabric: Fabric) -> _Outcome:
        """What the function returns, or the exception of the user's kind that it raises.

        All processes raise those together, so none of them is left waiting.
        """
        try:
            return _Outcome(self._function(fabric, *self._arguments))
        except (PartflowError, KeyboardInterrupt) as error:
            return _Outcome(error)


def _ending(error: Any) -> str:
    """How a process ended: a signal or an exit code."""
    return error.signal_name or f"exit code {error.exit_code}"


def _is_started_from_outside() -> bool:
    """Whether a scheduler or torchrun has started one process for each device already."""
    is_slurm = SLURMEnvironment.detect() and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    return is_slurm or TorchElasticEnvironment.detect()


def gather_objects(fabric: Fabric, value: Value) -> list[Value]:
    """`value` of every process, by rank."""
    if fabric.world_size == 1:
        return [value]
    gathered: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(gathered, value)
    return gathered


@contextlib.contextmanager
def threads(config: TrainConfig, fabric: Fabric) -> Iterator[None]:
    """Set the threads of torch in the block: by default all cores, divided by the processes."""
    before = torch.get_num_threads()
    is_cpu = fabric.device.type == "cpu"
    shared_by = min(config.devices, fabric.world_size) if is_cpu else 1
    torch.set_num_threads(config.threads or max(available_cores() // shared_by, 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)


LOGGERS = ("lightning.pytorch", "lightning.fabric", "torch.multiprocessing.spawn")
"""Loggers that tell of every process that starts or ends."""


def _silence() -> None:
    """Suppress messages below errors of LOGGERS, and a warning that concerns Lightning alone."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Lightning 2.6 calls a constructor that torch 2.13 has deprecated.
    warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress messages below errors of LOGGERS in the block."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    try:
        with warnings.catch_warnings():
            _silence()
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
