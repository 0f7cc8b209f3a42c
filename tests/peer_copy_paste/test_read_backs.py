"""A copy-paste asks the device a few times a batch, whatever there is of images and objects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from baselines.sim import ImageBankCopyPaste
from boxseg.copy_paste import CopyPaste, TrainingSample
from boxseg.peer_copy_paste import OrdinaryCopyPaste, PeerCopyPaste, ReleasedCopyPaste
from tests.peer_copy_paste.scenes import sample_with
from tools.read_backs import ReadBacks

MAKERS: dict[str, Callable[[], CopyPaste]] = {
    "peer": lambda: PeerCopyPaste(probability=1.0, warmup_iterations=0, min_area=0, capacity=6),
    "peer of the same class": lambda: PeerCopyPaste(
        probability=1.0, warmup_iterations=0, min_area=0, same_class=True, single_use=True
    ),
    "random at random": lambda: PeerCopyPaste(
        select="random", paste="random", probability=1.0, warmup_iterations=0, min_area=0
    ),
    "ordinary": lambda: OrdinaryCopyPaste(probability=1.0),
    "released": lambda: ReleasedCopyPaste(min_area=0, min_visible_area=0, skipped=0.0),
    "simple": lambda: ReleasedCopyPaste("simple", min_area=0, min_visible_area=0, skipped=0.0),
    "SIM's": lambda: ImageBankCopyPaste(capacity=2, probability=1.0, start_iterations=0),
}
MOST = 3
"""What is known of the objects, what stays of them, and what is remembered."""


def grid(objects: int, turned: bool) -> TrainingSample:
    """Squares of 8 pixels apart from each other, in rows of 6; the image may lie on its side."""
    rows = -(-objects // 6)
    size = (12 * rows + 4, 76) if turned else (76, 12 * rows + 4)
    places = [(12 * (i % 6) + 2, 12 * (i // 6) + 2) for i in range(objects)]
    corners = places if turned else [(y, x) for x, y in places]
    boxes = [[x, y, x + 8, y + 8] for x, y in corners]
    return sample_with(boxes, size, classes=[i % 2 for i in range(objects)])


def asked(copy_paste: CopyPaste, batch: int, objects: int) -> list[int]:
    """Read-backs of some calls, after one that fills the memory; images of two sizes."""
    samples = [grid(objects, turned=bool(index % 2)) for index in range(batch)]
    copy_paste(samples, 1)
    counts = []
    for iteration in range(2, 8):
        with ReadBacks() as found:
            outcomes, told = copy_paste(samples, iteration)
        counts.append(found.total)
        pasted = sum(int(outcome.pasted.sum()) for outcome in outcomes)
        assert told["pastes"] == pasted > 0
    return counts


@pytest.mark.parametrize("name", MAKERS)
def test_as_few_for_many_as_for_some(name: str) -> None:
    for batch in (2, 8):
        for objects in (3, 30):
            assert max(asked(MAKERS[name](), batch, objects)) <= MOST


@pytest.mark.parametrize("name", ["peer", "SIM's"])
def test_as_few_where_tutors_exceed_the_image(name: str) -> None:
    copy_paste = MAKERS[name]()
    copy_paste([sample_with([[0, 0, 60, 50]], (60, 60))] * 2, 1)
    small = [sample_with([[4, 4, 20, 20]], (24, 24), quality=[0.1])] * 8
    with ReadBacks() as found:
        outcomes, _ = copy_paste(small, 2)
    assert found.total <= MOST
    assert all(bool(outcome.pasted.any()) for outcome in outcomes)


def test_what_is_resumed_asks_no_more() -> None:
    for maker in MAKERS.values():
        copy_paste, resumed = maker(), maker()
        samples = [grid(6, turned=bool(index)) for index in range(2)]
        copy_paste(samples, 1)
        copy_paste(samples, 2)
        resumed.load_state_dict(copy_paste.state_dict())
        with ReadBacks() as found:
            outcomes, _ = resumed(samples, 3)
        assert found.total <= MOST
        assert any(torch.any(outcome.pasted) for outcome in outcomes)
