"""Reading a pickle of arrays as data: its opcodes are parsed, and nothing in it is called.

A pickle is a program that can make any object with any state; allowing only some callables does not
restrict that state. Here `pickletools` parses the opcodes, and only this module builds what they
describe (dictionaries, lists, text, numbers, arrays): an array is made from bytes of the file after
its type and shape were checked.

Source of the opcodes: CPython's Lib/pickletools.py; of the arrays' state: NumPy's
`ndarray.__reduce__` and `numpy._core.numeric._frombuffer`.
"""

import codecs
import io
import math
import pickletools
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError

_MOST_OPCODES = 1_000_000  # a zoo file has some ten thousand
_MOST_AXES = 8
_OPCODES = {one.code: one for one in pickletools.opcodes}
_DEEPEST = 20
_NUMBER = re.compile(r"[<>|=]?(?:[iu][1248]|f[248]|b1)")
# What NumPy's pickles name, by what it stands for.
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "empty array",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy.core.numeric", "_frombuffer"): "array of buffer",
    ("numpy", "ndarray"): "array",
    ("numpy", "dtype"): "kind",
    ("collections", "OrderedDict"): "dictionary",
    ("_codecs", "encode"): "bytes",
    ("__builtin__", "bytes"): "no bytes",
}


def read_arrays(path: Path) -> dict[Any, Any]:
    """Return the dictionary in a pickle of arrays: text, numbers, lists, tuples and arrays.

    Arrays have booleans, integers or floats. Raises `InputError` for a file that is not a complete
    pickle of a dictionary, or that describes anything else.
    """
    try:
        content = _Plain().of(_Parser(path.read_bytes()).parse())
    except _RefusedError as error:
        raise InputError(f"{path}: refused: {error}") from error
    except (ValueError, TypeError, LookupError, OverflowError, struct.error, OSError) as error:
        raise InputError(f"{path}: not a readable weights file; download it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: contains no model weights")
    return content


class _RefusedError(Exception):
    """A pickle asks for something that no array needs."""


@dataclass(frozen=True)
class _Name:
    """A name from a module, which is never looked up."""

    meaning: str


@dataclass
class _Kind:
    """A kind of number; its byte order follows in a state."""

    code: str


@dataclass
class _Array:
    """An array whose content follows in a state."""

    values: NDArray[Any] | None = None
    copied: bool = False


@dataclass
class _Parser:
    """The stack and the memo of the pickle machine, for plain values only."""

    content: bytes
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    left: int = 0  # bytes of arrays that the file can still hold

    def parse(self) -> Any:
        """Return the value of the pickle, with arrays as placeholders."""
        self.left = len(self.content)
        for count, (name, argument) in enumerate(_opcodes(io.BytesIO(self.content))):
            if count > _MOST_OPCODES:
                raise _RefusedError(f"it has more than {_MOST_OPCODES} steps")
            if name == "STOP":
                return self.stack.pop()
            if name in _VALUES:
                self.stack.append(argument)
            elif name in _STEPS:
                _STEPS[name](self, argument)
            else:
                raise _RefusedError(f"its step {name} is one that no array needs")
        raise ValueError("the pickle is cut short")

    def since_mark(self) -> list[Any]:
        """Pop the values since the last mark from the stack."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        """Pop the last values from the stack."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def remember(self, place: int | None) -> None:
        """Keep the last value for later."""
        self.memo[len(self.memo) if place is None else place] = self.stack[-1]

    def fill(self, entries: Sequence[Any]) -> None:
        """Put alternating keys and values into the dictionary on the stack."""
        target = self.stack[-1]
        if type(target) is not dict or len(entries) % 2:
            raise _RefusedError("it fills something that is no dictionary")
        for key, value in zip(entries[::2], entries[1::2], strict=True):
            if not isinstance(key, str | int):
                raise _RefusedError(f"a key is of type {type(key).__name__}")
            target[key] = value

    def extend(self, entries: Sequence[Any]) -> None:
        """Put values into the list on the stack."""
        if type(self.stack[-1]) is not list:
            raise _RefusedError("it extends something that is no list")
        self.stack[-1].extend(entries)

    def name(self, module: Any, name: Any) -> None:
        """Push a name, if it is one that arrays need."""
        known = str(module).replace("numpy._core", "numpy.core"), str(name)
        if known not in _NAMES:
            wanted = f"{module}.{name}"[:80]
            raise _RefusedError(f"it wants to run {wanted!r}, which no array needs")
        self.stack.append(_Name(_NAMES[known]))

    def reduce(self) -> None:
        """Push the result of calling a name with its arguments."""
        name, arguments = self.last(2)
        if not isinstance(name, _Name) or type(arguments) is not tuple:
            raise _RefusedError("it calls something that has no name")
        self.stack.append(self.made(name.meaning, arguments))

    def made(self, meaning: str, arguments: tuple[Any, ...]) -> Any:
        """Return the result of a name with plain arguments."""
        match meaning, arguments:
            case "empty array", (_Name("array"), (0,), _):
                return _Array()
            case "kind", (str(code), *_) if _NUMBER.fullmatch(code):
                return _Kind(code)
            case "kind", (code, *_):
                raise _RefusedError(f"an array holds {str(code)[:20]!r} values, not numbers")
            case "scalar", (_Kind() as kind, bytes() | str() as data):
                return self.array(kind, (), data).reshape(())[()]
            case "array of buffer", (bytes() | bytearray() as data, _Kind() as kind, shape, order):
                return _Array(self.array(kind, shape, data, order == "F"))
            case "bytes", (str(text), "latin1" | "latin-1"):
                return text.encode("latin1")
            case "no bytes", ():
                return b""
            case "dictionary", ():
                return {}
        raise _RefusedError(f"it wants a {meaning} made of what makes none")

    def build(self) -> None:
        """Set the content of an array, or the byte order of a number type."""
        target, state = self.last(2)
        self.stack.append(target)
        match target, state:
            case _Array(None), (int(), tuple() as shape, _Kind() as kind, columns_first, data):
                target.values = self.array(kind, shape, data, bool(columns_first))
            case _Kind(), (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                target.code = order + target.code.lstrip("<>|=")
            case _:
                raise _RefusedError("it sets the state of something that is no array of numbers")

    def array(
        self, kind: _Kind, shape: Any, data: Any, columns_first: bool = False
    ) -> NDArray[Any]:
        """Return an array made from bytes of the file."""
        content = data.encode("latin1") if isinstance(data, str) else data
        sides = isinstance(shape, tuple) and all(type(one) is int and one >= 0 for one in shape)
        if not sides or len(shape) > _MOST_AXES or not isinstance(content, bytes | bytearray):
            raise _RefusedError("an array has no shape, or no bytes")
        number = np.dtype(kind.code)
        if math.prod(shape) * number.itemsize != len(content):
            raise _RefusedError(f"an array of shape {shape} holds {len(content)} bytes")
        self.left -= len(content)
        if self.left < 0:
            raise _RefusedError("its arrays are larger than the file")
        values = np.frombuffer(content, number) if content else np.empty(0, number)
        return values.reshape(shape, order="F" if columns_first else "C")


@dataclass
class _Plain:
    """Replaces placeholders by arrays, each copied once."""

    steps: int = 0
    depth: int = 0

    def of(self, value: Any) -> Any:
        """Return the value with writable arrays in the machine's byte order."""
        self.steps += 1
        if self.steps > _MOST_OPCODES or self.depth > _DEEPEST:
            raise _RefusedError("it is nested as weights are not")
        if isinstance(value, _Array):
            if value.values is None:
                raise _RefusedError("an array has no content")
            if not value.copied:
                value.values = np.array(value.values, value.values.dtype.newbyteorder("="))
                value.copied = True
            return value.values
        if isinstance(value, _Name | _Kind):
            raise _RefusedError("it holds names in the place of values")
        if not isinstance(value, dict | list | tuple):
            return value
        self.depth += 1
        if isinstance(value, dict):
            found: Any = {key: self.of(one) for key, one in value.items()}
        else:
            found = type(value)(map(self.of, value))
        self.depth -= 1
        return found


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[str, Any]]:
    """Yield the name and the argument of each opcode.

    Like `pickletools.genops`, which however reads text of Python 2 only as ASCII.
    """
    while code := stream.read(1):
        opcode = _OPCODES.get(code.decode("latin1"))
        if opcode is None:
            raise ValueError(f"{code!r} is no opcode")
        if opcode.name == "STRING":
            line = stream.readline().strip()
            if len(line) < 2 or line[:1] not in b"'\"" or line[:1] != line[-1:]:
                raise ValueError("a text has no quotes")
            yield opcode.name, codecs.escape_decode(line[1:-1])[0].decode("latin1")
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(stream)


_Step = Callable[[_Parser, Any], None]


def _collected(kind: Callable[[list[Any]], Any]) -> _Step:
    return lambda machine, _: machine.stack.append(kind(machine.since_mark()))


def _few(count: int) -> _Step:
    return lambda machine, _: machine.stack.append(tuple(machine.last(count)))


def _constant(make: Callable[[], Any]) -> _Step:
    return lambda machine, _: machine.stack.append(make())


def _dictionary(machine: _Parser, _: Any) -> None:
    entries = machine.since_mark()
    machine.stack.append({})
    machine.fill(entries)


_VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_STEPS: dict[str, _Step] = {
    "PROTO": lambda _machine, _: None,
    "FRAME": lambda _machine, _: None,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "TUPLE": _collected(tuple),
    "TUPLE1": _few(1),
    "TUPLE2": _few(2),
    "TUPLE3": _few(3),
    "LIST": _collected(list),
    "DICT": _dictionary,
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.fill(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.fill(machine.since_mark()),
    "PUT": lambda machine, place: machine.remember(place),
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "GET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "GLOBAL": lambda machine, name: machine.name(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
