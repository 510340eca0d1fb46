"""Metadata as the JSON that is stored: what SQLite's JSON functions read as Python does."""

import decimal
import json
import math
import re
from contextlib import suppress
from typing import Any

from . import values
from .errors import InvalidInputError
from .values import INTEGERS_END

Metadata = dict[str, Any]

_DEEPEST = 1000  # arrays and objects in each other: to SQLite's functions, more is no JSON
_SURROGATE = "\\ud"  # as JSON has it: half of a character beyond 16 bits, or a half alone
_TEXT = {str}
_CONTAINERS = (dict, list, tuple)


def to_json(metadata: Metadata) -> str:
    """Return metadata as JSON. What stands for a plain value, at any depth, is made one.

    :raises InvalidInputError: names the key whose value, or name, is not JSON; who catches this
      says first whose metadata it is
    """
    try:
        text = _encode(metadata)
        if _is_agreed_on(metadata) and _SURROGATE not in text:
            return text
    except (TypeError, ValueError, RecursionError):
        pass  # who is at fault is found by a closer look, which takes longer
    try:
        return _encode(_converted(metadata, "", 1))
    except _Refused as error:
        raise InvalidInputError(f"cannot be JSON: {error}") from None
    except RecursionError:
        raise InvalidInputError(f"cannot be JSON: {_TOO_DEEP}") from None


def changes_stored(metadata: str | None, stored: str | None) -> bool:
    """Return whether to write metadata would change what is stored, both as JSON.

    :param metadata: "" removes what is stored, and None leaves it
    """
    if metadata is None or metadata == (stored or ""):
        return False
    try:
        return _canonical(metadata) != _canonical(stored)
    except ValueError:  # another program wrote what is no JSON
        return True


def _canonical(metadata: str | None) -> str:
    """Return JSON in the one form that equal metadata has: in Python, 1 equals true and 1.0.

    But -0.0 is 0.0, as jsonb gives it back.
    """
    value = json.loads(metadata or "null", parse_float=lambda number: float(number) + 0.0)
    return json.dumps(value, sort_keys=True)


def jsonb_text(metadata: str) -> str:
    """Return stored metadata as the text that PostgreSQL's jsonb has of it.

    Of two that are equal it is the same, and no digit is lost: each key once, the last of its kind,
    shorter ones first; numbers in full, without an exponent, and one that had it with a fraction:
    jsonb would give 1e+16 back as an integer.

    :raises InvalidInputError: says what keeps jsonb from holding it
    """
    try:
        return _jsonb_text(_read_jsonb(metadata))
    except RecursionError:
        raise InvalidInputError("is nested too deep") from None
    except _Refused as error:
        raise InvalidInputError(str(error)) from None
    except decimal.InvalidOperation:
        raise InvalidInputError("has a number whose exponent is too large") from None
    except ValueError as error:
        raise InvalidInputError(f"is no JSON ({error})") from error


def to_jsonb(metadata: str | None) -> str | None:
    """Return metadata as it is sent to a column of jsonb, which is to give back what it is of."""
    has_exponent = metadata is not None and _EXPONENT.search(metadata)
    return jsonb_text(metadata) if metadata is not None and has_exponent else metadata


def _jsonb_text(value: Any) -> str:
    if isinstance(value, str):
        return _jsonb_string(value)
    if isinstance(value, dict):
        keys = sorted(value, key=_jsonb_order)
        members = [f"{_jsonb_string(key)}: {_jsonb_text(value[key])}" for key in keys]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join([_jsonb_text(element) for element in value])}]"
    if value is None or value is True or value is False:
        return _CONSTANTS[value]
    return str(value) if isinstance(value, int) else _jsonb_number(value)


def _jsonb_order(key: str) -> tuple[int, bytes]:
    if key.isascii():
        return len(key), key.encode()
    data = key.encode(errors="surrogatepass")  # one alone is refused afterwards
    return len(data), data


def _jsonb_string(text: str) -> str:
    if "\0" in text:
        raise _Refused("has a NUL character, which PostgreSQL's jsonb cannot hold")
    if not text.isascii() and values.surrogate_position(text) is not None:
        raise _Refused("has a lone surrogate, which PostgreSQL's jsonb cannot hold")
    return _to_json_string(text)


def _jsonb_number(number: decimal.Decimal) -> str:
    return f"{number if number else abs(number):f}"  # there is no -0


def _integer(digits: str) -> int | decimal.Decimal:
    return int(digits) if len(digits) < _SHORT else _number(digits)


def _number(text: str) -> decimal.Decimal:
    number = decimal.Decimal(text)
    exponent = number.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    if (number and number.adjusted() >= _JSONB_DIGITS) or places > _JSONB_PLACES:
        raise _Refused("has a number of more digits than PostgreSQL's jsonb can hold")
    return number


def _fraction(text: str) -> decimal.Decimal:
    number = _number(text)
    exponent = number.as_tuple().exponent
    is_whole = isinstance(exponent, int) and exponent >= 0
    return decimal.Decimal(f"{number:f}.0") if is_whole else number


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) < len(members):
        for _, member in members:
            _jsonb_text(member)  # jsonb refuses also what another takes the place of
    return value


def _refuse_constant(text: str) -> None:
    raise _Refused(f"has {text}, which is no JSON")


_read_jsonb = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_refuse_constant,
).decode
_to_json_string = json.encoder.encode_basestring
_EXPONENT = re.compile(r"\d[eE](?:\+?\d|-0+(?!\d))")
_CONSTANTS = {None: "null", True: "true", False: "false"}
_SHORT = 100  # digits, of an integer that Python makes text of in no time
_JSONB_DIGITS, _JSONB_PLACES = 131_072, 16_383  # before and after the point, of `numeric`

_TOO_DEEP = f"it is nested more than {_DEEPEST} deep, or holds itself"


class _Refused(Exception):
    pass


def _scalar(value: Any) -> Any:
    plain = values.to_plain(value)
    if plain is value or isinstance(plain, bytes) or values.problem_of(plain):
        raise TypeError
    return plain


_encode = json.JSONEncoder(allow_nan=False, default=_scalar).encode


def _is_agreed_on(metadata: Metadata) -> bool:
    """Return whether JSON that could be made of metadata is the same to SQLite.

    json makes text of keys that are none, of which two may be alike, and integers of any size.
    """
    level: list[Any] = [metadata]
    for _ in range(_DEEPEST):
        deeper: list[Any] = []
        for container in level:
            is_dict = isinstance(container, dict)
            if is_dict and not _TEXT.issuperset(map(type, container)):
                return False
            for member in container.values() if is_dict else container:
                if isinstance(member, int):
                    if not -INTEGERS_END <= member < INTEGERS_END:
                        return False
                elif isinstance(member, _CONTAINERS):
                    deeper.append(member)
        if not deeper:
            return True
        level = deeper
    return False


def _converted(value: Any, path: str, depth: int) -> Any:
    """Return a value as what json makes JSON of; `path` leads to it."""
    if isinstance(value, _CONTAINERS):
        if depth > _DEEPEST:
            raise _Refused(_TOO_DEEP)
        if isinstance(value, dict):
            return _converted_dict(value, path, depth)
        return [_converted(v, f"{path}[{n}]", depth + 1) for n, v in enumerate(value)]
    plain = values.to_plain(value)
    is_infinite = isinstance(plain, float) and math.isinf(plain)
    if isinstance(plain, bytes) or not isinstance(plain, str | int | float | None):
        problem: str | None = f"is of type {type(value).__name__}: pass {values.remedy(value)}"
    elif is_infinite:
        problem = f"is {plain}, which JSON does not have: pass None or str(value)"
    else:
        problem = values.problem_of(plain) or _problem_of_text(plain)
    if problem:
        raise _Refused(f"the key {values.quote(path)} {problem}")
    return plain


def _problem_of_text(plain: Any) -> str | None:
    # JSON can escape it, and SQLite's functions then make text of it that nobody can decode.
    if isinstance(plain, str) and values.surrogate_position(plain) is not None:
        return "has a lone surrogate: pass value.encode(errors='replace').decode()"
    return None


def _converted_dict(value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    origin: dict[str, Any] = {}
    for key, member in value.items():
        text = _key_text(key, path)
        if text in converted:
            both = f"{values.quote(origin[text])} and {values.quote(key)}"
            raise _Refused(f"{both}{_inside(path)} would be the same key {values.quote(text)}")
        origin[text] = key
        converted[text] = _converted(member, f"{path}.{text}" if path else text, depth + 1)
    return converted


def _key_text(key: Any, path: str) -> str:
    """Return the text that json makes of a key."""
    plain = values.to_plain(key)
    if isinstance(plain, str):
        if problem := _problem_of_text(plain):
            raise _Refused(f"{values.quote(key)}{_inside(path)} {problem}")
        return plain
    is_number = isinstance(plain, int) or (isinstance(plain, float) and math.isfinite(plain))
    if plain is None or is_number:
        with suppress(ValueError):  # an integer of more digits than Python makes text of
            return json.dumps(plain)
    kind = type(key).__name__
    raise _Refused(f"{values.quote(key)}{_inside(path)}, of type {kind}, is no key: make it text")


def _inside(path: str) -> str:
    return f" in {values.quote(path)}" if path else ""
