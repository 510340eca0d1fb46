"""Where keys and passwords go: to the provider, and into no file, log, message or output."""

import base64
import logging
import os
import subprocess
import traceback
from contextlib import closing
from pathlib import Path

import pytest

import vecstore
from tests.support.command import PROCESS, run
from tests.support.openai_server import (
    Answer,
    Answerer,
    Request,
    answer_rows,
    answer_vectors,
    error,
)
from vecstore.models import retries

KEY = "sk-marked-5e1f0c9a7b3d"
PASSWORD = "password-marked-88d2"
SECRETS = [
    secret.encode()
    for plain in (KEY, PASSWORD, f"user:{PASSWORD}")
    for secret in (plain, plain.encode().hex(), base64.b64encode(plain.encode()).decode())
]


def sent_key(request: Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


# What a server does, which repeats the key wherever it can.
ANSWERS: dict[str, Answerer] = {
    "success": answer_vectors,
    "401": lambda request: error(401, f"Incorrect API key provided: {sent_key(request)}."),
    "400": lambda request: error(400, f"{sent_key(request)} is not allowed"),
    "429": lambda request: error(429, f"Too many for {sent_key(request)}", retry=True),
    "500": lambda request: Answer(
        500, f"<html>{sent_key(request)}".encode(), {"x-should-retry": "false"}
    ),
    "redirect": lambda request: Answer(302, b"", {"location": "http://127.0.0.1:1/"}),
    "lost": lambda request: None,
    "html": lambda request: Answer(200, f"<html>{sent_key(request)}".encode()),
    "no json": lambda request: Answer(200, f'{{"data": "{sent_key(request)}'.encode()),
    "no base64": lambda request: answer_rows([{"index": 0, "embedding": sent_key(request)}]),
    "no numbers": lambda request: answer_rows([{"index": 0, "embedding": [sent_key(request)]}]),
    "no rows": lambda request: answer_rows([{sent_key(request): 0}]),
    "no index": lambda request: answer_rows([{"index": sent_key(request), "embedding": [1.0]}]),
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def commands(tmp_path: Path, database: Path) -> list[list[str]]:
    """Everything that may say or write something about a load."""
    (tmp_path / "rows.csv").write_text("id,text\n1,one\n2,two\n")
    errors, exported, backup = (str(tmp_path / name) for name in ("errors", "out.jsonl", "b.db"))
    name = str(database)
    source = ["embed-multi", "c", str(tmp_path / "rows.csv"), "-m", "3-small", "-d", name]
    return [
        [*source, "--dry-run"],
        [*source, "--on-error", "skip", "--errors", errors, "--store"],
        source,
        ["embed", "c", "3", "-c", "three", "-m", "3-small", "-d", name],
        ["embed", "-c", "three", "-m", "3-small"],
        ["similar", "c", "-c", "four", "--explain", "-d", name],
        ["shell", name, "select vecstore_embed('c', 'five')"],
        ["collections", "list", "--json", "-d", name],
        ["collections", "export", "c", exported, "-d", name],
        ["check", name, "--json"],
        ["backup", name, backup],
        ["embed-models", "list"],
    ]


def assert_no_secret(*texts: str | bytes, folder: Path) -> None:
    written = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = {repr(n): t.encode() if isinstance(t, str) else t for n, t in enumerate(texts)}
    for name, content in {**written, **told}.items():
        for secret in SECRETS:
            assert secret not in content, f"{secret!r} is in {name}"


@pytest.mark.parametrize(
    ("answer", "given_as"),
    [*((answer, "variable") for answer in ANSWERS), ("success", "option"), ("401", "option")],
)
def test_a_key_is_nowhere(
    server, tmp_path, database, commands, monkeypatch, caplog, answer, given_as
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY if given_as == "variable" else "another")
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.001)
    server.answer = ANSWERS[answer]
    told = []
    # With another that reads, what is written stays in the -wal.
    with closing(vecstore.connect(database, driver="apsw")) as reader:
        vecstore.Collection("c", reader, model_id="3-small")
        reader.execute("begin")
        reader.execute("select * from collections").fetchall()
        for command in commands:
            takes_key = command[0] in ("embed", "embed-multi", "similar")
            option = ["--key", KEY] if given_as == "option" and takes_key else []
            result = run(*command, *option)
            told += [result.output, "".join(traceback.format_exception(*result.exc_info))]
        assert Path(f"{database}-wal").stat().st_size > 0
        assert_no_secret(*told, caplog.text, *map(repr, caplog.records), folder=tmp_path)
    assert f"Bearer {KEY}" in {request.headers["authorization"] for request in server.requests}


@pytest.mark.parametrize("answer", [answer_vectors, lambda request: error(401, "Who are you?")])
def test_a_password_in_the_address_is_nowhere(
    server, tmp_path, commands, monkeypatch, caplog, answer
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("//", f"//user:{PASSWORD}@"))
    server.answer = answer
    told = []
    for command in commands:
        result = run(*command)
        told += [result.output, "".join(traceback.format_exception(*result.exc_info))]
    assert_no_secret(*told, caplog.text, *map(repr, caplog.records), folder=tmp_path)
    sent = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    assert {request.headers["authorization"] for request in server.requests} == {f"Basic {sent}"}


@pytest.mark.parametrize("rest", ["host:port/v1", "ho st/v1", "[::1/v1", "/v1"])
def test_a_password_in_an_address_that_is_none_is_not_shown(monkeypatch, rest):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for password in (PASSWORD, f"{PASSWORD}/{PASSWORD}", f"{PASSWORD}#"):
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://user:{password}@{rest}")
        result = run("embed", "-c", "text", "-m", "3-small")
        assert result.exit_code == 1
        assert PASSWORD not in result.output


def test_the_clients_own_log_does_not_show_a_key(server, tmp_path):
    environment = {**os.environ, "OPENAI_LOG": "debug", "OPENAI_API_KEY": KEY}
    command = [*PROCESS, "embed", "-c", "text", "-m", "3-small"]
    server.answer = ANSWERS["401"]
    result = subprocess.run(command, env=environment, capture_output=True, cwd=tmp_path)
    assert result.returncode == 1
    assert b"Sending HTTP Request" in result.stderr
    assert_no_secret(result.stdout, result.stderr, folder=tmp_path)


def test_a_model_does_not_show_its_key():
    model = vecstore.get_embedding_model("3-small")
    model.key = KEY
    assert KEY not in f"{model} {model!r}"
