"""What waits for a worker."""

from collections import deque

from phiz.workers.handle import Task


class Queue:
    """Tasks in the order in which they came, without those that nobody waits for any more.

    Attributes:
        length: How many wait.
        cost_s: What these are expected to take.
    """

    __slots__ = ("_tasks", "cost_s", "length")

    def __init__(self) -> None:
        self._tasks: deque[Task] = deque()
        self.length = 0
        self.cost_s = 0.0

    def add(self, task: Task) -> None:
        """Put a task behind all others."""
        self._tasks.append(task)
        self._count(task, 1)

    def put_back(self, task: Task) -> None:
        """Put a task in front of all others, where somebody still waits for it."""
        if not task.settled:
            self._tasks.appendleft(task)
            self._count(task, 1)

    def drop(self, task: Task) -> None:
        """Take out a task that has been settled."""
        self._count(task, -1)
        while self._tasks and self._tasks[0].settled:
            self._tasks.popleft()

    def first(self) -> Task | None:
        """Return the task that has waited longest, or None."""
        while self._tasks and self._tasks[0].settled:
            self._tasks.popleft()
        return self._tasks[0] if self._tasks else None

    def take(self) -> Task:
        """Return the first task, which waits no more."""
        task = self._tasks.popleft()
        self._count(task, -1)
        return task

    def _count(self, task: Task, change: int) -> None:
        self.length += change
        # From nothing again each time: differences of floats add up to what is nearly nothing.
        self.cost_s = self.cost_s + change * task.cost_s if self.length else 0.0
