"""The only importer of PyTorch: the module itself, its devices and their memory, and its errors in our words.

PyTorch is an optional extra, for devices that Paddle does not serve. Nothing imports this module unless the engine
`torch` was chosen or nothing else can run.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bsrgan_backend.engine import host
from bsrgan_backend.engine.arithmetic import DeviceLost
from bsrgan_backend.errors import BackendError

_SHORT = re.compile(
    # CUDA and ROCm, cuDNN and cuBLAS, Metal, Level Zero, the processor's allocator, C++ itself.
    r"out of memory|ALLOC_FAILED|OUT_OF_(HOST_|DEVICE_)?(MEMORY|RESOURCES)|Invalid buffer size|can't allocate memory|"
    r"not enough memory|bad_alloc|alloc(ate)? memory|insufficient memory|DefaultCPUAllocator",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"illegal (memory access|instruction)|misaligned address|device-side assert|unspecified launch failure|"
    r"no kernel image|ECC error|device.{0,20}(lost|unavailable|removed)|driver shutting down|launch timed out|"
    r"GPU has fallen off|DEVICE_LOST",
    re.IGNORECASE,
)


def _import() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("torch")
        except (ImportError, OSError) as error:
            text = "PyTorch is not installed; install the extra 'torch' or set engine to 'paddle'."
            raise BackendError("INTERNAL", text, f"{error}") from error


torch: Any = _import()
"""The module `torch`."""


@dataclass(frozen=True)
class TorchDevice:
    """A device as PyTorch names it.

    Attributes:
        kind: `cuda` (NVIDIA, and AMD through ROCm), `xpu` (Intel), `mps` (Apple) or `cpu`.
        index: which one of its kind.
        name: as its maker calls it.
        capability: NVIDIA's (major, minor); (0, 0) for all others.
    """

    kind: str
    index: int
    name: str
    capability: tuple[int, int] = (0, 0)

    @property
    def label(self) -> str:
        """As this project names it: `cpu` or `gpu:N`."""
        return "cpu" if self.kind == "cpu" else f"gpu:{self.index}"

    @property
    def torch_name(self) -> str:
        """As PyTorch names it."""
        return self.kind if self.kind in ("cpu", "mps") else f"{self.kind}:{self.index}"


def cards() -> list[TorchDevice]:
    """Every device that is no processor, in the order of its kind's numbers; none where a driver fails."""
    found = []
    for kind in ("cuda", "xpu"):
        module = getattr(torch, kind, None)
        with contextlib.suppress(RuntimeError, AttributeError, AssertionError):
            if module is not None and module.is_available():
                found += [_card(kind, index) for index in range(module.device_count())]
    with contextlib.suppress(RuntimeError, AttributeError):
        if not found and torch.backends.mps.is_available():
            found.append(TorchDevice("mps", 0, host.processor_name()))
    return [TorchDevice(card.kind, index, card.name, card.capability) for index, card in enumerate(found)]


def _card(kind: str, index: int) -> TorchDevice:
    module = getattr(torch, kind)
    is_nvidia = kind == "cuda" and getattr(torch.version, "hip", None) is None
    capability = tuple(module.get_device_capability(index)) if is_nvidia else (0, 0)
    return TorchDevice(kind, index, str(module.get_device_name(index)), (capability[0], capability[1]))


def find(device: str) -> TorchDevice:
    """The device that "auto", "cpu", "gpu" or "gpu:N" means.

    Raises:
        BackendError: DEVICE when there is no such one.
    """
    processor = TorchDevice("cpu", 0, host.processor_name())
    if device == "cpu":
        return processor
    there = cards()
    if device == "auto":
        return there[0] if there else processor
    index = int(device.partition(":")[2] or 0)
    if index < len(there):
        return there[index]
    count = "no graphics card" if not there else f"{len(there)} graphics card(s), numbered from 0"
    raise BackendError("DEVICE", f"PyTorch finds {count} here; choose 'auto' or 'cpu'.", device)


def occupy(device: TorchDevice) -> None:
    """Make a card the process's own: streams, events and caches that name none are then this one's."""
    if device.kind in ("cuda", "xpu"):
        with errors():
            getattr(torch, device.kind).set_device(device.index)


def free_bytes(device: TorchDevice) -> int:
    """Memory of a device that this process can still take: the driver's figure and what PyTorch keeps unused."""
    if device.kind == "cpu":
        return host.available_memory_bytes()
    if device.kind == "mps":
        left = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(int(left), host.available_memory_bytes()))
    module = getattr(torch, device.kind)
    free, _total = module.mem_get_info(device.index)
    return int(free) + int(module.memory_reserved(device.index)) - int(module.memory_allocated(device.index))


def release(device: TorchDevice) -> None:
    """Give back what PyTorch's allocators keep unused, page-locked memory of the process included."""
    if device.kind == "cpu":
        return
    with contextlib.suppress(RuntimeError):
        getattr(torch, device.kind).empty_cache()
    # Without a public name so far, and absent from older releases.
    give_back = getattr(getattr(torch, "_C", None), "_host_emptyCache", None)
    if device.kind == "cuda" and give_back is not None:
        with contextlib.suppress(RuntimeError):
            give_back()


def finish(device: TorchDevice) -> None:
    """Wait for the device."""
    if device.kind != "cpu":
        getattr(torch, device.kind).synchronize()


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Let PyTorch's failures out as `engine` knows them: MemoryError, DeviceLost or BackendError."""
    try:
        yield
    except (RuntimeError, OSError, NotImplementedError) as error:
        failure = translated(error)
    else:
        return
    # Raised outside of the handler: a chained traceback would keep the tensors alive that found no room.
    raise failure


def translated(error: Exception) -> Exception:
    """An error of PyTorch in our words; the text decides, as each backend has its own class or none."""
    told = f"{error}".strip()
    first = next(iter(told.splitlines()), type(error).__name__)[:300]
    if isinstance(error, getattr(torch, "OutOfMemoryError", ())) or _SHORT.search(told):
        return MemoryError(first)
    if _LOST.search(told):
        text = "The graphics card stopped working; try again, or choose the device 'cpu'."
        return DeviceLost("DEVICE", text, first)
    return BackendError("INTERNAL", "The engine failed while it computed; see the daemon's log.", told[:2000])
