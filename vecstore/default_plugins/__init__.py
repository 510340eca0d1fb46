"""The embedding models that vecstore brings, registered through the hooks of any plugin."""
