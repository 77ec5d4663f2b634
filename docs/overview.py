"""The picture at the top of README: an event display and the jet resolution, from a report.

Run `python -m docs.overview demo/ docs/images/overview.png` after `make demo`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

HEIGHT, MARGIN = 620, 20  # pixels


def overview(report: Path) -> Image.Image:
    """The first event display and the jet resolution of `report`, side by side."""
    plots = report / "plots"
    displays = sorted(plots.glob("display_*.png"), key=lambda file: file.stat().st_mtime_ns)
    if not displays:
        raise SystemExit(
            f"{plots}: no event display; make the report again with `partflow evaluate`"
        )
    pictures = []
    for file in (displays[0], plots / "jet_resolution_pt.png"):
        with Image.open(file) as picture:
            width = round(picture.width * HEIGHT / picture.height)
            pictures.append(
                picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.LANCZOS)
            )
    total = sum(picture.width for picture in pictures) + MARGIN
    sheet = Image.new("RGB", (total, HEIGHT), "white")
    place = 0
    for picture in pictures:
        sheet.paste(picture, (place, 0))
        place += picture.width + MARGIN
    return sheet


def main() -> None:
    """Write the picture that the two arguments ask for."""
    demo, output = (Path(argument) for argument in sys.argv[1:3])
    metrics = json.loads((demo / "report" / "metrics.json").read_text(encoding="utf-8"))
    if "mlpf" not in metrics["jets"]:
        raise SystemExit(f"{demo}: no candidates called mlpf; run `make demo`")
    picture = overview(demo / "report")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE).save(output, optimize=True)
    print(
        f"{output}: {picture.width} x {picture.height} pixels, {output.stat().st_size // 1024} KiB"
    )


if __name__ == "__main__":
    main()
