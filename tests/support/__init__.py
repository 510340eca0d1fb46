"""What several tests need: each module says what it is for. ROOT is the folder of the clone."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
