"""The queue of tasks that wait for a worker: fair between clients, and by price.

The price of a task is its expected time. Short, medium and long tasks are in lanes, which share the
workers equally. In a lane, clients share them equally, and in a client its requests do. A task is
due once each other flow has had as much time as it takes, so short tasks overtake longer ones, and
no task waits forever.

Source: Golestani, "A self-clocked fair queueing scheme for broadband applications" (1994).
"""

import heapq
import itertools
from bisect import bisect
from collections import deque
from typing import Final

from phiz.workers.handle import WorkTask

LONG_S: Final = 0.25
"""Expected seconds from which a task is long."""
_LANE_STARTS_S: Final = (0.05, LONG_S)
LONG_LANE: Final = len(_LANE_STARTS_S)


def find_lane(expected_s: float) -> int:
    """Return the lane of a task by its expected time."""
    return bisect(_LANE_STARTS_S, expected_s)


class _Flow:
    """Tasks that are served one after the other: those of a request, or a group of flows.

    Attributes:
        served_s: When its last task was due, by the clock of its group.
        due_s: When its next task is due.
        backlog_s: Expected time of its tasks.
    """

    __slots__ = ("_tasks", "backlog_s", "due_s", "served_s")

    def __init__(self, served_s: float = 0.0) -> None:
        self._tasks: deque[WorkTask] = deque()
        self.served_s = served_s
        self.due_s = -1.0
        self.backlog_s = 0.0

    def add(self, task: WorkTask, *_path: str) -> None:
        self._tasks.append(task)

    def peek(self) -> WorkTask | None:
        """Return the next task, after the removal of complete ones."""
        while self._tasks and self._tasks[0].is_complete:
            self._tasks.popleft()
        return self._tasks[0] if self._tasks else None

    def pop(self) -> None:
        """Remove the task that ``peek`` returns."""
        self._tasks.popleft()


class _FlowGroup(_Flow):
    """Flows by name. Its clock is the time that each of them has had since it began."""

    __slots__ = ("_due", "_now_s", "_ticks", "flows")

    def __init__(self, served_s: float = 0.0) -> None:
        super().__init__(served_s)
        self.flows: dict[str, _Flow] = {}
        self._due: list[tuple[float, int, str]] = []  # when flows are due; it may be outdated
        self._now_s = 0.0
        self._ticks = itertools.count()  # flows that are due at once keep their order

    def add(self, task: WorkTask, *path: str) -> None:
        name, *rest = path
        flow = self.flows.get(name)
        if flow is None:
            flow = _FlowGroup(self._now_s) if rest else _Flow(self._now_s)
            self.flows[name] = flow
        flow.add(task, *rest)
        self._schedule(name, flow)

    def peek(self) -> WorkTask | None:
        while self._due:
            due_s, _, name = self._due[0]
            flow = self.flows.get(name)
            if flow is not None and flow.due_s == due_s:
                return flow.peek()
            heapq.heappop(self._due)
        return None

    def pop(self) -> None:
        self._now_s, _, name = heapq.heappop(self._due)
        flow = self.flows[name]
        flow.pop()
        flow.served_s, flow.due_s = self._now_s, -1.0
        self._schedule(name, flow)

    def refresh(self, name: str, *rest: str) -> None:
        """Schedule a flow anew, because its next task may be complete."""
        flow = self.flows.get(name)
        if isinstance(flow, _FlowGroup):
            flow.refresh(*rest)
        if flow is not None:
            self._schedule(name, flow)

    def _schedule(self, name: str, flow: _Flow) -> None:
        task = flow.peek()
        if task is None:
            del self.flows[name]
            return
        due_s = flow.served_s + task.expected_s
        if due_s != flow.due_s:
            flow.due_s = due_s
            heapq.heappush(self._due, (due_s, next(self._ticks), name))


class _Lane(_FlowGroup):
    """The tasks of all clients: a group of groups of requests.

    Attributes:
        length: Number of tasks.
    """

    __slots__ = ("length",)

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    def update_totals(self, task: WorkTask, change: int, *, is_returned: bool = False) -> None:
        """Count a task that was added or removed. A returned one is in no flow."""
        self.length += change
        # Reset when empty, because rounding errors of the differences add up.
        self.backlog_s = self.backlog_s + change * task.expected_s if self.length else 0.0
        if not is_returned and (client := self.flows.get(task.owner.client)) is not None:
            client.backlog_s += change * task.expected_s

    def estimate_ahead_s(self, name: str, expected_s: float) -> float:
        """Return the seconds of work that a new task of a client would have ahead of it."""
        # Until it is due, each other request of its client has had as much time at most, and each
        # other client as much as its own.
        own_s = ahead_s = 0.0
        client = self.flows.get(name)
        if isinstance(client, _FlowGroup):
            own_s = max(0.0, client.backlog_s)
            ahead_s = min(own_s, len(client.flows) * expected_s)
        others = len(self.flows) - (client is not None)
        if not others:
            return ahead_s
        return ahead_s + min(max(0.0, self.backlog_s - own_s), others * (ahead_s + expected_s))


class TaskQueue:
    """The queued tasks.

    Attributes:
        length: Number of tasks.
    """

    __slots__ = ("_lanes", "_now_s", "_returned", "length")

    def __init__(self) -> None:
        self.length = 0
        self._returned: deque[WorkTask] = deque()  # before all others
        self._lanes = tuple(_Lane() for _ in range(LONG_LANE + 1))
        self._now_s = 0.0

    @property
    def long_length(self) -> int:
        """Number of long tasks."""
        return self._lanes[LONG_LANE].length

    @property
    def backlog_s(self) -> float:
        """Their expected time."""
        return sum(lane.backlog_s for lane in self._lanes)

    def estimate_ahead_s(self, client: str, expected_s: float) -> float:
        """Return the seconds of work that a new task of a client would have ahead of it."""
        if not self.length:
            return 0.0
        own = find_lane(expected_s)
        ahead_s = all_s = self._lanes[own].estimate_ahead_s(client, expected_s)
        if self._lanes[own].length == self.length:
            return ahead_s
        # Meanwhile each other lane gets as much time, and one with shorter tasks a little more.
        for index, lane in enumerate(self._lanes):
            if index != own:
                all_s += min(lane.backlog_s, ahead_s + expected_s if index < own else ahead_s)
        return all_s

    def add(self, task: WorkTask) -> None:
        """Add a task."""
        lane = self._lanes[task.lane]
        if not lane.length:
            lane.due_s = self._now_s
        lane.add(task, *task.owner)
        self._update_totals(task, 1)

    def requeue(self, task: WorkTask) -> None:
        """Put a task in front of all others, unless it is complete."""
        if not task.is_complete:
            self._returned.appendleft(task)
            self._update_totals(task, 1, is_returned=True)

    def discard(self, task: WorkTask) -> None:
        """Remove a task that is complete."""
        self._update_totals(task, -1, is_returned=task in self._returned)
        self._lanes[task.lane].refresh(*task.owner)

    def peek(self, *, may_be_long: bool = True) -> WorkTask | None:
        """Return the next task, or None.

        Args:
            may_be_long: Whether it may be a long one.
        """
        while self._returned and self._returned[0].is_complete:
            self._returned.popleft()
        if self._returned:
            return self._returned[0]
        lanes = self._lanes if may_be_long else self._lanes[:LONG_LANE]
        tasks = [task for lane in lanes if lane.length and (task := lane.peek()) is not None]
        return min(tasks, key=self._compute_due, default=None)

    def pop(self, task: WorkTask) -> None:
        """Remove the task that ``peek`` has returned."""
        lane = self._lanes[task.lane]
        is_returned = bool(self._returned)
        if is_returned:
            self._returned.popleft()
        else:
            self._now_s = lane.due_s = self._compute_due(task)
            lane.pop()
        self._update_totals(task, -1, is_returned=is_returned)

    def reprice(self, task: WorkTask, expected_s: float) -> bool:
        """Move the task that ``peek`` has returned to another lane.

        Returns:
            False if its lane is the same.
        """
        lane = find_lane(expected_s)
        if lane == task.lane or self._returned:
            return False
        self._lanes[task.lane].pop()
        self._update_totals(task, -1)
        task.lane, task.expected_s = lane, expected_s
        self.add(task)
        return True

    def _update_totals(self, task: WorkTask, change: int, *, is_returned: bool = False) -> None:
        self.length += change
        self._lanes[task.lane].update_totals(task, change, is_returned=is_returned)

    def _compute_due(self, task: WorkTask) -> float:
        return self._lanes[task.lane].due_s + task.expected_s
