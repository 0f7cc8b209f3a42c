"""Pictures of a report page at desktop and phone width, light and dark.

    python -m tools.screenshots PAGE OUT_DIR [--part SELECTOR] [--full]

writes `<screen>-<scheme>.png`: what a reader sees first, or with `--part` the element that the CSS
selector names, scrolled to the top, or with `--full` the whole page.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.headless_chromium import SCREENS, chromium, new_page


def take(page_file: Path, out: Path, part: str | None = None, full: bool = False) -> list[Path]:
    """Write the four pictures and give their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with chromium() as browser:
        for screen in SCREENS:
            for scheme in ("light", "dark"):
                with new_page(browser, screen, scheme) as page:
                    page.goto(page_file.absolute().as_uri())
                    if part is not None:
                        page.locator(part).first.evaluate("element => element.scrollIntoView()")
                    picture = out / f"{screen}-{scheme}.png"
                    page.screenshot(path=picture, full_page=full)
                    written.append(picture)
    return written


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--part", metavar="SELECTOR")
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    for picture in take(options.page, options.out, options.part, options.full):
        print(picture)


if __name__ == "__main__":
    main()
