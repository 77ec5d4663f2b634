"""Devices and processes of a training: Lightning Fabric, and what the processes tell each other.

Fabric places the network on its device, starts a process for each device, and averages gradients
over the processes (DDP). On one node it starts the processes itself; under a scheduler (SLURM) or
torchrun they are there already.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy

from partflow.core import errors
from partflow.core.errors import ConfigError, OutputError, PartflowError
from partflow.core.outputs import write_text
from partflow.core.threads import available_cores
from partflow.train.config import TrainConfig

Value = TypeVar("Value")


def make_fabric(config: TrainConfig) -> Fabric:
    """Fabric for the devices of `config`.

    Raises ConfigError where the devices are not there, or other processes than theirs were started.
    """
    num_started = _num_started_from_outside()
    is_started = num_started is not None
    _check_processes(config, num_started)
    strategy: str | DDPStrategy = "auto"
    if config.num_ranks > 1:
        strategy = DDPStrategy(start_method="popen" if is_started else "spawn")
    try:
        return Fabric(
            accelerator=config.accelerator,
            strategy=strategy,
            devices=config.devices,
            num_nodes=config.nodes,
            # In a SLURM job Fabric would wait for tasks of srun, also where we start the processes.
            plugins=[] if is_started else [LightningEnvironment()],
        )
    except (RuntimeError, ValueError) as error:  # Lightning's own exceptions are among these
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"train.accelerator = {config.accelerator}, train.devices = {config.devices}: {reason}"
        ) from error


def _num_started_from_outside() -> int | None:
    """Number of processes that torchrun or a scheduler has started; None if it is ours to start
    them.
    """
    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"])
    num_tasks = int(os.environ.get("SLURM_NTASKS", "1"))
    return num_tasks if num_tasks > 1 and SLURMEnvironment.detect() else None


def _check_processes(config: TrainConfig, num_started: int | None) -> None:
    """Raise ConfigError unless the processes of `config` were started, or can be started here."""
    if num_started is None and config.nodes > 1:
        raise ConfigError(
            f"train.nodes = {config.nodes}, but this process was started alone, and would wait for "
            "the other nodes without end; start the command on every node with srun or torchrun, "
            "or give --nodes 1"
        )
    if num_started not in (None, config.num_ranks):
        raise ConfigError(
            f"{num_started} processes were started by torchrun or SLURM, but train.devices = "
            f"{config.devices} and train.nodes = {config.nodes} need {config.num_ranks}; give the "
            "processes of each node as --devices and the number of nodes as --nodes"
        )


def launch(fabric: Fabric, function: Callable[..., Value], *arguments: Any) -> Value:
    """`function(fabric, *arguments)` in every process of the training; returns that of rank 0.

    Arguments must be picklable if Fabric starts the processes. A process that fails or dies ends
    the others. Raises what `function` raises: of several processes the first PartflowError, with
    its class and message; PartflowError for anything else that ended a process.
    """
    if fabric.world_size == 1:
        return function(fabric, *arguments)
    if _num_started_from_outside() is not None:
        return fabric.launch(function, *arguments)
    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

    # The processes handle an interruption themselves, and this one waits for them.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory(prefix="partflow-") as folder:
        try:
            outcome = fabric.launch(_Call(function, arguments, Path(folder))).value
        except (ProcessExitedException, ProcessRaisedException) as error:
            raise (_first_error(Path(folder)) or _failure(error)) from error
        finally:
            signal.signal(signal.SIGINT, previous)
    if isinstance(outcome, KeyboardInterrupt):
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

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], folder: Path
    ) -> None:
        """A call of `function`; errors are written to `folder`."""
        self._function = function
        self._arguments = arguments
        self._folder = folder

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Silence the new process, which Lightning sets up before the call."""
        self.__dict__ = state
        _silence()

    def __call__(self, fabric: Fabric) -> _Outcome:
        """What the function returns, or the KeyboardInterrupt that it raises, which ends all
        processes together.

        A PartflowError is written to the folder, since torch passes on no more than the text of a
        traceback, and that of one process only: often of another one, whose connection it closed.
        """
        try:
            return _Outcome(self._function(fabric, *self._arguments))
        except KeyboardInterrupt as error:
            return _Outcome(error)
        except PartflowError as error:
            _write_error(error, self._folder / f"rank{fabric.global_rank}.json")
            raise


def _write_error(error: PartflowError, path: Path) -> None:
    """Write class and message of `error` as JSON, if the disk has space for it."""
    ours = [c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__]
    with contextlib.suppress(OutputError):
        write_text(path, json.dumps({"class": ours[0], "message": str(error)}))


def _first_error(folder: Path) -> PartflowError | None:
    """The first error that a process wrote to `folder`; None if there is none."""
    written = sorted(folder.glob("rank*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not written:
        return None
    error = json.loads(written[0].read_text(encoding="utf-8"))
    kind: type[PartflowError] = getattr(errors, error["class"])
    return kind(error["message"])


def _failure(error: Any) -> PartflowError:
    """The error for a process that died, or raised an exception that is not ours."""
    if hasattr(error, "exit_code"):
        how = error.signal_name or f"exit code {error.exit_code}"
        return PartflowError(
            f"process {error.error_index} of the training ended ({how}): the others were stopped; "
            "--resume continues the run from its last validation"
        )
    return PartflowError(
        f"process {error.error_index} of the training failed: {_reason(str(error))}"
    )


def _reason(traceback: str) -> str:
    r"""The line of a traceback that names the exception; its message may have several lines.

    >>> _reason("  File ...\nRuntimeError: connection closed\nThis is often due to a peer.\n")
    'RuntimeError: connection closed'
    """
    named = re.findall(r"^(?:\w+\.)*\w*(?:Error|Exception)(?::.*)?$", traceback, re.MULTILINE)
    return str(named[-1]) if named else traceback.strip().splitlines()[-1]


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
