"""Hands a target to atheris: python -m fuzzing.run TARGET LIBFUZZER-ARGUMENT..."""

import sys

import atheris

with atheris.instrument_imports(include=["vecstore", "fuzzing.targets"]):
    from fuzzing.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
