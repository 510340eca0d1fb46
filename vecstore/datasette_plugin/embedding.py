"""The vector of what somebody searches for: who may ask for one, and those that are kept."""

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from datasette.utils import actor_matches_allow

from .. import models
from ..errors import InputTypeError, InvalidInputError, ModelError, RejectedInputError
from ..models import modes, retries
from ..vectors import encode_vector

if TYPE_CHECKING:  # plugins are imported in the midst of it
    from datasette.app import Datasette

# Seconds. A visitor does not wait as long as a load does for a provider that is busy.
RETRY_FOR = 10.0
ANSWER_WITHIN = 30.0
_KEPT = 1000

_threads = ThreadPoolExecutor(4, thread_name_prefix="vecstore-embed")
_lock = threading.Lock()
_vectors: OrderedDict[tuple[str, str, str | None], "Future[bytes]"] = OrderedDict()


class EmbeddingFailed(Exception):
    """No vector: why, and the HTTP status that says whose fault it is."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


async def is_allowed(
    datasette: "Datasette", database: str, actor: dict[str, Any] | None, model_id: str
) -> bool:
    """Return whether this actor may have a text embedded, which can cost money.

    `allow_embed` of the plugin is true or false, or an "allow" block. Without it, only a model may
    be asked that says that it runs on this machine.
    """
    config = datasette.plugin_config("vecstore", database=database)
    if not isinstance(config, dict) or "allow_embed" not in config:
        # Datasette does not fall back where the database has other settings.
        config = datasette.plugin_config("vecstore")
    if not isinstance(config, dict) or "allow_embed" not in config:
        # Plugins may have to be imported.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_threads, _runs_locally, model_id)
    allow = config["allow_embed"]
    if not isinstance(allow, bool | dict):
        return False
    return bool(actor_matches_allow(actor, allow))


def _runs_locally(model_id: str) -> bool:
    try:
        return models.runs_locally(model_id)
    except Exception:  # of someone else's plugin: nothing is known of the model
        return False


async def embed(model_id: str, text: str, prefix: str | None) -> bytes:
    """Return the vector of a query, as float32 bytes, without blocking other requests.

    The last thousand are kept, and one that is being asked for is not asked for again.

    :param prefix: the collection's own; None for that of the model
    :raises EmbeddingFailed: the model is not installed, its provider fails or refuses the text, or
      takes too long; it may still answer, and the next request finds what it said
    """
    waiting = asyncio.wrap_future(_future(model_id, text, prefix))
    waiting.add_done_callback(_look_at_error)
    try:
        return await asyncio.wait_for(asyncio.shield(waiting), ANSWER_WITHIN)
    except asyncio.TimeoutError:
        raise EmbeddingFailed(
            f"The model {model_id!r} has not answered for {ANSWER_WITHIN:.0f} seconds: try again",
            504,
        ) from None
    except (RejectedInputError, InvalidInputError) as error:
        raise EmbeddingFailed(str(error), 400) from error
    except Exception as error:
        raise EmbeddingFailed(str(error) or type(error).__name__, 502) from error


def _future(model_id: str, text: str, prefix: str | None) -> "Future[bytes]":
    key = (model_id, text, prefix)
    with _lock:
        future = _vectors.get(key)
        if future is None or (future.done() and future.exception() is not None):
            future = _vectors[key] = _threads.submit(_embed, *key)
        _vectors.move_to_end(key)
        while len(_vectors) > _KEPT:
            _vectors.popitem(last=False)
    return future


def _embed(model_id: str, text: str, prefix: str | None) -> bytes:
    enough = threading.Event()
    timer = threading.Timer(RETRY_FOR, enough.set)
    timer.daemon = True
    timer.start()
    try:
        with retries.stop_waiting_on(enough):
            model = models.get_embedding_model(model_id)
            vector = modes.embed_query(model, text, prefix)
        return encode_vector(vector, f"What the model {model_id!r} returned")
    except (RejectedInputError, InputTypeError):
        raise
    except InvalidInputError as error:  # of the vector
        raise ModelError(str(error)) from error
    except SystemExit as error:
        raise ModelError(f"The model {model_id!r} asked to exit") from error
    finally:
        timer.cancel()


def _look_at_error(future: "asyncio.Future[bytes]") -> None:
    """Mark an error as seen, or asyncio logs it where the visitor did not wait for it."""
    if not future.cancelled():
        future.exception()
