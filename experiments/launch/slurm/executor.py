"""Job arrays by submitit, submitted so that they need nothing more of the process that did."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from submitit import SlurmExecutor
from submitit.helpers import DelayedSubmission

from boxseg.errors import InputError
from boxseg.files import atomic_path, write_text_atomically
from experiments.configuration.schema import Launcher
from experiments.launch.slurm.task import RunTask

SCRIPT = "batch.sh"


class ArrayExecutor(SlurmExecutor):
    """One job array.

    submitit names the pickles of an array after its number, when Slurm has told it; a process that
    dies before that leaves jobs that find nothing. Here the pickles are written before and named
    after their index, and the batch script gives each job its own.

    Args:
        folder: of the submission.
        name: of the job.
        resources: what a run's job asks for, as in `experiments/conf/launcher/slurm.yaml`.
        count: of tasks.
        parallel: tasks at a time.
        after: number of a job that has to end first.

    Raises:
        InputError: the folder's path has a %, or the resources contradict each other.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        resources: Launcher,
        count: int,
        parallel: int | None = None,
        after: str | None = None,
    ) -> None:
        if "%" in str(folder):
            raise InputError(
                f"Slurm cannot write to {folder}, whose path has a %; choose another with --runs."
            )
        if resources.warning >= 60 * resources.time:
            raise InputError(
                f"launcher.time={resources.time} (minutes) leaves no time before the warning "
                f"launcher.warning={resources.warning} (seconds) ahead of its end; raise the one "
                "or lower the other."
            )
        super().__init__(folder, max_num_timeout=resources.time_outs)
        self.count = count
        self.update_parameters(
            job_name=name,
            partition=resources.partition,
            account=resources.account,
            qos=resources.qos,
            constraint=resources.constraint,
            gres=resources.gres,
            nodes=resources.nodes,
            ntasks_per_node=resources.tasks_per_node,
            cpus_per_task=resources.cpus,
            mem=resources.memory,
            time=resources.time,
            signal_delay_s=resources.warning,
            srun_args=[f"--cpus-per-task={resources.cpus}"],  # Slurm 22.05 on does not pass it on
            setup=[*resources.setup, *self._own_pickle()],
            array_parallelism=parallel or count,
            dependency=None if after is None else f"afterany:{after}",
            wckey=None,
            additional_parameters={"requeue": True, **resources.further},
        )
        self.parameters["map_count"] = count

    @classmethod
    def affinity(cls) -> int:
        """Always usable: a dry run writes scripts where there is no Slurm."""
        return 2

    def script(self) -> str:
        """The batch script."""
        return self._make_submission_file_text(self._submitit_command_str, "")

    def submit_runs(self, tasks: Sequence[RunTask], lock: int) -> str:
        """Submit the array.

        Args:
            tasks: `count` of them.
            lock: descriptor of the lock under which is submitted; `sbatch` holds it too, so that
                one that outlives this process is waited for.

        Returns:
            The array's number.

        Raises:
            InputError: Slurm refuses it.
        """
        for index, task in enumerate(tasks):
            submission = DelayedSubmission(task)
            submission.set_timeout(self.parameters["time"], self.max_num_timeout)
            with atomic_path(self.folder / f"{index}.pkl") as temporary:
                submission.dump(temporary)
        script = self.folder / SCRIPT
        write_text_atomically(script, self.script())
        done = subprocess.run(
            ["sbatch", "--parsable", str(script)],
            capture_output=True,
            text=True,
            check=False,
            pass_fds=(lock,),
            env=_outside_of_jobs(),
        )
        if done.returncode != 0:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise InputError(f"Slurm refuses {script}: {said.rstrip('.')}; change launcher.KEY.")
        numbers = re.findall(r"^(\d+)(?:;.*)?$", done.stdout, re.MULTILINE)
        if not numbers:
            said = " ".join(done.stdout.split()) or "nothing"
            raise InputError(
                f"sbatch took {script} without telling the job's number (it said: {said[:200]}); "
                "`boxseg status` finds the job by its name; the same command goes on from there."
            )
        return str(numbers[-1])  # wrappers of some sites greet first

    def _own_pickle(self) -> list[str]:
        """Lines of shell that give a job its pickle, unless it was queued again and has one."""
        folder = shlex.quote(str(self.folder))
        return [
            f"pickle={folder}/${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}_submitted.pkl",
            f'[ -e "$pickle" ] || cp {folder}/"$SLURM_ARRAY_TASK_ID".pkl "$pickle.part"',
            '[ -e "$pickle" ] || mv "$pickle.part" "$pickle"',
        ]


def _outside_of_jobs() -> dict[str, str]:
    """The environment without what the job was given that this process may be part of."""
    if "SLURM_JOB_ID" not in os.environ:
        return dict(os.environ)
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SRUN_", "SUBMITIT_"))
    }
