"""The fuzzer: what its targets are, and how they are run for a while."""
