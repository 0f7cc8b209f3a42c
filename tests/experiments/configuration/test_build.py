"""Components are built of the packages that are allowed, and of no others."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from boxseg.errors import InputError
from experiments.configuration.build import build
from experiments.configuration.compose import compose
from experiments.configuration.extensions import Extensions, use
from experiments.configuration.packages import OWN, Packages
from experiments.configuration.run_configuration import RunConfiguration

METHOD = "hydra.utils.get_method"
COUNT = {"_target_": "boxseg.quality_aware.FixedTopK", "k": 3}
FOREIGN: list[dict[str, Any]] = [
    {"_target_": "os.getcwd"},
    {"_target_": "boxsegment.evil"},
    {"_target_": "boxseg"},
    {"_target_": METHOD, "path": "os.getcwd"},
    {"_target_": "hydra.utils.get_class", "path": "boxseg.ema.EMA"},
]


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("place", ["itself", "argument", "in a list", "deep"])
def test_what_is_of_other_packages_is_refused(foreign: dict[str, Any], place: str) -> None:
    component = {
        "itself": foreign,
        "argument": COUNT | {"k": foreign},
        "in a list": COUNT | {"k": [1, [foreign]]},
        "deep": COUNT | {"k": {"a": {"b": foreign}}},
    }[place]
    with pytest.raises(InputError, match="which is no part of this suite; if you trust it"):
        build(component)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of a user's own."""
    (tmp_path / "a_user_s_own").mkdir()
    (tmp_path / "a_user_s_own" / "__init__.py").write_text("def part(k: int) -> int: return k + 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_user_s_own", raising=False)
    return "a_user_s_own"


def test_a_package_that_is_allowed_is_built_from(package: str) -> None:
    component = {"_target_": f"{package}.part", "k": 1}
    with pytest.raises(InputError, match="no part of this suite"):
        build(component)
    assert build(component, OWN.with_names([package])) == 2


def composed_with(packages: Packages, words: list[str]) -> RunConfiguration:
    use(Extensions(packages=packages))
    try:
        return compose(words)
    finally:
        use(Extensions())


def test_a_configuration_allows_what_it_was_composed_with(package: str) -> None:
    words = ["scale=smoke", f"solver.optimizer={{_target_: {package}.part, k: 1}}"]
    allowed = OWN.with_names([package])
    config = composed_with(allowed, words)
    for one in (config, config.with_seed(3), config.of_run(1, "a"), config.changed(root="a")):
        assert one.packages == allowed
        assert build(one.solver.optimizer, one.packages) == 2
    assert compose(words).packages == OWN


def test_a_configuration_that_was_read_allows_the_suite_s_own_only(package: str) -> None:
    allowed = OWN.with_names([package])
    words = ["scale=smoke", f"solver.optimizer={{_target_: {package}.part, k: 1}}"]
    read = RunConfiguration.read(Path("config.yaml"), composed_with(allowed, words).as_yaml())
    with pytest.raises(InputError, match=re.escape(f"{package}.part, which is no part of this")):
        build(read.solver.optimizer, read.packages)
    assert package not in sys.modules
