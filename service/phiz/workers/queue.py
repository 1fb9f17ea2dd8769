"""What waits for a worker."""

from collections import deque

from phiz.workers.handle import WorkTask


class TaskQueue:
    """Tasks in the order in which they came, without those that nobody waits for any more.

    Attributes:
        length: How many wait.
        backlog_s: What these are expected to take.
    """

    __slots__ = ("_tasks", "backlog_s", "length")

    def __init__(self) -> None:
        self._tasks: deque[WorkTask] = deque()
        self.length = 0
        self.backlog_s = 0.0

    def add(self, task: WorkTask) -> None:
        """Put a task behind all others."""
        self._tasks.append(task)
        self._update_totals(task, 1)

    def requeue(self, task: WorkTask) -> None:
        """Put a task in front of all others, where somebody still waits for it."""
        if not task.is_complete:
            self._tasks.appendleft(task)
            self._update_totals(task, 1)

    def discard(self, task: WorkTask) -> None:
        """Take out a task that is complete."""
        self._update_totals(task, -1)
        while self._tasks and self._tasks[0].is_complete:
            self._tasks.popleft()

    def peek(self) -> WorkTask:
        """Return the task that has waited longest; there must be one."""
        while self._tasks[0].is_complete:
            self._tasks.popleft()
        return self._tasks[0]

    def pop(self) -> WorkTask:
        """Return the first task, which waits no more."""
        task = self._tasks.popleft()
        self._update_totals(task, -1)
        return task

    def _update_totals(self, task: WorkTask, change: int) -> None:
        self.length += change
        # From nothing again each time: differences of floats add up to what is nearly nothing.
        self.backlog_s = self.backlog_s + change * task.expected_s if self.length else 0.0
