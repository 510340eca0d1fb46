"""The models of OpenAI, and of any server with the same API, as `openai/NAME`.

OPENAI_API_KEY holds the key, OPENAI_BASE_URL the address of another server.
"""

import base64
import email.utils
import math
import os
import re
import struct
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from .. import vectors
from ..errors import MissingKeyError, ModelError, RejectedInputError, TemporaryError
from ..process_lock import ProcessLock
from . import llm_keys, retries
from .base import EmbeddingModel
from .hooks import hookimpl

if TYPE_CHECKING:
    import openai
    from openai.types import CreateEmbeddingResponse

PREFIX = "openai/"
OPENAI_URL = "https://api.openai.com/v1"
BASE_URL_VARIABLE = "OPENAI_BASE_URL"

# https://platform.openai.com/docs/api-reference/embeddings/create, for one request.
MAX_INPUTS = 2_048
MAX_TOKENS = 300_000

# The answers that can be about one input: malformed, too large, unprocessable.
REJECTIONS = (400, 413, 422)

# Those that may pass, as the official client has it, with every status from 500 on.
TEMPORARY = (408, 409, 429)
# The codes of those answers of 429 that money changes, and not time.
UNPAID = ("insufficient_quota", "billing_not_active")
# Without an answer there is less hope: the address may be wrong.
TRIES = 8
TRIES_WITHOUT_AN_ANSWER = 5
TRIES_OF_UNREADABLE_ANSWERS = 3  # the page of a proxy, or of another kind of server

# Characters of a server's message that are repeated; some answer with a page of HTML.
MAX_MESSAGE = 500

_lock = ProcessLock()
# By process too: two that share a connection after a fork read each other's answers.
_clients: dict[tuple[str, str, int], "openai.OpenAI"] = {}


@hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    small, large = "text-embedding-3-small", "text-embedding-3-large"
    ada = "text-embedding-ada-002"
    register(OpenAIModel(small, small), aliases=("3-small",))
    register(OpenAIModel(large, large), aliases=("3-large",))
    register(OpenAIModel(ada, ada), aliases=("ada", "ada-002"))
    # Shortened by the server: 512 dimensions of 1536, and 256 and 1024 of 3072.
    register(OpenAIModel(f"{small}-512", small, 512), aliases=("3-small-512",))
    register(OpenAIModel(f"{large}-256", large, 256), aliases=("3-large-256",))
    register(OpenAIModel(f"{large}-1024", large, 1024), aliases=("3-large-1024",))


# Last, so that another plugin can take over a name.
@hookimpl(trylast=True)
def resolve_embedding_model(name: str) -> EmbeddingModel | None:
    if name.startswith(PREFIX) and name != PREFIX:
        return OpenAIModel(name, name.removeprefix(PREFIX))
    return None


class OpenAIModel(EmbeddingModel):
    """A model behind the OpenAI API, asked for in as few requests as its limits allow.

    Raises RejectedInputError for an input that the server refuses, TemporaryError for what may
    pass (a rate limit, a busy server, a lost connection), ModelError where a request fails
    otherwise.
    """

    needs_key = "openai"
    key_env_var = "OPENAI_API_KEY"
    batch_size = MAX_INPUTS
    concurrency = 8

    def __init__(self, model_id: str, name: str, dimensions: int | None = None) -> None:
        self.model_id = model_id
        self.name = name
        self.dimensions = dimensions

    def get_key(self, explicit_key: str | None = None) -> str | None:
        try:
            key = (super().get_key(explicit_key) or "").strip()
        except MissingKeyError as ex:
            raise MissingKeyError(f"{ex}{self._key_hint()}") from None
        # Here, because the error of the HTTP library would print the key.
        if not key or not key.isascii() or not key.isprintable():
            raise MissingKeyError(
                f"The API key for the model {self.model_id!r} is blank, or has characters that"
                " an HTTP header cannot hold"
            )
        return key

    def _key_hint(self) -> str:
        # First, as the key that llm has is OpenAI's, and no other server is to get it.
        if BASE_URL_VARIABLE in os.environ:
            return f" ({BASE_URL_VARIABLE} is set: any value will do for a server without keys)"
        if llm_keys.has_key(self.needs_key):
            command = f'export {self.key_env_var}="$(llm keys get {self.needs_key})"'
            return f" (llm has a key of that name: {command})"
        return ""

    def embed_batch(
        self, items: Iterable[str | bytes], *, key: str | None = None
    ) -> Iterator[list[float]]:
        client = _client(key or "")
        for texts in _requests([str(item) for item in items]):
            yield from self._embed(client, texts)

    def _embed(self, client: "openai.OpenAI", texts: list[str]) -> Iterator[list[float]]:
        """Yield the vectors of one request, halved for as long as the server refuses it.

        The second half is asked for only when the first has its vectors. So a refused input is
        found in about 2 log2(n) requests, and it is the first one without a vector.
        """
        vectors = self._request(client, texts)
        if vectors is not None:
            yield from vectors
            return
        middle = len(texts) // 2
        yield from self._embed(client, texts[:middle])
        yield from self._embed(client, texts[middle:])

    def _request(self, client: "openai.OpenAI", texts: list[str]) -> list[list[float]] | None:
        """Return the vectors, or None where the server refuses these inputs together."""
        import openai

        # embed_batch() may make several requests.
        retries.retries_of(self).wait()
        try:
            response = client.embeddings.create(
                input=texts,
                model=self.name,
                # By name, so that the client leaves the decoding to us: it would import NumPy.
                encoding_format="base64",
                # Not dimensions=: what stands there for "none" differs between its versions.
                extra_body=self.dimensions and {"dimensions": self.dimensions},
            )
            return self._vectors(response, len(texts))
        except openai.APIStatusError as ex:
            error = self._status_error(client, ex)
            if isinstance(error, RejectedInputError) and len(texts) > 1:
                return None
            raise error from None
        except openai.APIConnectionError as ex:
            if isinstance(ex.__cause__, MemoryError):
                raise ex.__cause__ from None  # the input is too large for us: no wait helps
            # The client's own message is "Connection error."; the cause says which.
            reason = str(ex.__cause__ or "") or str(ex)
            raise TemporaryError(
                self._describe(client, f"cannot be reached: {reason}"),
                tries=TRIES_WITHOUT_AN_ANSWER,
            ) from None
        except (AttributeError, TypeError, ValueError, struct.error) as ex:
            # The client does not check what it received: a page of HTML becomes a str.
            reason = f"gave an answer that cannot be read: {ex}"
            raise TemporaryError(
                self._describe(client, reason), tries=TRIES_OF_UNREADABLE_ANSWERS
            ) from None

    def _vectors(self, response: "CreateEmbeddingResponse", count: int) -> list[list[float]]:
        self._check_count(count, len(response.data), response.data)
        rows = sorted(response.data, key=lambda item: item.index)
        if [row.index for row in rows] != list(range(count)):
            raise ValueError("its vectors are not numbered like the inputs")
        return [_decode(row.embedding) for row in rows]

    def _status_error(self, client: "openai.OpenAI", error: "openai.APIStatusError") -> ModelError:
        """Return what an answer that is not 200 comes to."""
        if not _is_temporary(error) and error.status_code in REJECTIONS:
            message = _one_line(_message(error), client)
            return RejectedInputError(
                f"The model {self.model_id!r} refused an input ({error.status_code}): {message}"
            )
        message = self._describe(client, f"answered {error.status_code}: {_message(error)}")
        if _is_temporary(error):
            asked = _retry_after(error.response.headers)
            return TemporaryError(message, retry_after=asked, tries=TRIES)
        return ModelError(message)

    def _describe(self, client: "openai.OpenAI", reason: str) -> str:
        # Without what may be a password: http://user:password@host/
        url = client.base_url
        address = f"{url.scheme}://{url.netloc.decode()}{url.path.rstrip('/')}"
        return f"The model {self.model_id!r} at {address} {_one_line(reason, client)}"


def _requests(texts: list[str]) -> Iterator[list[str]]:
    """Split texts so that each request is within MAX_INPUTS and MAX_TOKENS."""
    request: list[str] = []
    total = 0
    for text in texts:
        # Without a tokenizer: a token is at least one byte of the text, so there are no more
        # tokens than bytes. A text above the limit goes alone, for the server to judge.
        tokens = len(text.encode())
        if request and (total + tokens > MAX_TOKENS or len(request) == MAX_INPUTS):
            yield request
            request, total = [], 0
        request.append(text)
        total += tokens
    if request:
        yield request


def _client(key: str) -> "openai.OpenAI":
    """Return the one client for a key and the server of OPENAI_BASE_URL: it keeps connections."""
    import openai

    # Always given: for an empty variable the client would take the empty address.
    base_url = os.environ.get(BASE_URL_VARIABLE) or OPENAI_URL
    if not base_url.startswith(("http://", "https://")):
        raise ModelError(f"{BASE_URL_VARIABLE} holds no usable address: it must begin with http://")
    use = key, base_url, os.getpid()
    with _lock.held():
        if use not in _clients:
            try:
                address, headers = _login_apart(base_url)
                _clients[use] = openai.OpenAI(
                    api_key=key,
                    base_url=address,
                    default_headers=headers,
                    max_retries=0,  # of its own: ours hold up the other threads too
                )
            except Exception as ex:
                reason = "" if "@" in base_url else f": {ex}"  # which may repeat the password
                raise ModelError(f"{BASE_URL_VARIABLE} holds no usable address{reason}") from None
        return _clients[use]


def _login_apart(address: str) -> tuple[str, dict[str, str]]:
    """Return http://host/ and a header, for http://user:password@host/: addresses are logged."""
    parts = urllib.parse.urlsplit(address)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, {}
    user, _, password = map(urllib.parse.unquote, login.partition(":"))
    header = base64.b64encode(f"{user}:{password}".encode()).decode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {header}"}


def _decode(embedding: str | list[float]) -> list[float]:
    """Return a vector in base64, or the numbers of a server that ignores `encoding_format`."""
    if isinstance(embedding, str):
        return list(vectors.decode(base64.b64decode(embedding, validate=True)))
    return embedding


def _is_temporary(error: "openai.APIStatusError") -> bool:
    """Return whether the same request may succeed later."""
    if error.code in UNPAID:
        return False
    # OpenAI's servers say it, and their client obeys.
    said = error.response.headers.get("x-should-retry")
    if said in ("true", "false"):
        return bool(said == "true")
    return error.status_code in TEMPORARY or error.status_code >= 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait; None for nonsense, and for no time at all."""
    text = headers.get("retry-after", "")
    delays = [_number(headers.get("retry-after-ms", "")) / 1000, _number(text), _until_date(text)]
    return next((delay for delay in delays if 0 < delay < math.inf), None)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _until_date(text: str) -> float:
    """Return the seconds until a date as HTTP has it."""
    try:
        date = email.utils.parsedate_tz(text)
        return email.utils.mktime_tz(date) - time.time() if date else math.nan
    except (ValueError, OverflowError):
        return math.nan


def _message(error: "openai.APIStatusError") -> str:
    """Return what the server says: `{"error": {"message": TEXT}}`, or in another form."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else body
    if isinstance(message, str):
        return message
    return error.response.text or error.response.reason_phrase


def _one_line(message: str, client: "openai.OpenAI") -> str:
    """Return a foreign message on one line, cut, and without the key, which servers repeat."""
    hidden = re.sub(rf"(?<!\w){re.escape(client.api_key)}(?!\w)", "***", message)
    return " ".join(hidden.split())[:MAX_MESSAGE]
