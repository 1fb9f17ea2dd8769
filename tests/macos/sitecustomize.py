"""Takes from Python what Linux alone has, for every process that finds this on its path.

Names that macOS's Python lacks are removed, and the folders of Linux's kernel cannot be read.
``sys.platform`` stays as it is, since the libraries here are those for Linux.

Source: "Availability" in the documentation of each module.
"""

import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time
from types import ModuleType
from typing import Any, Final

KERNEL: Final = ("/proc", "/sys")
NAMES: Final[dict[ModuleType, tuple[str, ...]]] = {
    os: (
        *("CLONE_", "EFD_", "MFD_", "PIDFD_", "POSIX_FADV_", "RWF_", "SCHED_", "SPLICE_", "TFD_"),
        *("O_DIRECT", "O_NOATIME", "O_PATH", "O_RSYNC", "O_TMPFILE"),
        *("copy_file_range", "eventfd", "fdatasync", "getrandom", "getres", "memfd_", "pidfd_"),
        *("pipe2", "posix_fadvise", "posix_fallocate", "sched_get", "sched_param", "sched_rr"),
        *("sched_set", "setns", "setres", "splice", "timerfd_", "unshare", "getxattr"),
        *("listxattr", "removexattr", "setxattr", "XATTR_"),
    ),
    resource: (
        *("RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RT", "RLIMIT_SIGPENDING", "RUSAGE_THREAD"),
        "prlimit",
    ),
    select: ("EPOLL", "epoll"),
    signal: ("SIGPOLL", "SIGPWR", "SIGRT", "SIGSTKFLT", "pidfd_", "sigtimedwait", "sigwaitinfo"),
    socket: (
        *("AF_ALG", "AF_CAN", "AF_NETLINK", "AF_PACKET", "AF_TIPC", "MSG_CMSG_", "MSG_CONFIRM"),
        *("MSG_ERRQUEUE", "MSG_FASTOPEN", "MSG_MORE", "SOCK_CLOEXEC", "SOCK_NONBLOCK"),
        *("SO_BINDTODEVICE", "SO_DOMAIN", "SO_INCOMING_CPU", "SO_MARK", "SO_PASS", "SO_PEERCRED"),
        *("SO_PRIORITY", "SO_PROTOCOL", "TCP_CORK", "TCP_DEFER_ACCEPT", "TCP_LINGER2"),
        *("TCP_QUICKACK", "TCP_SYNCNT", "TCP_USER_TIMEOUT", "TCP_WINDOW_CLAMP"),
    ),
    time: ("CLOCK_BOOTTIME", "CLOCK_TAI", "clock_settime", "pthread_getcpuclockid"),
}


class _Library(ctypes.CDLL):
    """A C library other than glibc, which has no such functions."""

    def __getattr__(self, name: str) -> Any:
        if name in {"mallopt", "malloc_trim", "prctl", "sched_setaffinity"}:
            raise AttributeError(name)
        return super().__getattr__(name)


def _hide_kernel(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"open", "os.listdir", "os.scandir"} and str(arguments[0]).startswith(KERNEL):
        raise FileNotFoundError(2, "macOS has no such folder", str(arguments[0]))


for module, beginnings in NAMES.items():
    for name in dir(module):
        if name.startswith(beginnings):
            delattr(module, name)
if sys.version_info >= (3, 13):  # where os itself uses what it may lack
    os.process_cpu_count = os.cpu_count
ctypes.CDLL = _Library  # type: ignore[misc]  # in the place of what it inherits
sys.addaudithook(_hide_kernel)
