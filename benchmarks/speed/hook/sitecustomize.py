"""Records which functions of phiz a process calls between two signals; ``../trace.py`` reads it.

Python imports a module of this name when it starts, if its folder is on PYTHONPATH.
"""

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

_calls: list[tuple[str, str, int]] = []


def _record(frame: FrameType, event: str, _argument: object) -> None:
    code = frame.f_code
    if event == "call" and "/phiz/" in code.co_filename and not code.co_qualname.endswith(">"):
        _calls.append((code.co_filename, code.co_qualname, code.co_firstlineno))


def _start(_number: int, _frame: FrameType | None) -> None:
    _calls.clear()
    sys.setprofile(_record)


def _write(_number: int, _frame: FrameType | None) -> None:
    sys.setprofile(None)
    path = Path(os.environ["TRACE_FOLDER"], f"{os.getpid()}.json")
    partial: Any = path.with_suffix(".part")
    partial.write_text(json.dumps(_calls))
    partial.replace(path)


signal.signal(signal.SIGRTMIN, _start)
signal.signal(signal.SIGRTMIN + 1, _write)
