from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from boxseg.errors import InputError
from boxseg.peer_copy_paste import Admission, AnyPseudoMask, PeerMemoryBank
from tests.peer_copy_paste.scenes import sample_with

SIZE = (100, 100)
SMALL = AnyPseudoMask(min_area=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_admission_by_quality_score_and_area() -> None:
    # Boxes far apart. 20 x 16 = 320 px pass, 20 x 15 = 300 do not exceed 300.
    boxes = [[0, 0, 20, 16], [30, 0, 50, 16], [60, 0, 80, 16], [0, 30, 20, 45], [30, 30, 50, 46]]
    sample = sample_with(
        boxes,
        SIZE,
        quality=[0.51, 0.5, 0.9, 0.9, 0.9],
        scores=[0.51, 0.9, 0.5, 0.9, 0.9],
        valid=[True, True, True, True, False],
    )
    assert Admission()(sample).tolist() == [True, False, False, False, False]
    assert AnyPseudoMask(300)(sample).tolist() == [True, True, True, False, False]


def test_admission_by_overlap_with_every_other_box() -> None:
    # First with second: 2 x 20 of 400 + 400 - 40, IoU 0.053. Second with third: 4 x 20, 80 of
    # 400 + 400 - 80, IoU 0.111. Boxes without a pseudo mask count as others do.
    boxes = [[0, 0, 20, 20], [18, 0, 38, 20], [34, 0, 54, 20]]
    sample = sample_with(boxes, SIZE, valid=[True, True, False])
    assert Admission()(sample).tolist() == [True, False, False]
    assert Admission(max_iou=0.12)(sample).tolist() == [True, True, False]


def test_pasted_objects_are_not_admitted() -> None:
    sample = sample_with([[0, 0, 20, 20]], SIZE)
    sample.pasted[0] = True
    assert Admission()(sample).tolist() == [False]
    assert AnyPseudoMask()(sample).tolist() == [False]


def test_admission_of_an_image_without_objects() -> None:
    assert Admission()(sample_with([], SIZE)).tolist() == []


def test_tutors_are_cropped_copies() -> None:
    sample = sample_with([[3, 2, 14, 9]], (20, 30), [0.8], [0.7], [5])
    sample.image[:] = torch.arange(20 * 30).remainder(251).reshape(20, 30).byte()
    sample.masks[0, 2, 3] = False
    bank = PeerMemoryBank(admission=SMALL)
    assert bank.add(sample) == 1
    (tutor,) = bank.tutors
    assert torch.equal(tutor.pixels, sample.image[:, 2:9, 3:14])
    assert torch.equal(tutor.mask(), sample.masks[0, 2:9, 3:14])
    assert (tutor.label, tutor.size) == (5, (7, 11))
    assert (tutor.quality, tutor.score) == pytest.approx((0.8, 0.7))
    # 3 x 7 x 11 pixels, and 7 rows of 2 bytes; nothing of the image besides.
    assert tutor.nbytes == 231 + 14
    assert tutor.pixels.untyped_storage().nbytes() == 231
    sample.image[:] = 0
    assert tutor.pixels.any()


def test_first_in_first_out() -> None:
    bank = PeerMemoryBank(capacity=3, admission=SMALL)
    for label in range(5):
        bank.add(sample_with([[0, 0, 4, 4]], (8, 8), classes=[label]))
    assert [tutor.label for tutor in bank.tutors] == [2, 3, 4]
    assert len(bank) == 3
    assert bank.labels == {2, 3, 4}


def test_classes_are_balanced() -> None:
    # 9 tutors of class 0 and 1 of class 7: each class is drawn half of 2,000 times, +- 5 sd.
    bank = PeerMemoryBank(admission=SMALL)
    for label in [0] * 9 + [7]:
        bank.add(sample_with([[0, 0, 4, 4]], (8, 8), classes=[label]))
    random = generator()
    drawn = Counter(bank.draw(random) for _ in range(2000))
    of_class = Counter(tutor.label for tutor in drawn.elements() if tutor)
    assert abs(of_class[7] - 1000) < 5 * 22.4
    # The 9 share the other half: 111 each, sd 10.
    assert all(abs(n - 111) < 55 for tutor, n in drawn.items() if tutor and tutor.label == 0)


def test_draw_of_given_classes() -> None:
    bank = PeerMemoryBank(admission=SMALL)
    assert bank.draw(generator()) is None
    for label in (1, 2, 3):
        bank.add(sample_with([[0, 0, 4, 4]], (8, 8), classes=[label]))
    labels = {tutor.label for _ in range(50) if (tutor := bank.draw(generator(_), {2, 3, 9}))}
    assert labels == {2, 3}
    assert bank.draw(generator(), {9}) is None
    assert bank.draw(generator(), set()) is None


def test_memory_at_paper_scale_stays_under_64_megabytes() -> None:
    # 489 x (3 x 489 + 62) = 747,681 bytes are at most 60 MB / 80, 490 x (3 x 490 + 62) are not.
    bank = PeerMemoryBank()
    size = (800, 1333)
    assert bank.add(sample_with([[0, 0, 490, 490]], size)) == 0
    assert bank.add(sample_with([[0, 0, 1333, 800]], size)) == 0
    largest = sample_with([[0, 0, 489, 489]], size)
    for _ in range(100):
        assert bank.add(largest) == 1
    assert len(bank) == 80
    assert bank.nbytes == 80 * 747_681
    stored = sum(t.pixels.untyped_storage().nbytes() for t in bank.tutors)
    stored += sum(t.packed_mask.untyped_storage().nbytes() for t in bank.tutors)
    assert stored == bank.nbytes < 60 * 10**6


def test_state_survives_a_checkpoint(tmp_path: Path) -> None:
    bank = PeerMemoryBank(capacity=4, admission=SMALL)
    for label in range(4):
        bank.add(sample_with([[label, 0, 4 + 2 * label, 5]], (16, 16), classes=[label]))
    torch.save(bank.state_dict(), tmp_path / "bank.pth")
    state = torch.load(tmp_path / "bank.pth", weights_only=True)
    restored = PeerMemoryBank(capacity=4, admission=SMALL)
    restored.add(sample_with([[0, 0, 4, 4]], (8, 8), classes=[9]))
    restored.load_state_dict(state)
    for one, other in zip(bank.tutors, restored.tutors, strict=True):
        assert (one.label, one.quality, one.score) == (other.label, other.quality, other.score)
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.mask(), other.mask())
    smaller = PeerMemoryBank(capacity=2)
    smaller.load_state_dict(state)
    assert [tutor.label for tutor in smaller.tutors] == [2, 3]


def test_capacity_is_checked() -> None:
    with pytest.raises(InputError, match="capacity is 0"):
        PeerMemoryBank(capacity=0)
