"""Makes the home screen icons from their drawings: `python -m tests.pages.icon_drawing` after one was changed."""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

from backend.pages.assets import STATIC
from backend.pages.manifest import INSTALLABLE, SIZES, TOUCH_SIZE

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def draw(folder: Path) -> None:
    """Leaves one PNG of each drawing and size beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in sorted({drawing for drawing, _ in INSTALLABLE.values()}):
            drawing = (folder / f"{name}.svg").read_text(encoding="utf-8")
            for size in (*SIZES, TOUCH_SIZE):
                page = browser.new_page(viewport={"width": size, "height": size})
                page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: 100% }}</style>{drawing}")
                page.screenshot(path=folder / f"{name}-{size}.png")
                page.close()
        browser.close()


if __name__ == "__main__":
    draw(STATIC / "icons")
