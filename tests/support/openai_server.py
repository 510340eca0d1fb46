"""A server with OpenAI's embeddings API on 127.0.0.1, for the real client to talk to.

with OpenAIServer() as server:
    server.answer = lambda request: error(429, "Slow down")
    ...
    assert server.inputs() == [["a", "b"]]
"""

import base64
import contextlib
import json
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from vecstore.models import EmbeddingModel
from vecstore.models import openai as plugin

KEY = "sk-test-0123456789"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Answer:
    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


# An answer of None drops the connection.
Answerer = Callable[[Request], "Answer | None"]


def vector(text: str) -> list[float]:
    """The vector that the server has for a text: small integers, exact in float32."""
    return [float(len(text)), float(sum(text.encode()) % 1000), 1.0]


def rows(request: Request) -> list[dict[str, Any]]:
    """The rows of a right answer, as numbers or in base64, whichever was asked for."""
    encode = to_base64 if request.body.get("encoding_format") == "base64" else list
    return [
        {"object": "embedding", "index": index, "embedding": encode(vector(text))}
        for index, text in enumerate(request.body["input"])
    ]


def to_base64(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def answer_rows(data: list[dict[str, Any]]) -> Answer:
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = {"object": "list", "model": "fake", "data": data, "usage": usage}
    return Answer(200, json.dumps(body).encode())


def answer_vectors(request: Request) -> Answer:
    return answer_rows(rows(request))


def error(status: int, message: str, *, retry: bool = False) -> Answer:
    """An error as OpenAI words it; with `retry`, one that is tried again in 1 ms."""
    say = "true" if retry else "false"
    return bare_error(status, message, **{"x-should-retry": say, "retry-after-ms": "1"})


def bare_error(status: int, message: str, *, code: str | None = None, **headers: str) -> Answer:
    """An error as OpenAI words it, with no other headers than these."""
    body = {"error": {"message": message, "type": "some_error", "param": None, "code": code}}
    return Answer(status, json.dumps(body).encode(), headers)


def reject(*refused: str, status: int = 400) -> Answerer:
    """Answer as a server does that refuses a request with any of these texts in it."""

    def answer(request: Request) -> Answer:
        if set(refused) & set(request.body["input"]):
            return error(status, "input is too long")
        return answer_vectors(request)

    return answer


class OpenAIServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.answer: Answerer = answer_vectors
        self.requests: list[Request] = []
        self.connections = 0
        self.lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def inputs(self) -> list[list[str]]:
        """The texts of each request so far."""
        return [request.body["input"] for request in self.requests]

    def __enter__(self) -> "OpenAIServer":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


@contextlib.contextmanager
def server_in_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server that the environment names as OpenAI's, for new clients."""
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(plugin, "_clients", {})
        yield server
        for client in plugin._clients.values():
            client.close()


def embed_until_error(
    model: EmbeddingModel, texts: list[str]
) -> tuple[list[list[float]], Exception | None]:
    """The vectors that came before an error, and the error."""
    vectors: list[list[float]] = []
    try:
        vectors.extend(model.embed_multi(texts))
    except Exception as ex:
        return vectors, ex
    return vectors, None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    # An answer is two writes, headers and body: Nagle's algorithm would hold back the second.
    disable_nagle_algorithm = True
    server: OpenAIServer

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        # Lower case: the client's HTTP library changed its spelling between versions.
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body)
        with self.server.lock:
            self.server.requests.append(request)
        answer = self.server.answer(request)
        if answer is None:
            self.close_connection = True
            return
        with contextlib.suppress(ConnectionError):  # a client that was killed waits for none
            self.send(answer)

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        answer_headers = {"content-type": "application/json", **answer.headers}
        for name, value in answer_headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        pass
