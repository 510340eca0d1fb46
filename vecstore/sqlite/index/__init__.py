"""The vector index of one dimension: its tables and triggers, and how they are made."""
