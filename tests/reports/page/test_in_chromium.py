"""The page as a reader's browser has it: real Chromium, no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.headless_chromium import SCREENS, chromium, find_chromium, new_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
if find_chromium() is None:
    pytest.skip("no Chromium is installed (Debian: chromium)", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def written(page: Callable[..., Path], some_runs: None) -> str:
    return page().as_uri()


@pytest.fixture
def opened(browser: Any, written: str) -> Iterator[Callable[..., Any]]:
    """Give a function that opens the page; afterwards no request and no complaint may be there."""
    complaints: list[str] = []
    contexts = []

    def open_page(screen: str = "desktop", scheme: str = "light") -> Any:
        context = new_page(browser, screen, scheme)
        tab = context.__enter__()
        contexts.append(context)
        tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: note(request.url))
        tab.goto(written)
        return tab

    def note(url: str) -> None:
        if url != written and not url.startswith("data:"):
            complaints.append(f"request of {url}")

    yield open_page
    for context in contexts:
        context.__exit__(None, None, None)
    assert complaints == []


@pytest.mark.parametrize("screen", SCREENS)
def test_the_page_never_scrolls_sideways(opened: Callable[..., Any], screen: str) -> None:
    tab = opened(screen)
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    wide = """() => {
        const root = document.documentElement;
        const boxes = [...document.querySelectorAll('.scroll')];
        return [root.scrollWidth - root.clientWidth,
                boxes.some(box => box.scrollWidth > box.clientWidth)];
    }"""
    beyond, some_table_is_wide = tab.evaluate(wide)
    assert beyond == 0
    assert some_table_is_wide  # otherwise nothing was tested


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_axe_finds_no_violation_that_matters(
    opened: Callable[..., Any], screen: str, scheme: str
) -> None:
    tab = opened(screen, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = axe.Axe().run(tab).response
    violations = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in ("moderate", "serious", "critical")
    ]
    assert violations == []
    assert found["testEngine"]["name"] == "axe-core"


def shown(tab: Any) -> list[str]:
    """Alternative texts of the pictures in sight."""
    return [one.get_attribute("alt") for one in tab.locator("img").all() if one.is_visible()]


def focus_by_keyboard(tab: Any, target: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(400):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == target:
            return
    raise AssertionError(f"Tab never reached #{target}")


def test_the_gallery_is_stepped_through_by_keyboard(opened: Callable[..., Any]) -> None:
    tab = opened("desktop")
    every = [f"{method} of scene 0" for method in ("image", "BoxInst", "BoxSeg")]
    assert shown(tab) == every
    focus_by_keyboard(tab, "viewer")
    tab.keyboard.press("ArrowRight")
    assert shown(tab) == [alt.replace("scene 0", "scene 1") for alt in every]
    tab.keyboard.press("ArrowDown")
    assert shown(tab) == ["image of scene 1"]
    tab.keyboard.press("ArrowDown")
    assert shown(tab) == ["BoxInst of scene 1"]
    assert tab.locator("#gallery-status").text_content() == "Image 2 of 3: scene 1; BoxInst"
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowLeft")
    assert shown(tab) == ["BoxInst of scene 2"]  # around the end
    tab.keyboard.press("ArrowDown")
    assert shown(tab) == []
    assert tab.get_by_text("There is no such picture of this image.").first.is_hidden()
    assert tab.locator("#image-3 .lacking").is_visible()
    tab.keyboard.press("ArrowDown")
    assert len(shown(tab)) == 2  # side by side again


def test_the_gallery_s_buttons_work_from_the_keyboard(opened: Callable[..., Any]) -> None:
    tab = opened("desktop")
    focus_by_keyboard(tab, "next-image")
    tab.keyboard.press("Enter")
    assert shown(tab)[0] == "image of scene 1"
    tab.keyboard.press("Shift+Tab")  # to the list of images
    tab.keyboard.press("ArrowDown")
    assert shown(tab)[0] == "image of scene 2"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")  # past the button, to the choice of a method
    tab.keyboard.press("ArrowDown")
    assert shown(tab) == ["image of scene 2"]


def in_sight(tab: Any) -> list[str]:
    """Alternative texts of the pictures whose middle is within the window."""
    middle = (
        "element => { const box = element.getBoundingClientRect(); return box.x + box.width / 2; }"
    )
    return [
        one.get_attribute("alt")
        for one in tab.locator("img").all()
        if one.is_visible() and 0 < one.evaluate(middle) < SCREENS["phone"][0]
    ]


def test_a_phone_opens_with_masks_and_swipes_to_the_next(opened: Callable[..., Any]) -> None:
    tab = opened("phone")
    assert in_sight(tab) == ["BoxInst of scene 0"]
    width = tab.locator("#image-1 .panel:not(.bare) img").first.bounding_box()["width"]
    assert 250 < width <= SCREENS["phone"][0]
    strip = tab.locator("#image-1 .panels")
    strip.evaluate("element => element.scrollBy({left: 250, behavior: 'instant'})")
    tab.wait_for_function("() => document.querySelector('#image-1 .panels').scrollLeft > 200")
    assert in_sight(tab) == ["BoxSeg of scene 0"]
    tab.get_by_label("BoxSeg", exact=True).check()
    tab.get_by_role("button", name="Next image").click()
    assert in_sight(tab) == ["BoxSeg of scene 1"]


def test_the_first_stop_of_the_keyboard_skips_to_the_content(opened: Callable[..., Any]) -> None:
    tab = opened("desktop")
    skip = tab.locator("a.skip")
    assert skip.bounding_box()["x"] < 0
    tab.keyboard.press("Tab")
    assert skip.bounding_box()["x"] >= 0
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "content"


def test_the_page_follows_a_dark_scheme(opened: Callable[..., Any]) -> None:
    colours = [
        opened("desktop", scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]


def test_without_a_script_all_images_are_there(browser: Any, written: str) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        tab = context.new_page()
        tab.goto(written)
        assert all(tab.locator("img").nth(place).is_visible() for place in range(8))
        assert tab.locator("#previous-image").is_hidden()
    finally:
        context.close()
