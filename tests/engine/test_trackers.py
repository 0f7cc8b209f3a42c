"""What TensorBoard itself reads in the event files, and what numbers are called in all services."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxseg.engine.trackers import TensorBoard, TrackedRun, tags


def tracked(folder: Path, first: int) -> TrackedRun:
    return TrackedRun(folder, "a run", first, {})


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    read = EventAccumulator(str(folder))
    read.Reload()
    return [(one.step, one.value) for one in read.Scalars(name)]


def test_numbers_stand_in_groups() -> None:
    values = {"loss_mask": 1.0, "total_loss": 2.0, "lr": 0.5, "pseudo_iou": 0.25}
    more = {"copy_paste_pastes": 3.0, "evaluation/segm/AP": None, "evaluation/bbox/AP": 4.0}
    assert tags({**values, **more}) == {
        "losses/loss_mask": 1.0,
        "losses/total_loss": 2.0,
        "training/lr": 0.5,
        "pseudo_masks/pseudo_iou": 0.25,
        "copy_paste/copy_paste_pastes": 3.0,
        "evaluation/bbox/AP": 4.0,
    }


def test_steps_that_are_done_again_count_once(tmp_path: Path) -> None:
    killed = TensorBoard(tracked(tmp_path, 0))
    for step in range(1, 8):
        killed.write(step, {"total_loss": float(step)})
    # It never came to an end; what it wrote is there all the same.
    assert len(curve(tmp_path, "losses/total_loss")) == 7
    again = TensorBoard(tracked(tmp_path, 5))
    for step in range(6, 10):
        again.write(step, {"total_loss": 10.0 * step})
    again.close()
    wanted = [(step, float(step)) for step in range(1, 6)]
    wanted += [(step, 10.0 * step) for step in range(6, 10)]
    assert curve(tmp_path, "losses/total_loss") == wanted
    assert len(list(tmp_path.iterdir())) == 2


def test_a_torn_event_hides_nothing(tmp_path: Path) -> None:
    killed = TensorBoard(tracked(tmp_path, 0))
    killed.write(1, {"lr": 0.5})
    killed.write(2, {"lr": 0.5})
    killed.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    again = TensorBoard(tracked(tmp_path, 1))
    again.write(2, {"lr": 0.25})
    again.close()
    assert curve(tmp_path, "training/lr") == [(1, 0.5), (2, 0.25)]


def test_an_event_is_small(tmp_path: Path) -> None:
    tracker = TensorBoard(tracked(tmp_path, 0))
    (file,) = tmp_path.iterdir()
    before = file.stat().st_size
    tracker.write(1, {f"loss_of_something_{number}": 1.0 for number in range(15)})
    assert file.stat().st_size - before < 1000


def test_what_a_service_calls_a_run_is_known_when_it_goes_on(tmp_path: Path) -> None:
    assert tracked(tmp_path, 5).remembered("wandb") is None
    tracked(tmp_path, 0).remember("wandb", "abc")
    assert tracked(tmp_path, 5).remembered("wandb") == "abc"
    assert tracked(tmp_path, 5).remembered("mlflow") is None
    assert tracked(tmp_path, 0).remembered("wandb") is None  # begun anew: another run
