"""The signs of life of a worker: its messages, its processor time, and whether its work ends."""

from typing import TYPE_CHECKING, Final

from phiz.system.procfs import (
    DISK_STATE,
    STOPPED_STATE,
    read_process_state,
    read_processor_seconds,
)

if TYPE_CHECKING:
    from phiz.workers.handle import WorkerHandle, WorkTask

CHECK_INTERVAL_S: Final = 0.25
# Share of the time since the cancellation that counts for a worker that hardly runs, because the
# machine is busy.
MIN_TIME_SHARE: Final = 0.25
# Less processor time since the last sign of life is no sign: a thread that waits for another one,
# which never ends, wakes up now and then.
LEAST_WORK_SHARE: Final = 0.02
MAX_STOPPED_CHECKS: Final = 2  # one may be right after the service itself was stopped


class WorkerVitals:
    """The signs of life of a worker, updated every ``CHECK_INTERVAL_S``.

    Checks are counted instead of seconds: while the service itself is stopped, no worker can answer
    it.

    Attributes:
        has_spoken: Whether the worker has sent something since the last update.
        silent_s: Seconds since its last sign of life.
        abandoned_s: Seconds of work since nobody waits for its current task.
    """

    __slots__ = (
        "_abandoned_task",
        "_processor_s",
        "_stopped_checks",
        "_work_s",
        "abandoned_s",
        "has_spoken",
        "silent_s",
    )

    def __init__(self) -> None:
        """Begin with a worker that has just become ready."""
        self.has_spoken = True
        self.silent_s = 0.0
        self.abandoned_s = 0.0
        self._abandoned_task: WorkTask | None = None
        self._processor_s: float | None = None
        self._stopped_checks = 0
        self._work_s = 0.0  # since the last sign of life

    @property
    def is_stopped(self) -> bool:
        """Whether the last checks found the worker stopped."""
        return self._stopped_checks >= MAX_STOPPED_CHECKS

    def update(self, worker: "WorkerHandle") -> None:
        """Take the signs since the last update, and ask a silent worker for one."""
        before_s = self._processor_s
        self._processor_s = read_processor_seconds(worker.process.pid)
        spent_s = None
        if before_s is not None and self._processor_s is not None:
            spent_s = self._processor_s - before_s
        self._update_silence(worker, spent_s)
        self._update_abandonment(worker, spent_s)

    def _update_silence(self, worker: "WorkerHandle", spent_s: float | None) -> None:
        """Count the time without a sign.

        A sign is a message or processor time: within a long call of a library no ping is answered,
        and on a busy machine the call may take long. Without figures of the system, only an idle
        worker must answer.
        """
        passed_s = self.silent_s + CHECK_INTERVAL_S
        self._work_s += spent_s or 0.0
        has_worked = self._work_s >= LEAST_WORK_SHARE * passed_s
        is_alive = self.has_spoken or (bool(worker.tasks) if spent_s is None else has_worked)
        state = ""
        if not self.has_spoken:
            worker.ping()
            state = read_process_state(worker.process.pid)
        is_alive = is_alive or state == DISK_STATE
        self._stopped_checks = self._stopped_checks + 1 if state == STOPPED_STATE else 0
        self.has_spoken = False
        self.silent_s = 0.0 if is_alive else passed_s
        if is_alive:
            self._work_s = 0.0

    def _update_abandonment(self, worker: "WorkerHandle", spent_s: float | None) -> None:
        """Count the time for which nobody waits: that of the processor, or a share of the clock."""
        task = worker.tasks[0] if worker.tasks and worker.tasks[0].is_complete else None
        if task is None or task is not self._abandoned_task:
            self._abandoned_task, self.abandoned_s = task, 0.0
            return
        work_s = CHECK_INTERVAL_S if spent_s is None else min(spent_s, CHECK_INTERVAL_S)
        self.abandoned_s += max(work_s, MIN_TIME_SHARE * CHECK_INTERVAL_S)
