"""A real browser: Debian's Chromium, driven over the WebDriver protocol (https://www.w3.org/TR/webdriver2) on loopback."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
)


class Browser:
    """One session of a browser."""

    def __init__(self, address: str, profile: Path) -> None:
        options = {"binary": str(CHROMIUM), "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._address = address
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            self._address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path: Path, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Open a file in a window of this size and colour scheme; returns when it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", size)
        self.scheme("dark" if dark else "light")
        self._call("POST", self._session + "/url", {"url": path.as_uri()})

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})

    def run(self, script: str) -> Any:
        """Value of a script's ``return``."""
        return self._call("POST", self._session + "/execute/sync", {"script": script, "args": []})

    def run_async(self, script: str) -> Any:
        """Value that a script hands to ``done``."""
        text = "const done = arguments[arguments.length - 1];" + script
        return self._call("POST", self._session + "/execute/async", {"script": text, "args": []})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """Send a command of the DevTools protocol."""
        body = {"cmd": command, "params": parameters}
        return self._call("POST", self._session + "/goog/cdp/execute", body)

    def complaints(self) -> list[str]:
        """What the console said since the last call."""
        return [one["message"] for one in self._log("browser")]

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last call."""
        events = [json.loads(one["message"])["message"] for one in self._log("performance")]
        return [
            one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"
        ]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("POST", self._session + "/se/log", {"type": kind})
        return found

    def picture(self, path: Path) -> None:
        """Save what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self._call("GET", self._session + "/screenshot")))

    def close(self) -> None:
        """End the session, and the browser with it."""
        self._call("DELETE", self._session)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start driver and browser; both end with the block."""
    with subprocess.Popen(
        [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        try:
            assert driver.stdout is not None
            port = next(
                found[1]
                for text in driver.stdout
                if (found := re.search(r"started successfully on port (\d+)", text))
            )
            opened = Browser(f"http://127.0.0.1:{port}", profile)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            driver.terminate()
