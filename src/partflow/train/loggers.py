"""Programs that show the losses while a run is going on, besides training.csv.

TensorBoard reads `logs/` in the run's folder (`tensorboard --logdir run/`). Comet, MLflow and
Weights & Biases are optional extras. What each logger gets are the rows of the history.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.errors import ConfigError
from partflow.train.config import LoggerName, TrainConfig

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger

LOG_FOLDER = "logs"
PROJECT = "partflow"
PACKAGES: dict[LoggerName, str] = {
    "tensorboard": "tensorboardX",
    "comet": "comet_ml",
    "mlflow": "mlflow",
    "wandb": "wandb",
}
"""Package that each logger needs."""


class RunLoggers:
    """The loggers of one run."""

    def __init__(self, config: TrainConfig, folder: Path, settings: Mapping[str, Any]) -> None:
        """Loggers for the run in `folder`, with its `settings`.

        Raises ConfigError where the package of a logger is missing.
        """
        check_loggers(config)
        self._loggers = [make_logger(name, folder, config.offline) for name in config.loggers]
        flat = {f"{part}.{name}": v for part, of in settings.items() for name, v in of.items()}
        for logger in self._loggers:
            logger.log_hyperparams(flat)

    def log(self, row: Mapping[str, float], step: int) -> None:
        """Give one row of the history to all loggers."""
        for logger in self._loggers:
            logger.log_metrics(dict(row), step)
            logger.save()

    def close(self, is_complete: bool) -> None:
        """Close all loggers."""
        for logger in self._loggers:
            logger.finalize("success" if is_complete else "aborted")


def check_loggers(config: TrainConfig) -> None:
    """Raise ConfigError, with what to install, where the package of a logger is missing."""
    for name in config.loggers:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise ConfigError(
                f"train.loggers = {name}: its package is not installed; "
                f'pip install "partflow[{name}]", or leave it out'
            )


def make_logger(name: LoggerName, folder: Path, is_offline: bool) -> Logger:
    """The logger of that name for the run in `folder`."""
    logs = folder / LOG_FOLDER
    run_name = folder.resolve().name
    if name == "tensorboard":
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        # The run is one series: continued runs add to it.
        return TensorBoardLogger(logs, name="", version="", default_hp_metric=False)
    from lightning.pytorch import loggers  # takes a second; only for those who want them

    if name == "comet":
        online = not is_offline
        return loggers.CometLogger(
            project=PROJECT, online=online, **_comet_folder(logs, is_offline)
        )
    if name == "mlflow":
        return loggers.MLFlowLogger(PROJECT, run_name, save_dir=str(logs / "mlflow"))
    return loggers.WandbLogger(run_name, save_dir=logs, offline=is_offline, project=PROJECT)


def _comet_folder(logs: Path, is_offline: bool) -> dict[str, Any]:
    """Where Comet writes an experiment that it does not send."""
    return {"offline_directory": str(logs / "comet")} if is_offline else {}
