"""The parent of a sweep: plans its runs, launches the missing ones, shows their status."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from sfbptt_cli.cli.reader import with_reader
from sfbptt_cli.cli.sweep.folder import ENDS, Job, SweepFolder
from sfbptt_cli.cli.sweep.job import launcher
from sfbptt_cli.cli.sweep.progress import Progress, report_command, summary, table
from sfbptt_cli.cli.sweep.slurm import await_jobs, require_slurm, watch_queue
from sfbptt_cli.common.errors import Interrupted, RequestError
from sfbptt_cli.common.terminal import say
from sfbptt_cli.config.explain import explain_value
from sfbptt_cli.evaluation.settings import EvaluationSettings

# From the composed settings of a job to its run folder, whether that is finished already, and how
# it is measured.
Plan = Callable[[Any], tuple[Path, bool, EvaluationSettings]]


class Sweep(Sweeper):
    """Hydra's sweeper, which leaves out the runs that are finished and goes on when one dies.

    Without a `plan` nothing is known to be finished, and no table is printed.
    """

    # Hydra makes the sweeper, from its own settings; these are of the command at hand.
    command = "train"
    plan: Plan | None = None
    latest: Sweep | None = None

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None) -> None:
        self._batch_size = max_batch_size
        self._params = params or {}
        self._jobs: list[Job] = []
        self._compositions: dict[tuple[str, ...], DictConfig] = {}
        Sweep.latest = self

    @staticmethod
    def install(command: str, plan: Plan | None) -> None:
        """Let Hydra use this sweeper, for the next command."""
        Sweep.command, Sweep.plan, Sweep.latest = command, plan, None
        # Hydra takes sweepers only from packages of its plugins or its own.
        name = f"{BasicSweeper.__module__}.{BasicSweeper.__name__}"
        Plugins.instance().class_name_to_class[name] = Sweep

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what Hydra passes before `sweep`."""
        self.config, self.hydra_context = config, hydra_context  # Hydra's own checks read these
        # One folder for all jobs, also where they differ in name or outputs, which are parts of it.
        place = QuotedString(str(Path(config.hydra.sweep.dir).absolute()), Quote.single)
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir={place.with_quotes()}")
        self._config, self._loader = config, hydra_context.config_loader
        self._plugin = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    @property
    def status(self) -> int:
        """130 stopped, 0 all finished, 2 all refused, else 1."""
        found = {job.status for job in self._jobs}
        if self._folder.stopped:
            return 130
        if found <= {"finished"}:
            return 0
        return 2 if found == {"refused"} else 1

    def sweep(self, arguments: list[str]) -> None:
        """Plan all runs, launch those that are missing, print the table."""
        self._list_jobs(arguments)
        if self._on_slurm:
            require_slurm(self._config.hydra.launcher)
        if Sweep.plan is None:
            self.validate_batch_is_legal([job.overrides for job in self._jobs])
        else:
            for job in self._jobs:
                self._plan_job(job, Sweep.plan)
        folder = self._folder
        folder.write_plan(self._jobs)
        before = len(self._with_status("finished"))
        with Progress(folder, self._jobs) as progress:
            self._run(progress)
        if Sweep.plan is not None:
            say(table(self._jobs))
        progress.say(summary(self._jobs, before, folder))
        if report := report_command(self._jobs):
            progress.say(report)

    @property
    def _folder(self) -> SweepFolder:
        return SweepFolder(Path(self._config.hydra.sweep.dir).absolute())

    @property
    def _launcher(self) -> str:
        return launcher(self._config.hydra)

    @property
    def _on_slurm(self) -> bool:
        return self._launcher == "SlurmLauncher"

    def _list_jobs(self, arguments: list[str]) -> None:
        given = [*(f"{key}={value}" for key, value in self._params.items()), *arguments]
        overrides = OverridesParser.create().parse_overrides(given)
        varied = [o.get_key_element() for o in overrides if o.is_sweep_override()]
        for product in BasicSweeper.split_arguments(overrides, None)[0]:
            pairs = (override.split("=", 1) for override in product)
            values = {key: re.sub(r"^(['\"])(.*)\1$", r"\2", text) for key, text in pairs}
            job = Job(with_reader(Sweep.command, product), {key: values[key] for key in varied})
            if job not in self._jobs:
                self._jobs.append(job)

    def _plan_job(self, job: Job, plan: Plan) -> None:
        """Refuse the job, or find its run folder and whether it is finished."""
        config = self._compose(job.overrides)
        HydraConfig.instance().set_config(config)
        task = deepcopy(config)
        with open_dict(task):
            del task["hydra"]
        try:
            job.run, finished, job.evaluation = plan(task)
            job.status = "finished" if finished else "waiting"
        except RequestError as error:
            job.status, job.message = "refused", str(error)
        except OmegaConfBaseException as error:
            job.status, job.message = "refused", explain_value(error)

    def _compose(self, overrides: list[str]) -> DictConfig:
        """Compose the settings of a job.

        Composing takes a tenth of a second, so it is done once for each choice of config groups;
        overrides of values are applied afterwards, as Hydra does.
        """
        loader = self._loader
        assert isinstance(loader, ConfigLoaderImpl)
        values, groups = [], []
        for text, override in zip(
            overrides, OverridesParser.create().parse_overrides(overrides), strict=True
        ):
            special = override.is_add() or override.is_delete() or override.package is not None
            if special or loader.repository.group_exists(override.key_or_group):
                groups.append(text)
            else:
                values.append(override)
        if tuple(groups) not in self._compositions:
            composed = loader.load_sweep_config(self._config, groups)
            self._compositions[tuple(groups)] = composed
        config = deepcopy(self._compositions[tuple(groups)])
        loader._apply_overrides_to_config(values, config)
        return config

    def _run(self, progress: Progress) -> None:
        """Launch what is missing until every job has ended.

        A worker that dies takes joblib's others with it. Those that had not begun are launched
        again, then those that had, one by one: one that dies then was the cause.
        """
        suspects: list[Job] = []
        if self._on_slurm and (waiting := self._with_status("waiting")):
            watch_queue()
            progress.say(
                f"{len(waiting)} runs go to Slurm as {self._config.hydra.launcher.name}; "
                "squeue --me lists them"
            )
        while (waiting := self._with_status("waiting")) and not self._folder.stopped:
            raised = self._launch(waiting)
            progress.look()
            if raised is not None and self._with_status("waiting") == waiting:
                reason = str(raised).strip("'\" \n").splitlines() or [repr(raised)]
                raise RequestError(f"hydra/launcher: {reason[-1]}") from raised
            if self._on_slurm or self._with_status("waiting") == waiting:
                break  # those that did not begin will not begin another time
            suspects += [job for job in waiting if job.status == "running"]
        for job in suspects:
            if not self._folder.stopped:
                self._launch([job])
                progress.look()
        if self._folder.stopped:
            return
        for number, job in enumerate(self._jobs):
            if job.status not in ENDS:
                job.message = f"its process was killed or cancelled; see {self._folder.log(number)}"
                progress.end(job, "died")

    def _with_status(self, status: str) -> list[Job]:
        return [job for job in self._jobs if job.status == status]

    def _launch(self, jobs: Sequence[Job]) -> Exception | None:
        """Launch the jobs and wait for their ends; return what the launcher raised at a death."""
        local = self._launcher == "JoblibLauncher"
        batch = [job.overrides for job in jobs]
        size = self._batch_size or len(batch)
        raised = None
        for begin in range(0, len(batch), size):
            try:
                with _forwarding(self._folder) if local else contextlib.nullcontext():
                    self._plugin.launch(batch[begin : begin + size], initial_job_idx=begin)
                    continue
            except Exception as error:
                raised = error
            except KeyboardInterrupt:
                if self._on_slurm:
                    raise Interrupted(
                        "interrupted; the jobs stay in the queue, where scancel ends them; "
                        "the same command takes what they have finished"
                    ) from None
                raise
            if self._on_slurm:
                await_jobs(self._plugin)
        return raised


@contextlib.contextmanager
def _forwarding(folder: SweepFolder) -> Iterator[None]:
    """Stop the runs after a checkpoint at the first SIGINT or SIGTERM, at once at the second."""

    def stop(*_: object) -> None:
        if folder.stopped:
            raise KeyboardInterrupt
        folder.stop()
        for record in folder.records():
            if record["status"] == "running" and record["host"] == socket.gethostname():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(record["process"], signal.SIGTERM)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
