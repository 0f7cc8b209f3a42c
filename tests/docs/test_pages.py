"""Pages are where they should be, lead to where they say, and name what exists."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.docs.pages import PAGES, REPOSITORY, blocks, links, spans, text_of

PACKAGES = ("boxseg", "baselines", "experiments", "reports", "tests", "tools")
WRITTEN = tuple(f"reports/tables{part}" for part in ("", "/runs", "/runs/index.html"))  # not kept
FOLDERS = (*PACKAGES, "docs", "notebooks", "examples", "benchmarks", "requirements")


def test_every_page_is_looked_at() -> None:
    found = [*REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("notebooks/*.md")]
    there = {str(page.relative_to(REPOSITORY)) for page in found}
    assert there | {"README.md", "CONTRIBUTING.md"} == set(PAGES)


def test_readme_fits_on_three_screens() -> None:
    assert len(text_of("README.md").splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_at_most_100_wide(page: str) -> None:
    """Rows of tables and pictures cannot be wrapped, nor what a program prints."""
    shown = "".join(block.text for block in blocks(page) if block.language == "")
    unbroken = re.compile(r"\||!\[.*\)$| *\"detectron2 @ \S+\"$")
    for line in text_of(page).splitlines():
        assert len(line) <= 100 or unbroken.match(line) or line in shown, f"{page}: {line}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        file, _, section = link.partition("#")
        target = (REPOSITORY / page).parent / file if file else REPOSITORY / page
        assert target.exists(), f"{page} links to {link}"
        if section:
            name = str(target.resolve().relative_to(REPOSITORY))
            assert section in sections(name), f"{page} links to {link}"


def sections(page: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_can_be_imported(page: str) -> None:
    for span in spans(page):
        if re.fullmatch(rf"({'|'.join(PACKAGES)})(\.\w+)+", span):
            assert exists(span), f"{page} names {span}"


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            if attribute not in dir(found):
                return False
            found = getattr(found, attribute)
        return True
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_path_is_there(page: str) -> None:
    for span in spans(page):
        if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w.*/-]*", span):
            found = span.rstrip("/") in WRITTEN or list(REPOSITORY.glob(span.rstrip("/")))
            assert found, f"{page} names {span}"


def test_architecture_names_the_equations() -> None:
    page = text_of("docs/architecture.md")
    for thing in ("Eq. 1", "Eq. 2", "Eq. 4", "Eq. 5", "lgorithm 1", "theorem 3.1", "theorem 3.6"):
        assert thing in page
    names = [span for span in spans("docs/architecture.md") if span.startswith("boxseg.")]
    assert len(names) > 50


def test_the_flow_names_what_exists() -> None:
    flow, *_ = blocks("docs/architecture.md")
    names = re.findall(r"\b((?:experiments|reports)\.[\w.]+\w)", flow.text)
    assert len(names) > 5
    for name in names:
        assert exists(name), name
