"""Background tasks: they begin while no other task waits, such as the frames of a stream.

Clients get the same time of the workers, as in ``phiz.workers.queue``: a task is due once each
other client has had as much time as it takes.
"""

from phiz.workers.handle import WorkTask


class BackgroundQueue:
    """The background tasks that wait. There are few, so none is sorted before it is needed."""

    __slots__ = ("_due_s", "_now_s")

    def __init__(self) -> None:
        """Return an empty queue."""
        self._due_s: dict[WorkTask, float] = {}
        self._now_s = 0.0  # when the last one was due: the time that each client has had

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._due_s)

    def __contains__(self, task: WorkTask) -> bool:
        """Return whether a task waits here."""
        return task in self._due_s

    def add(self, task: WorkTask) -> None:
        """Add a task, which is due after the others of its client."""
        client = task.owner.client
        own = (due_s for other, due_s in self._due_s.items() if other.owner.client == client)
        self._due_s[task] = max(own, default=self._now_s) + task.expected_s

    def peek(self) -> WorkTask | None:
        """Return the next task, or None."""
        return min(self._due_s, key=self._due_s.__getitem__, default=None)

    def pop(self, task: WorkTask) -> None:
        """Remove the task that ``peek`` has returned, because it begins."""
        self._now_s = self._due_s.pop(task)

    def remove(self, task: WorkTask) -> None:
        """Remove a task that does not begin here."""
        del self._due_s[task]
