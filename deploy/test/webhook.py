"""A webhook that stores the alerts it receives, and returns them on request."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

PORT = 9099


class WebhookHandler(BaseHTTPRequestHandler):
    """Stores alerts by POST, and returns all of them by GET, as JSON."""

    alerts: list[dict[str, Any]]

    def do_POST(self) -> None:
        """Store the alerts of Alertmanager's message."""
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.alerts.extend(message["alerts"])
        self._send_body(b"")

    def do_GET(self) -> None:
        """Return all alerts so far."""
        self._send_body(json.dumps(self.alerts).encode())

    def _send_body(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    WebhookHandler.alerts = []
    HTTPServer(("0.0.0.0", PORT), WebhookHandler).serve_forever()  # noqa: S104  inside a container
