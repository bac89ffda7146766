"""Names and shapes to canonical weights."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import layouts, synthetic
from bsrgan_backend.models.weights import Architecture
from support import weight_files as files

SMALL = settings(deadline=None, max_examples=40)


def raw_of(seed: int = 1, layout: str = "realesrgan", architecture: Architecture = synthetic.TINY) -> dict[str, object]:
    """Tensors as a file would hold them."""
    return dict(files.renamed(synthetic.random_weights(architecture, seed), layout))


@SMALL
@given(files.architectures(), st.sampled_from(files.LAYOUTS), st.integers(0, 99))
def test_every_layout_gives_the_same_weights(architecture: Architecture, layout: str, seed: int) -> None:
    """Any architecture under any of the three naming schemes is read as itself, with one digest."""
    weights = synthetic.random_weights(architecture, seed)
    read = layouts.weights_from(files.renamed(weights, layout))
    assert read.architecture == architecture
    assert read.digest == weights.digest
    assert list(read.tensors) == list(layouts.shapes(architecture))
    assert all(np.array_equal(read.tensors[name], weights.tensors[name]) for name in weights.tensors)


@pytest.mark.parametrize("layout", files.LAYOUTS)
@pytest.mark.parametrize(
    "path",
    [("params_ema",), ("params",), ("state_dict",), ("generator",), ("state_dict", "module"), ("netG", "module")],
)
def test_wrapped_networks_are_found(layout: str, path: tuple[str, ...]) -> None:
    """A network inside the containers of training code is read whether they are nested or prefixes."""
    plain = raw_of(layout=layout)
    expected = layouts.weights_from(plain).digest
    nested: dict[str, object] = plain
    for word in reversed(path):
        nested = {word: nested, "iter": 400000}
    prefix = ".".join(path) + "."
    assert layouts.weights_from(nested).digest == expected
    assert layouts.weights_from({prefix + name: array for name, array in plain.items()}).digest == expected


@pytest.mark.parametrize(
    ("last", "averaged"),
    [
        ("params", "params_ema"),
        ("params", "ema"),
        ("generator", "generator_ema"),
        ("net_g", "net_g_ema"),
        ("netG", "netG_ema"),
        ("model", "model_ema"),
        ("G", "G_ema"),
    ],
)
@pytest.mark.parametrize("above", ["", "state_dict."])
def test_averaged_weights_win_over_the_last_ones(last: str, averaged: str, above: str) -> None:
    """Where a file holds both, the exponential moving average is the published network."""
    both: dict[str, object] = {f"{above}{last}.{name}": array for name, array in raw_of(1).items()}
    both |= {f"{above}{averaged}.{name}": array for name, array in raw_of(2).items()}
    assert layouts.weights_from(both).digest == layouts.weights_from(raw_of(2)).digest


def test_digest_depends_on_names_shapes_and_values() -> None:
    """Two different networks never share a digest, and one network has one whatever the order of its tensors."""
    tensors = dict(synthetic.random_weights(synthetic.TINY, 3).tensors)
    other = dict(tensors)
    other["conv_last.bias"] = tensors["conv_last.bias"] + np.float32(1e-3)
    assert layouts.digest(tensors) != layouts.digest(other)
    assert layouts.digest(tensors) == layouts.digest(dict(reversed(tensors.items())))
    assert layouts.digest({"a": np.zeros((2, 3), np.float32)}) != layouts.digest({"a": np.zeros((3, 2), np.float32)})


def test_half_and_double_precision_become_float32() -> None:
    """Files of other float widths give C-contiguous float32 tensors."""
    raw = {name: np.asarray(array, np.float64) for name, array in raw_of().items()}
    read = layouts.weights_from(raw)
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in read.tensors.values())
    assert read.digest == layouts.weights_from(raw_of()).digest


def refusal(raw: dict[str, object]) -> str:
    """The user's sentence about a mapping that must not be read."""
    with pytest.raises(BackendError) as caught:
        layouts.weights_from(raw)
    assert caught.value.code == "MODEL_LOAD"
    assert caught.value.text.endswith(".")
    assert "\n" not in caught.value.text
    return caught.value.text


@pytest.mark.parametrize("name", ["conv_first.weight", "body.0.rdb2.conv3.bias", "conv_last.weight", "conv_hr.bias"])
def test_missing_tensors_are_named(name: str) -> None:
    """A file without one of its tensors is refused with the name of what is missing."""
    raw = raw_of()
    del raw[name]
    text = refusal(raw)
    assert name.rpartition(".")[0] in text or name == "conv_first.weight"


def test_unexpected_tensors_are_named() -> None:
    """A part that the engine would silently leave out is refused."""
    assert "'conv_extra.weight'" in refusal(raw_of() | {"conv_extra.weight": np.zeros((8, 8, 3, 3), np.float32)})


def test_a_gap_in_the_doublings_is_refused() -> None:
    """conv_up3 without conv_up2 is an incomplete file, not another scale."""
    raw = raw_of()
    raw["conv_up3.weight"], raw["conv_up3.bias"] = raw.pop("conv_up2.weight"), raw.pop("conv_up2.bias")
    assert "conv_up2" in refusal(raw)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("body.0.rdb1.conv2.weight", (4, 11, 3, 3)),
        ("conv_last.bias", (4,)),
        ("conv_first.weight", (8, 3, 5, 5)),
        ("conv_first.weight", (8, 5, 3, 3)),
        ("conv_last.weight", (2, 8, 3, 3)),
        ("conv_hr.weight", (8, 8)),
    ],
)
def test_wrong_shapes_are_refused(name: str, shape: tuple[int, ...]) -> None:
    """A tensor that does not fit the others never reaches the engine."""
    assert refusal(raw_of() | {name: np.zeros(shape, np.float32)})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float) -> None:
    """One NaN in a damaged file would make every pixel NaN; it is refused by tensor."""
    raw = raw_of()
    array = np.array(raw["conv_hr.weight"])
    array[1, 2, 0, 1] = bad
    assert "'conv_hr.weight'" in refusal(raw | {"conv_hr.weight": array})


def test_integers_are_refused() -> None:
    """Quantised tensors are not the network."""
    assert "int8" in refusal(raw_of() | {"conv_hr.weight": np.zeros((8, 8, 3, 3), np.int8)})


def test_unshuffle_needs_enough_doublings() -> None:
    """A network that would shrink its picture is refused by its scale."""
    arch = Architecture(8, 1, 4, 3, 3, 1, 4)
    raw = raw_of(architecture=arch)
    del raw["conv_up2.weight"], raw["conv_up2.bias"]
    assert "0.5" in refusal(raw)


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (("body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight"), "SRVGG"),
        (("params.body.0.weight", "params.body.1.weight"), "SRVGG"),
        (("conv_first.weight", "layers.0.residual_group.blocks.0.norm1.weight"), "SwinIR"),
        (("conv_first.weight", "layers.0.residual_group.overlap_attn.qkv.weight"), "HAT"),
        (("head.0.weight", "tail.0.weight"), "EDSR"),
        (("model.diffusion_model.input_blocks.0.0.weight",), "Stable Diffusion"),
        (("conv0.weight", "conv1.weight_orig"), "discriminator"),
        (("lora_unet_down.lora_up.weight",), "LoRA"),
        (("something.else",), "something.else"),
        ((), "no tensors"),
    ],
)
def test_other_networks_are_named(names: tuple[str, ...], word: str) -> None:
    """The sentence says what the file is, so that the user knows which file to look for."""
    assert word in refusal({name: np.zeros((4, 4, 3, 3), np.float32) for name in names})


def test_esrgan_plus_is_named() -> None:
    """ESRGAN+ differs only by its 1x1 convolutions and must not be run without them."""
    extra = {"model.1.sub.0.RDB1.conv1x1.weight": np.zeros((4, 8, 1, 1), np.float32)}
    assert "ESRGAN+" in refusal(raw_of(layout="esrgan") | extra)


def test_a_training_state_is_named() -> None:
    """The .state file beside the weights is a common mistake."""
    assert "training state" in refusal({"epoch": 3, "optimizers": [1], "schedulers": [2]})


def test_a_mapping_that_holds_itself_ends() -> None:
    """A crafted cyclic object costs nothing."""
    raw: dict[str, object] = {}
    raw["again"] = raw
    assert "no tensors" in refusal(raw)


def test_endless_names_are_refused() -> None:
    """A long name above many tensors, or wrappers without end, would be copied for each of them."""
    assert "another network" in refusal({"x" * 1_000_000: {str(n): 1 for n in range(500)}})
    assert "another network" in refusal({"x" * 200: {"y" * 200: {"z" * 200: 1}}})
    deep: dict[str, object] = {}
    for _ in range(10_000):
        deep = {"a": deep}
    assert "another network" in refusal(deep)


def test_keys_that_are_no_names_are_left_out() -> None:
    """Training states count their parameters; such keys name no part of a network and are not spelled out."""

    class Key:
        def __str__(self) -> str:
            raise AssertionError("spelled out")

    raw: dict[object, object] = {**raw_of(), 0: np.zeros(3), Key(): {"a": 1}, "state": {1: np.zeros(3)}}
    assert layouts.weights_from(raw).digest == layouts.weights_from(raw_of()).digest  # type: ignore[arg-type]


def test_absurd_sizes_are_refused_before_work() -> None:
    """A block number of 10^12 in a name is not a reason to list that many tensors."""
    raw = raw_of()
    raw["body.999999999999.rdb1.conv1.weight"] = raw["body.0.rdb1.conv1.weight"]
    assert "larger" in refusal(raw)
