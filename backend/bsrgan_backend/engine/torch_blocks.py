"""RRDBNet's blocks in PyTorch, in several ways that compute the same: which is fastest depends on the card.

`joined` is the network as it is drawn. `wide` computes what each array gives to all later convolutions at once, so
that nothing is joined. Either can be compiled, which puts the many small steps between the convolutions together.
`ways` measures them once for each card and release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bsrgan_backend.engine import torch_runtime
from bsrgan_backend.engine.torch_runtime import torch

Tensor = Any
Tensors = Mapping[str, Tensor]
Dense = Callable[[Tensor, Tensors, str], Tensor]
Block = Callable[[Tensor, Tensors], Tensor]
"""Takes features and one block's weights by names such as `rdb1.conv1.weight`, the same for every block: a compiler
then makes one program for all of them."""

SLOPE = 0.2
"""Leaky rectifier's slope below zero, and the factor on every residual branch."""

COMPILED_GAIN = 1.15
"""How many times as fast a compiled way must be: every new process waits for it again."""


def conv(values: Tensor, weights: Tensors, name: str) -> Tensor:
    """A convolution of 3 x 3 with zeros around."""
    return torch.nn.functional.conv2d(values, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)


def rectified(values: Tensor) -> Tensor:
    """The leaky rectifier, in place."""
    return torch.nn.functional.leaky_relu_(values, SLOPE)


def joined(values: Tensor, weights: Tensors, prefix: str) -> Tensor:
    """One dense block without its skip: (1, nf, H, W) in the products' type → the same, the factor 0.2 included."""
    seen = [values]
    for number in range(1, 5):
        joined = torch.cat(seen, 1) if len(seen) > 1 else values
        seen.append(rectified(conv(joined, weights, f"{prefix}.conv{number}")))
    joined = torch.cat(seen, 1)
    del seen
    return conv(joined, weights, f"{prefix}.conv5")


def wide(values: Tensor, weights: Tensors, prefix: str) -> Tensor:
    """The same as `joined` in another order: what each array gives to all later convolutions at once.

    `conv1` reads the block's input only, so its share of all five convolutions is one convolution with many outputs;
    what a later one still needs is added to it. Nothing is joined, and every convolution is wide enough to fill the
    multipliers; in return the shares are rounded to the products' type before they are added.
    """
    first = weights[f"{prefix}.wide1.bias"]
    shares = [torch.nn.functional.conv2d(values, weights[f"{prefix}.wide1.weight"], first, padding=1)]
    growth = weights[f"{prefix}.conv1.weight"].shape[0]
    for conv in range(2, 6):
        grown = rectified(_sum_of(shares, growth * (conv - 2), growth * (conv - 1), growth))
        shares.append(torch.nn.functional.conv2d(grown, weights[f"{prefix}.wide{conv}.weight"], padding=1))
    return _sum_of(shares, growth * 4, first.shape[0], growth)


def _sum_of(shares: list[Tensor], start: int, stop: int, growth: int) -> Tensor:
    """The sum of the channels `start:stop`; each later share begins `growth` channels further on."""
    total = shares[0][:, start:stop]
    for number, share in enumerate(shares[1:], 1):
        total = total + share[:, start - number * growth : stop - number * growth]
    return total


def widened(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The weights of `wide` from those of `joined`: `wideK.weight`, and all biases with the first."""
    names = [f"{prefix}.conv{conv}" for conv in range(1, 6)]
    nf, gc = (tensors[f"{names[k]}.weight"].shape[0] for k in (4, 0))
    found = {f"{prefix}.wide1.bias": torch.cat([tensors[f"{name}.bias"] for name in names])}
    for conv in range(1, 6):
        # What convolution K reads first: the block's input, or the output of the one before.
        low, high = (0, nf) if conv == 1 else (nf + gc * (conv - 2), nf + gc * (conv - 1))
        parts = [tensors[f"{name}.weight"][:, low:high] for name in names[conv - 1 :]]
        found[f"{prefix}.wide{conv}.weight"] = torch.cat(parts)
    return found


def block_of(dense: Dense) -> Block:
    """One RRDB made of a dense block: (1, nf, H, W) features, weights in the products' type → features.

    The sums are float32 where the products are bfloat16, whose eight bits would round the picture 92 times. With
    float16 they are float16: 72.0 instead of 73.6 dB to exact on a photo, and half the memory and traffic.
    """

    def block(features: Tensor, weights: Tensors) -> Tensor:
        kind = weights["rdb1.conv1.weight"].dtype
        start = features.to(torch.float32 if kind == torch.bfloat16 else kind)
        values = start
        for number in (1, 2, 3):
            values = values + dense(values.to(kind), weights, f"rdb{number}")
        return torch.add(start, values, alpha=SLOPE)

    return block


WAYS: dict[str, Dense] = {"joined": joined, "wide": wide}
"""The dense blocks that compute the same."""


def block_by(way: str) -> Block:
    """The RRDB of a way: a name of `WAYS`, perhaps with " compiled" behind it.

    Raises:
        BackendError: nothing can be compiled here.
    """
    name, _, compiled = way.partition(" ")
    block = block_of(WAYS[name])
    if not compiled:
        return block
    with torch_runtime.errors():
        made: Block = torch.compile(block, dynamic=True)
    return made
