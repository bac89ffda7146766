"""Pickles read as data: a fixed list of instructions and of names, and nothing in them is ever executed.

Two fences. First the instructions are listed without carrying any out: only those that plain containers of tensors
need are allowed, memo numbers and lengths are bounded (an unpickler allocates what such a number says), and tuples too
(a key is hashed whole). Then an unpickler runs whose lookup of names knows a few stand-ins of ours and refuses every
other name.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.layouts import refuse

INSTRUCTIONS_MAX = 2_000_000
PICKLE_BYTES_MAX = 32 * 1024 * 1024
TUPLE_MAX = 1000

_REFUSED = frozenset({"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"})
# Lines of text behind an instruction in which pickletools decodes escapes; the unpickler does so only for the first.
_LINES = {pickle.STRING: 1, pickle.PERSID: 1, pickle.GLOBAL: 2, pickle.INST: 2}
_MEMO = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_TUPLES = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})
_RECALLED = frozenset({"GET", "BINGET", "LONG_BINGET"})
# These leave on the stack what lay there before; every other instruction leaves something new.
_KEPT = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD", "DUP", "MEMOIZE"})
_ERRORS: tuple[type[Exception], ...] = (
    *(pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError),
    *(KeyError, OverflowError, MemoryError, RecursionError),
)


def load(
    content: bytes,
    start: int,
    names: Mapping[tuple[str, str], object],
    persistent: Callable[[Any], object] | None = None,
) -> tuple[Any, int]:
    """One pickle at `start`, and where it ends.

    Args:
        content: bytes that hold the pickle.
        start: its first byte.
        names: (module, name) to the stand-in that the pickle gets for it; every other name is refused.
        persistent: gives the object for a persistent id; without it those are refused.

    Raises:
        BackendError: MODEL_LOAD for damaged pickles and for every name and instruction that is not allowed.
    """
    end = _scan(content, start)
    reader = _Reader(content[start:end], names, persistent)
    try:
        return reader.load(), end
    except _ERRORS as error:
        raise damaged(f"{type(error).__name__}: {str(error)[:120]}") from error


def damaged(detail: str) -> BackendError:
    """The error of a torch file whose content does not fit together."""
    return refuse("This .pth file is incomplete or damaged; download it again.", detail)


def _scan(content: bytes, start: int) -> int:
    """Where the pickle ends; raises when it holds more than data."""
    stream = io.BytesIO(content[start : start + PICKLE_BYTES_MAX])
    count, named, tuples = 0, "", _Tuples()
    try:
        _refuse_escapes(content, start)
        for instruction, argument, _ in pickletools.genops(stream):
            count += 1
            if count > INSTRUCTIONS_MAX:
                raise damaged("too many instructions")
            if instruction.name in _REFUSED:
                raise _suspicious(named or instruction.name)
            if instruction.name == "GLOBAL":
                named = str(argument).replace(" ", ".")
            if instruction.name in _MEMO and int(argument or 0) > count:
                raise damaged("memo number")
            tuples.follow(instruction, argument)
            if instruction.name != "STOP":
                _refuse_escapes(content, start + stream.tell())
    except _ERRORS as error:
        raise damaged(f"{type(error).__name__}: {str(error)[:120]}") from error
    return start + stream.tell()


def _refuse_escapes(content: bytes, place: int) -> None:
    """Raise when the next instruction's text holds a backslash: decoding it can warn, and torch never writes one."""
    end = place
    for _ in range(_LINES.get(content[place : place + 1], 0)):
        found = content.find(b"\n", end + 1)
        end = found if found >= 0 else len(content)
    if content.find(b"\\", place, end) >= 0:
        raise damaged("escape")


class _Tuples:
    """How many objects lie in each tuple on an unpickler's stack, shared ones counted as often as they are met.

    A tuple that is a key is hashed, which visits all of that: thirty steps of two bytes can make 2^30 visits, and a
    million tuples in each other take the whole stack of calls.
    """

    def __init__(self) -> None:
        self._stack: list[int | None] = []  # None is a mark
        self._memo: dict[int, int] = {}

    def follow(self, instruction: pickletools.OpcodeInfo, argument: Any) -> None:
        """Carry out what an instruction does to the stack; BackendError when it makes a tuple that is too large."""
        name, taken = instruction.name, self._take(instruction)
        size = 1
        if name in _TUPLES:
            size = 1 + sum(taken)
        elif name in _KEPT:
            size = taken[-1]
        elif name in _RECALLED:
            size = self._memo[int(argument)]
        if size > TUPLE_MAX:
            raise damaged("tuples in tuples")
        self._stack += [None if kind is pickletools.markobject else size for kind in instruction.stack_after]
        if name in _MEMO or name == "MEMOIZE":
            self._memo[len(self._memo) if argument is None else int(argument)] = self._top()

    def _take(self, instruction: pickletools.OpcodeInfo) -> list[int]:
        """Sizes of what an instruction takes, the uppermost first."""
        before, taken = instruction.stack_before, []
        if pickletools.markobject in before:
            while (size := self._stack.pop()) is not None:
                taken.append(size)
            before = before[: before.index(pickletools.markobject)]
        elif instruction.name == "POP" and self._stack[-1] is None:
            self._stack[-1] = 0
        for _ in before:
            taken.append(self._top())
            self._stack.pop()
        return taken

    def _top(self) -> int:
        size = self._stack[-1]
        if size is None:
            raise damaged("mark")
        return size


def _suspicious(what: str) -> BackendError:
    return refuse(
        f"This file is a program, not only weights: reading it would use '{what[:80]}', which was refused; "
        "get the model as .safetensors or from its authors.",
        what,
    )


class _Ordered(OrderedDict[Any, Any]):
    """What a pickle gets as OrderedDict: its attributes (torch's `_metadata`) are dropped.

    They could hide its methods, and one large state could be copied into each of many mappings.
    """

    def __setstate__(self, state: object) -> None:
        pass


class _MakeOrdered:
    """Stand-in for OrderedDict itself; its mappings are given no more items, all together, than `left`."""

    __slots__ = ("_left",)

    def __init__(self, left: int) -> None:
        self._left = left

    def __call__(self, items: object = ()) -> _Ordered:
        if not isinstance(items, (list, tuple)):
            raise damaged("mapping")
        self._left -= len(items)
        if self._left < 0:
            raise damaged("mappings larger than the pickle")
        return _Ordered(items)

    def __setstate__(self, state: object) -> None:
        raise damaged("name with attributes")


class _Reader(pickle.Unpickler):
    """An unpickler that finds only the names given to it."""

    def __init__(
        self,
        content: bytes,
        names: Mapping[tuple[str, str], object],
        persistent: Callable[[Any], object] | None,
    ) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._ordered = _MakeOrdered(len(content))
        self._names = names
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name, or a refusal."""
        if (module, name) == ("collections", "OrderedDict"):
            return self._ordered
        if (module, name) in self._names:
            return self._names[module, name]
        root = module.partition(".")[0]
        if root == "numpy" or root == "paddle":
            raise refuse(
                "This file is a NumPy or PaddlePaddle pickle (.pdparams), which is not read for safety; "
                "get the model as .pth or .safetensors.",
                f"{module}.{name}",
            )
        raise _suspicious(f"{module}.{name}")

    def persistent_load(self, identity: Any) -> Any:
        """A storage, by the function given."""
        if self._persistent is None:
            raise damaged("persistent id")
        return self._persistent(identity)
