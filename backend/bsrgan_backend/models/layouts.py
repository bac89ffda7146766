"""Tensors under the names that training code gave them, to canonical `Weights`.

Three layouts of the same network are in circulation:

========== ============================ ============ =========== ========= ==========
layout     dense convolution            trunk end    doublings   HR conv   last conv
========== ============================ ============ =========== ========= ==========
ESRGAN     model.1.sub.N.RDBR.convC.0   model.1.sub  model.3, 6… model.8   model.10
BSRGAN     RRDB_trunk.N.RDBR.convC      trunk_conv   upconv1…    HRconv    conv_last
Real-ESR.. body.N.rdbR.convC            conv_body    conv_up1…   conv_hr   conv_last
========== ============================ ============ =========== ========= ==========

The last one is canonical. Everything about the network is read from names and shapes; a file that does not hold
exactly one RRDBNet is refused with a sentence that says what it holds instead.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

FEATURES_MAX = 512
BLOCKS_MAX = 64
GROWTH_MAX = 256
DOUBLINGS_MAX = 5
SCALES = (1, 2, 4, 8)
NAME_MAX = 512

# Control characters, line separators, and halves of characters, which UTF-8 has not.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_WANTED = "choose the weights of an ESRGAN, BSRGAN, RealSR or Real-ESRGAN network"

# Words that training code wraps around the network; the first ones win where a file holds several.
_WRAPPERS: tuple[str, ...] = (
    *("params_ema", "ema", "g_ema", "G_ema", "generator_ema", "net_g_ema", "netG_ema", "model_ema", "params"),
    *("generator", "netG", "net_g", "gen", "G", "state_dict"),
    *("model_state_dict", "weights", "module", "_orig_mod", "model", "net", "network"),
)
_ANCHOR = re.compile(r"^((?:[A-Za-z_]+\.)*?)(conv_first\.weight|model\.0\.weight)$")

_RENAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^RRDB_trunk\.(\d+)\.RDB([123])\.conv([1-5])$"), r"body.\1.rdb\2.conv\3"),
    (re.compile(r"^model\.1\.sub\.(\d+)\.RDB([123])\.conv([1-5])\.0$"), r"body.\1.rdb\2.conv\3"),
    (re.compile(r"^trunk_conv$"), "conv_body"),
    (re.compile(r"^upconv(\d)$"), r"conv_up\1"),
    (re.compile(r"^HRconv$"), "conv_hr"),
    (re.compile(r"^model\.0$"), "conv_first"),
    (re.compile(r"^model\.1\.sub\.\d+$"), "conv_body"),
)
_OLD_TAIL = re.compile(r"^model\.(\d+)$")
_BLOCK = re.compile(r"^body\.(\d+)\.rdb[123]\.conv[1-5]\.weight$")
_DOUBLING = re.compile(r"^conv_up(\d)\.weight$")

# What other files are, by a name that only they have; the first match is told to the user.
_OTHERS: tuple[tuple[str, str], ...] = (
    (r"(^|\.)(RDB\d\.conv1x1|rdb\d\.conv1x1)\.", "an ESRGAN+ network (1x1 convolutions in its dense blocks)"),
    (r"^(.*\.)?optimizer(_|s|\.|$)|^(.*\.)?schedulers?(\.|$)", "a training state, not a network"),
    (r"(^|\.)model\.diffusion_model\.", "a Stable Diffusion model"),
    (r"(^|\.)lora_(up|down|te|unet)|\.lora_[AB]\.", "a LoRA adapter"),
    (r"(^|\.)stylegan_decoder\.|(^|\.)style_conv", "a face restoration network (GFPGAN)"),
    (r"(^|\.)weight_orig$|(^|\.)conv\d\.weight_u$|discriminator\.", "a discriminator"),
    (r"overlap_attn|conv_scale|\.cab\.", "a HAT network"),
    (r"relative_position_(index|bias_table)|residual_group\.blocks", "a SwinIR or another transformer network"),
    (r"\.attn\.|\.attns?\.\d|\.qkv\.|self_attn", "a transformer network"),
    (r"^(.*\.)?body\.\d+\.weight$", "a compact SRVGG network (realesr-general, realesr-animevideo)"),
    (r"^(.*\.)?head\.0\.weight$", "an EDSR or RCAN network"),
    (r"running_mean$", "a network with batch normalisation"),
)


def refuse(text: str, detail: str = "") -> BackendError:
    """The error of a file that is no usable model: code MODEL_LOAD, `text` is the user's sentence.

    Both may quote names of the file; what no terminal or log can show in them becomes a question mark.
    """
    return BackendError("MODEL_LOAD", _UNPRINTABLE.sub("?", text), _UNPRINTABLE.sub("?", detail))


def shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Canonical names and shapes of every tensor of an architecture, in network order.

    Returns:
        Name to shape: weights (out, in, 3, 3), biases (out,).
    """
    nf, gc = architecture.features, architecture.growth
    convs = {"conv_first": (nf, architecture.in_channels * architecture.unshuffle**2)}
    for block in range(architecture.blocks):
        for rdb in (1, 2, 3):
            for conv in (1, 2, 3, 4, 5):
                convs[f"body.{block}.rdb{rdb}.conv{conv}"] = (nf if conv == 5 else gc, nf + (conv - 1) * gc)
    convs["conv_body"] = (nf, nf)
    convs |= {f"conv_up{k + 1}": (nf, nf) for k in range(architecture.doublings)}
    convs["conv_hr"] = (nf, nf)
    convs["conv_last"] = (architecture.out_channels, nf)
    result: dict[str, tuple[int, ...]] = {}
    for name, (out, into) in convs.items():
        result[f"{name}.weight"] = (out, into, 3, 3)
        result[f"{name}.bias"] = (out,)
    return result


def digest(tensors: Mapping[str, npt.NDArray[np.float32]]) -> str:
    """SHA-256 (hex) over sorted names, shapes and little-endian float32 bytes; the same from whatever file."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        total.update(f"{name}\0{','.join(map(str, array.shape))}\0".encode())
        total.update(np.ascontiguousarray(array, dtype="<f4").data)
    return total.hexdigest()


def flatten(raw: Mapping[Any, object]) -> dict[str, object]:
    """Nested mappings as one with dotted names, leaves as they are; iterative, so depth costs no stack.

    Args:
        raw: names to leaves or further mappings; what stands under keys other than text is left out.

    Raises:
        BackendError: MODEL_LOAD when a dotted name is longer than `NAME_MAX`.
    """
    flat: dict[str, object] = {}
    pending: list[tuple[str, Mapping[Any, object]]] = [("", raw)]
    seen: set[int] = set()
    while pending:
        prefix, mapping = pending.pop()
        if id(mapping) in seen:  # a crafted file can hold a mapping that holds itself
            continue
        seen.add(id(mapping))
        for key, value in mapping.items():
            if not isinstance(key, str):  # the text of a crafted tuple or number has no end
                continue
            # A name is copied for each that lies below it, so a few long ones would take any amount of memory.
            if len(prefix) + len(key) > NAME_MAX:
                raise _foreign([f"{prefix}{key[:80]}"])
            if isinstance(value, Mapping):
                pending.append((f"{prefix}{key}.", value))
            else:
                flat[f"{prefix}{key}"] = value
    return flat


def weights_from(raw: Mapping[str, object]) -> Weights:
    """Canonical weights of the one RRDBNet that a file holds.

    Args:
        raw: names to arrays (any floating dtype), possibly nested and wrapped (`params_ema`, `module.` …).

    Returns:
        The weights, float32 and C-contiguous.

    Raises:
        BackendError: MODEL_LOAD when this is no RRDBNet, or tensors are missing, unexpected, of the wrong shape,
            not floating point or not finite.
    """
    arrays = _canonical(_unwrap(flatten(raw)))
    architecture = _architecture(arrays)
    wanted = shapes(architecture)
    _compare(arrays, wanted)
    tensors = {name: _float32(name, arrays[name]) for name in wanted}
    return Weights(architecture, tensors, digest(tensors))


def _unwrap(flat: Mapping[str, object]) -> dict[str, npt.NDArray[np.generic]]:
    """The tensors of the network itself, with the names that its layout gives them."""
    arrays = {name: value for name, value in flat.items() if isinstance(value, np.ndarray)}
    if not arrays:
        raise _foreign(flat)
    prefixes = {match[1] for name in arrays if (match := _ANCHOR.match(name)) and _is_wrapper(match[1])}
    if not prefixes:
        raise _foreign(flat)
    chosen = min(prefixes, key=_preference)
    inner = {name[len(chosen) :]: value for name, value in arrays.items() if name.startswith(chosen)}
    if not any("rdb" in name.lower() for name in inner) or any("conv1x1" in name for name in inner):
        raise _foreign(inner)
    return inner


def _is_wrapper(prefix: str) -> bool:
    return all(word in _WRAPPERS for word in prefix.split(".")[:-1])


def _preference(prefix: str) -> tuple[list[int], str]:
    return [_WRAPPERS.index(word) for word in prefix.split(".")[:-1]], prefix


def _foreign(names: Iterable[str]) -> BackendError:
    """The refusal for tensors of something else, naming it where it is known."""
    known = sorted(names)
    for pattern, what in _OTHERS:
        found = next((name for name in known if re.search(pattern, name)), None)
        if found is not None:
            return refuse(f"This file holds {what}; {_WANTED}.", f"found {found}")
    if not known:
        return refuse(f"This file holds no tensors; {_WANTED}.")
    return refuse(f"This file holds another network (its first tensor is '{known[0][:80]}'); {_WANTED}.")


def _canonical(inner: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[np.generic]]:
    """Tensors under canonical names; names that belong to no layout stay as they are and are refused later."""
    tail = _old_tail(inner)
    result: dict[str, npt.NDArray[np.generic]] = {}
    for name, array in inner.items():
        stem, dot, kind = name.rpartition(".")
        new = tail.get(stem) or _rename(stem)
        canonical = f"{new}{dot}{kind}"
        if canonical in result:
            raise refuse(f"This file holds two tensors for '{canonical}'; {_WANTED}.", name)
        result[canonical] = array
    return result


def _rename(stem: str) -> str:
    for pattern, name in _RENAMES:
        renamed, count = pattern.subn(name, stem)
        if count:
            return renamed
    return stem


def _old_tail(inner: Mapping[str, object]) -> dict[str, str]:
    """Names of the old layout's tail: a doubling is three modules (resize, conv, activation), the HR conv two."""
    found = {int(match[1]) for name in inner if (match := _OLD_TAIL.match(name.rpartition(".")[0]))}
    indices = sorted(found - {0})
    if not indices:
        return {}
    doublings = len(indices) - 2
    expected = [3 * k for k in range(1, doublings + 1)] + [3 * doublings + 2, 3 * doublings + 4]
    if indices != expected:
        raise refuse(f"This file holds a variant of ESRGAN whose last layers are not known; {_WANTED}.", str(indices))
    names = [f"conv_up{k}" for k in range(1, doublings + 1)] + ["conv_hr", "conv_last"]
    return {f"model.{index}": name for index, name in zip(indices, names, strict=True)}


def _architecture(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Architecture:
    first = _conv_shape(arrays, "conv_first")
    dense = _conv_shape(arrays, "body.0.rdb1.conv1")
    last = _conv_shape(arrays, "conv_last")
    blocks = 1 + max(int(match[1][:9]) for name in arrays if (match := _BLOCK.match(name)))
    doublings = max((int(match[1]) for name in arrays if (match := _DOUBLING.match(name))), default=0)
    features, growth = first[0], dense[0]
    if features > FEATURES_MAX or blocks > BLOCKS_MAX or growth > GROWTH_MAX or doublings > DOUBLINGS_MAX:
        raise refuse(f"This network is larger than any that is known; {_WANTED}.", f"{features} {blocks} {growth}")
    in_channels, unshuffle = _input(first[1], last[0])
    scale, rest = divmod(2**doublings, unshuffle)
    if rest or scale not in SCALES:
        raise refuse(f"This network's scale of {2**doublings / unshuffle:g} is not supported; {_WANTED}.")
    return Architecture(features, blocks, growth, in_channels, last[0], scale, unshuffle)


def _conv_shape(arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> tuple[int, ...]:
    array = arrays.get(f"{name}.weight")
    if array is None:
        raise refuse(f"This network is incomplete: '{name}' is missing; download the file again.")
    if array.ndim != 4 or array.shape[2:] != (3, 3) or 0 in array.shape:
        raise refuse(f"This network's '{name}' is not a 3x3 convolution; {_WANTED}.", str(array.shape))
    return array.shape


def _input(channels: int, out_channels: int) -> tuple[int, int]:
    """Picture channels and unshuffle factor, from the inputs of conv_first and the outputs of conv_last."""
    if out_channels not in (1, 3):
        raise refuse(f"This network gives {out_channels} channels, but only gray (1) and RGB (3) can be used.")
    if channels in (1, 3):
        return channels, 1
    for factor in (2, 4):
        if channels == out_channels * factor**2:
            return out_channels, factor
    raise refuse(f"This network takes {channels} channels, but only gray (1) and RGB (3) can be used.")


def _compare(arrays: Mapping[str, npt.NDArray[np.generic]], wanted: Mapping[str, tuple[int, ...]]) -> None:
    missing = next((name for name in wanted if name not in arrays), None)
    if missing is not None:
        raise refuse(f"This network is incomplete: '{missing}' is missing; download the file again.")
    extra = next((name for name in arrays if name not in wanted), None)
    if extra is not None:
        raise refuse(f"This network has a part that an RRDBNet does not have ('{extra[:80]}'); {_WANTED}.")
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise refuse(
                f"This network's '{name}' does not fit the rest of it; {_WANTED}.",
                f"{arrays[name].shape}, expected {shape}",
            )


def _float32(name: str, array: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    if array.dtype.kind != "f":
        raise refuse(f"This network's '{name}' holds {array.dtype} instead of real numbers; {_WANTED}.")
    with np.errstate(over="ignore"):
        result = np.require(array, np.float32, ["C", "A"])
    if not np.isfinite(result).all():
        raise refuse(f"This network's '{name}' holds numbers that are not finite; download the file again.")
    return result
