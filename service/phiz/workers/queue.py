"""The queue of tasks that wait for a worker."""

from collections import deque

from phiz.workers.handle import WorkTask


class TaskQueue:
    """Tasks in the order of their arrival, without complete ones.

    Attributes:
        length: Number of tasks.
        backlog_s: Their expected time.
    """

    __slots__ = ("_tasks", "backlog_s", "length")

    def __init__(self) -> None:
        self._tasks: deque[WorkTask] = deque()
        self.length = 0
        self.backlog_s = 0.0

    def add(self, task: WorkTask) -> None:
        """Append a task."""
        self._tasks.append(task)
        self._update_totals(task, 1)

    def requeue(self, task: WorkTask) -> None:
        """Put a task in front of all others, unless it is complete."""
        if not task.is_complete:
            self._tasks.appendleft(task)
            self._update_totals(task, 1)

    def discard(self, task: WorkTask) -> None:
        """Remove a task that is complete."""
        self._update_totals(task, -1)
        while self._tasks and self._tasks[0].is_complete:
            self._tasks.popleft()

    def peek(self) -> WorkTask:
        """Return the oldest task. The queue must not be empty."""
        while self._tasks[0].is_complete:
            self._tasks.popleft()
        return self._tasks[0]

    def pop(self) -> WorkTask:
        """Remove the first task and return it."""
        task = self._tasks.popleft()
        self._update_totals(task, -1)
        return task

    def _update_totals(self, task: WorkTask, change: int) -> None:
        self.length += change
        # Reset when empty, because rounding errors of the differences add up.
        self.backlog_s = self.backlog_s + change * task.expected_s if self.length else 0.0
