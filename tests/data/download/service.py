"""A web service on loopback that gives prepared answers and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """One answer; ``None`` in ``status`` hangs up without one."""

    body: Any = b""
    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Service:
    """Answers by path, in order; the last one of a path stays."""

    def __init__(self, answers: Mapping[str, Sequence[Answer] | Answer]) -> None:
        self._answers = {
            path: [some] if isinstance(some, Answer) else list(some) for path, some in answers.items()
        }
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    def next(self, path: str) -> Answer:
        some = self._answers.get(path.partition("?")[0])
        if some is None:
            return Answer({"error": "not found"}, status=404)
        return some.pop(0) if len(some) > 1 else some[0]


@contextmanager
def serving(answers: Mapping[str, Sequence[Answer] | Answer]) -> Iterator[Service]:
    service = Service(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            service.headers.append(dict(self.headers))
            answer = service.next(self.path)
            if answer.status is None:
                self.close_connection = True
                return
            content = answer.content().replace(b"$URL", service.url.encode())
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value.replace("$URL", service.url))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
