"""Exit with 0 if the service of this container is ready for requests, else with 1.

The image has no shell command for this. The file imports little, because it runs every few seconds.
"""

import os
import socket
import sys

TIMEOUT_S = 2.0
REQUEST = b"GET /readyz HTTP/1.0\r\n\r\n"


def is_ready(port: int) -> bool:
    """Return whether the service on this port of this machine answers that it is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(REQUEST)
            status_line = connection.makefile("rb").readline().split()
    except OSError:
        return False
    return status_line[1:2] == [b"200"]


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ["PHIZ_PORT"])))
