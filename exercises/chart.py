"""A learner's bar chart read back from its pixels, for criteria."""

from __future__ import annotations

from pathlib import Path

from tutor.base.i18n import say

COLOUR = (0x1F, 0x77, 0xB4)
"""Of the bars, as the tasks say."""


def bars(path: Path) -> list[int]:
    """Return the heights in pixels of the chart's bars, from left to right."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        assert image.format == "PNG", say(
            f"the image is {image.format}, not PNG", f"图片格式是 {image.format}，而不是 PNG"
        )
        pixels = np.asarray(image.convert("RGB")).astype(int)
    columns = (np.abs(pixels - np.array(COLOUR)).max(-1) <= 3).sum(0)
    heights: list[int] = []
    before = 0
    for count in columns.tolist():
        if count and not before:
            heights.append(0)
        if count:
            heights[-1] = max(heights[-1], count)
        before = count
    return heights
