"""How good the answers of a search are: questions whose answers are known, from real texts."""
