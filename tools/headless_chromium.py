"""The system's Chromium, without a window and without a word to anyone, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Width and height in CSS pixels.
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}


def find_chromium() -> str | None:
    """Give the path of Chromium, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium with a new and empty profile.

    Raises:
        FileNotFoundError: no Chromium is installed.
    """
    from playwright.sync_api import sync_playwright

    program = find_chromium()
    if program is None:
        raise FileNotFoundError("no Chromium was found; install Debian's package `chromium`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, args=list(_FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def new_page(browser: Browser, screen: str, scheme: str = "light") -> Iterator[Page]:
    """Open an empty page that has no network.

    Args:
        browser: running.
        screen: one of `SCREENS`.
        scheme: `light` or `dark`.
    """
    width, height = SCREENS[screen]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        offline=True,
        device_scale_factor=1,
    )
    try:
        yield context.new_page()
    finally:
        context.close()
