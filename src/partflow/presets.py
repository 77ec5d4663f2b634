"""Named configurations: plain Python."""

from __future__ import annotations

from typing import Literal, get_args

PresetName = Literal["tiny", "small", "base"]
PRESETS: tuple[str, ...] = get_args(PresetName)
