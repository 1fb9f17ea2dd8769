"""A real browser: Chromium without a window, told what to do over pipes (DevTools protocol)."""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.tools import program

OPTIONS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-sync", "--disable-component-update"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
PATIENCE_S: Final = 60.0
# DevTools numbers the keys that a page only gets with their code.
KEY_CODES: Final = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}


class Browser:
    """One page of a browser, and what it said and asked for."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self._number = 0
        self.console: list[str] = []
        self.requests: list[str] = []
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self._send(f"{domain}.enable")
        self._send("Emulation.setFocusEmulationEnabled", {"enabled": True})

    def open(self, url: str) -> None:
        """Open an address, and wait until the page has loaded."""
        self._send("Page.navigate", {"url": url})
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int, density: float = 1) -> None:
        """Give the page a size in its own pixels, and each of them so many of the screen."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": density, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Be a reader who prefers a colour scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._send("Emulation.setEmulatedMedia", {"features": features})

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, once it is there."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self._send("Runtime.evaluate", {**asked, "userGesture": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression in the page once it is true."""
        give_up = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < give_up, f"never true: {expression}"
            time.sleep(0.02)
        return value

    @contextmanager
    def hide(self) -> Iterator[None]:
        """Let another tab cover the page for a while."""
        self._send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        other = self._send("Target.createTarget", {"url": "about:blank"})
        self.wait_for("document.hidden")
        try:
            yield
        finally:
            self._send("Target.closeTarget", other)
            self._send("Page.bringToFront")
            self._send("Emulation.setFocusEmulationEnabled", {"enabled": True})
            self.wait_for("!document.hidden")

    def block(self, *patterns: str) -> None:
        """Let requests fail whose addresses match one of these, and no others."""
        self._send("Network.setBlockedURLs", {"urls": list(patterns)})

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field."""
        root = self._send("DOM.getDocument")["root"]["nodeId"]
        node = self._send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        self._send("DOM.setFileInputFiles", {"nodeId": node, "files": [str(path)]})

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        code = KEY_CODES[key]
        pressed = {"key": key, "code": "Space" if key == " " else key}
        text = {"text": "\r" if key == "Enter" else key} if key in {"Enter", " "} else {}
        for kind in ("keyDown", "keyUp"):
            told = {**pressed, **(text if kind == "keyDown" else {}), "windowsVirtualKeyCode": code}
            self._send("Input.dispatchKeyEvent", {"type": kind, **told})

    def take_picture(self, quality: int | None = None) -> bytes:
        """Return what is on the screen as PNG, or as WebP of a quality."""
        form = {"format": "png"} if quality is None else {"format": "webp", "quality": quality}
        return base64.b64decode(self._send("Page.captureScreenshot", form)["data"])

    def _send(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a command and return its answer; note the events that come before it."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters or {}}
        if (session := getattr(self, "_session", None)) is not None:
            message["sessionId"] = session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            received = self._receive()
            if received.get("id") == number:
                assert "error" not in received, received["error"]
                answer: dict[str, Any] = received["result"]
                return answer
            self._note(received)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._reader], [], [], PATIENCE_S)
            assert readable, "the browser does not answer"
            received = os.read(self._reader, 1 << 20)
            assert received, "the browser has ended"
            self._buffer += received
        message, _, self._buffer = self._buffer.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def _note(self, event: dict[str, Any]) -> None:
        told: dict[str, Any] = event.get("params", {})
        readers: dict[str, Callable[[], None]] = {
            "Runtime.consoleAPICalled": lambda: self.console.append(json.dumps(told["args"])),
            "Runtime.exceptionThrown": lambda: self.console.append(json.dumps(told)),
            "Log.entryAdded": lambda: self.console.append(told["entry"]["text"]),
            "Network.requestWillBeSent": lambda: self.requests.append(told["request"]["url"]),
            "Network.webSocketCreated": lambda: self.requests.append(told["url"]),
        }
        if note := readers.get(event.get("method", "")):
            note()


@contextmanager
def open_browser(folder: Path, *options: str) -> Iterator[Browser]:
    """Start a browser that keeps its files in a folder."""
    commands, writer = os.pipe()
    reader, answers = os.pipe()
    command = [program("chromium"), *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options]
    # The browser reads commands from descriptor 3, and writes answers to 4.
    plumbing = f'exec "$@" 3</dev/fd/{commands} 4>/dev/fd/{answers}'
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", plumbing, "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(commands, answers),
        )
    os.close(commands)
    os.close(answers)
    try:
        yield Browser(reader, writer)
    finally:
        os.close(writer)  # the browser ends without it
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(reader)
