"""The queue of tasks that wait for a worker: fair between clients, and by price.

The price of a task is its expected time. Short and long tasks are in two lanes, which share the
workers equally if both wait. In a lane, each client gets the same worker time, and the requests of
a client take turns. No task waits forever: its turn comes when each other client has had as much
time.

Source: Golestani, "A self-clocked fair queueing scheme for broadband applications" (1994).
"""

import heapq
import itertools
from collections import deque
from typing import Final

from phiz.workers.handle import WorkTask

LONG_S: Final = 0.5
"""Expected seconds from which a task is long."""


class _Client:
    """The queued tasks of a client: one deque for each request, in turn."""

    __slots__ = ("backlog_s", "requests")

    def __init__(self) -> None:
        self.backlog_s = 0.0
        self.requests: dict[str, deque[WorkTask]] = {}

    def add(self, task: WorkTask) -> None:
        self.requests.setdefault(task.owner.request, deque()).append(task)

    def peek(self) -> WorkTask | None:
        """Return the next task, after the removal of complete ones."""
        while self.requests:
            request, tasks = next(iter(self.requests.items()))
            while tasks and tasks[0].is_complete:
                tasks.popleft()
            if tasks:
                return tasks[0]
            del self.requests[request]
        return None

    def pop(self) -> None:
        """Remove the next task. The other requests have their turn before the rest of its own."""
        request, tasks = next(iter(self.requests.items()))
        del self.requests[request]
        tasks.popleft()
        if tasks:
            self.requests[request] = tasks


class _Lane:
    """Tasks of several clients. A client is served when its time and the next task's are due."""

    __slots__ = ("_clients", "_due", "_now_s", "_ticks", "backlog_s", "due_s", "length")

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._due: list[tuple[float, int, str]] = []  # when each client's next task is due
        self._now_s = 0.0  # of the last task that was served
        self._ticks = itertools.count()  # those that are due at once keep their order
        self.length = 0
        self.backlog_s = 0.0
        self.due_s = 0.0

    def add(self, task: WorkTask) -> None:
        name = task.owner.client
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = _Client()
            self._push_due(name, task)
        client.add(task)

    def peek(self) -> WorkTask | None:
        while self._due:
            name = self._due[0][2]
            task = self._clients[name].peek()
            if task is not None:
                return task
            heapq.heappop(self._due)
            del self._clients[name]
        return None

    def pop(self) -> None:
        """Remove the task that ``peek`` returns."""
        self._now_s, _, name = heapq.heappop(self._due)
        client = self._clients[name]
        client.pop()
        following = client.peek()
        if following is None:
            del self._clients[name]
        else:
            self._push_due(name, following)

    def update_totals(self, task: WorkTask, change: int) -> None:
        """Count a task that was added or removed."""
        self.length += change
        # Reset when empty, because rounding errors of the differences add up.
        self.backlog_s = self.backlog_s + change * task.expected_s if self.length else 0.0
        if (client := self._clients.get(task.owner.client)) is not None:
            client.backlog_s += change * task.expected_s

    def estimate_ahead_s(self, name: str, expected_s: float) -> float:
        """Return the seconds of work that a new task of a client would have ahead of it."""
        client = self._clients.get(name)
        own_s = client.backlog_s if client is not None else 0.0
        others = len(self._clients) - (client is not None)
        # By its turn, each other client has had as much time at most.
        return own_s + min(max(0.0, self.backlog_s - own_s), others * (own_s + expected_s))

    def _push_due(self, name: str, task: WorkTask) -> None:
        heapq.heappush(self._due, (self._now_s + task.expected_s, next(self._ticks), name))


class TaskQueue:
    """The queued tasks."""

    __slots__ = ("_lanes", "_now_s", "_returned")

    def __init__(self) -> None:
        self._returned: deque[WorkTask] = deque()  # before all others
        self._lanes = (_Lane(), _Lane())  # of short tasks, of long ones
        self._now_s = 0.0

    @property
    def length(self) -> int:
        """Number of tasks."""
        return self.short_length + self.long_length

    @property
    def short_length(self) -> int:
        """Number of short tasks."""
        return self._lanes[False].length

    @property
    def long_length(self) -> int:
        """Number of long tasks."""
        return self._lanes[True].length

    @property
    def backlog_s(self) -> float:
        """Their expected time."""
        return self._lanes[False].backlog_s + self._lanes[True].backlog_s

    def estimate_ahead_s(self, client: str, expected_s: float) -> float:
        """Return the seconds of work that a new task of a client would have ahead of it."""
        is_long = expected_s >= LONG_S
        ahead_s = self._lanes[is_long].estimate_ahead_s(client, expected_s)
        # Meanwhile the other lane gets as much time.
        other_s = ahead_s + expected_s if is_long else ahead_s
        return ahead_s + min(self._lanes[not is_long].backlog_s, other_s)

    def add(self, task: WorkTask) -> None:
        """Add a task."""
        lane = self._lanes[task.is_long]
        if not lane.length:
            lane.due_s = self._now_s
        lane.add(task)
        lane.update_totals(task, 1)

    def requeue(self, task: WorkTask) -> None:
        """Put a task in front of all others, unless it is complete."""
        if not task.is_complete:
            self._returned.appendleft(task)
            self._lanes[task.is_long].update_totals(task, 1)

    def discard(self, task: WorkTask) -> None:
        """Remove a task that is complete."""
        lane = self._lanes[task.is_long]
        lane.update_totals(task, -1)
        lane.peek()

    def peek(self, *, may_be_long: bool = True) -> WorkTask | None:
        """Return the next task, or None.

        Args:
            may_be_long: Whether it may be a long one.
        """
        while self._returned and self._returned[0].is_complete:
            self._returned.popleft()
        if self._returned:
            return self._returned[0]
        short = self._lanes[False].peek()
        long = self._lanes[True].peek() if may_be_long else None
        if short is None or long is None:
            return short or long
        return min(short, long, key=self._compute_due)

    def pop(self, task: WorkTask) -> None:
        """Remove the task that ``peek`` has returned."""
        lane = self._lanes[task.is_long]
        if self._returned:
            self._returned.popleft()
        else:
            self._now_s = lane.due_s = self._compute_due(task)
            lane.pop()
        lane.update_totals(task, -1)

    def _compute_due(self, task: WorkTask) -> float:
        return self._lanes[task.is_long].due_s + task.expected_s
