"""The benchmark: vecstore beside other ways to store and search embeddings. See scripts/bench."""
