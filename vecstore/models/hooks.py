"""The hooks that add embedding models, and the manager that calls them.

A package adds models with an entry point in the group `vecstore` that names a module:

    [project.entry-points.vecstore]
    my-models = "my_package.my_module"

and, in that module, functions marked with `vecstore.hookimpl`. The models that vecstore brings
are registered through the same hooks.
"""

import importlib
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "vecstore"

# By name, not by import: these modules import ours, and this one is below them all. Pluggy calls
# the hooks of the last plugin first, so the models are listed in the reverse of this order.
DEFAULT_PLUGINS = (
    "vecstore.models.external",
    "vecstore.models.llm",
    "vecstore.models.local",
    "vecstore.models.openai",
)

hookspec = pluggy.HookspecMarker("vecstore")
hookimpl = pluggy.HookimplMarker("vecstore")


class PluginWarning(UserWarning):
    """An installed plugin could not be loaded; everything else works."""


class Hooks:
    """The hooks that a plugin can implement, as functions of its module."""

    @hookspec
    def register_embedding_models(self, register: Callable[..., None]) -> None:
        """Call `register(model, aliases=("short",))` for each `EmbeddingModel` to add.

        `aliases` is optional. Of two models with one id, that of the plugin registered last is
        used, so a plugin can replace a model that vecstore brings. Called at every look-up of a
        model, so import what is slow where a model embeds.
        """

    @hookspec(firstresult=True)
    def resolve_embedding_model(self, name: str) -> object | None:
        """Return the `EmbeddingModel` called `name`, or None if it is none of this plugin's.

        For a family of names that cannot be listed, such as `openai/NAME`. Asked only for names
        that nothing was registered under.
        """


pm = pluggy.PluginManager("vecstore")
pm.add_hookspecs(Hooks)

_lock = threading.RLock()
_loaded = False


def load_plugins() -> None:
    """Register the models that vecstore brings and every installed plugin, once a process.

    A plugin that cannot be loaded is a `PluginWarning`, not an error: a collection whose model
    comes from elsewhere must not depend on it.
    """
    from importlib import metadata  # takes a while, and not every search needs a model

    global _loaded
    with _lock:
        if _loaded:
            return
        # Before the work, so that a plugin that asks for a model while it is imported does not
        # start over; other threads wait at the lock.
        _loaded = True
        for name in DEFAULT_PLUGINS:
            pm.register(importlib.import_module(name), name)
        for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
            _load(entry_point)


def _load(entry_point: "EntryPoint") -> None:
    # Its module, and not its name, which another distribution may have chosen too.
    name = entry_point.value
    if pm.has_plugin(name):
        return
    try:
        pm.register(entry_point.load(), name)
    except Exception as ex:
        if pm.has_plugin(name):
            # Pluggy keeps a plugin whose hooks it then finds to have wrong arguments.
            pm.unregister(name=name)
        distribution = entry_point.dist.name if entry_point.dist else "an unknown distribution"
        warnings.warn(
            f"The vecstore plugin {entry_point.name!r} of {distribution} could not be loaded and"
            f" is left out: {type(ex).__name__}: {ex}",
            PluginWarning,
            stacklevel=2,
        )
