"""A picture of a page, where a Chromium is there to take one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT_S = 40


def screenshot(url: str, picture: Path) -> int:
    """Write the page as PNG; return its bytes, 0 where there is no browser or it fails."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        return 0
    command = [
        browser, "--headless", "--disable-gpu", "--no-sandbox", "--no-first-run",
        "--disable-dev-shm-usage", f"--user-data-dir={picture.with_suffix('.profile').resolve()}",
        "--virtual-time-budget=8000",  # until the page has drawn itself; ends waiting early
        f"--screenshot={picture.resolve()}", url,
    ]  # fmt: skip
    try:
        subprocess.run(command, timeout=TIMEOUT_S, capture_output=True, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return picture.stat().st_size if picture.exists() else 0
