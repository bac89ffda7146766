"""What the arguments of the upscale filter become."""

from __future__ import annotations

import pytest

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import Area, OutputMode, Size, Source
from bsrgan_plugin.upscale_options import options_of

DEFAULTS = {
    "model": None,
    "scale": 4,
    "output": "new-layer",
    "endpoint": None,
    "strength": 100.0,
    "texture": 0.0,
    "precision": "auto",
}


class Config:
    """Arguments as GIMP holds them."""

    def __init__(self, **values):
        self._values = {**DEFAULTS, **values}

    def get_property(self, name):
        """As the real one."""
        return self._values[name]


def test_defaults_leave_everything_to_the_daemon():
    """Nothing that has its default is sent, so that the daemon's settings count; empty texts of GIMP are texts."""
    options = options_of(Config())
    assert (options.model, options.endpoint) == ("", "")
    assert options.parameters == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("strength", 0.0, {"strength": 0.0}),
        ("texture", 12.5, {"texture": 12.5}),
        ("precision", "exact", {"precision": "exact"}),
    ],
)
def test_what_was_changed_is_sent(name, value, told):
    """Each argument becomes the option of the same name."""
    assert options_of(Config(**{name: value})).parameters == told


def test_sliders_are_not_the_networks():
    """A preview asks with what changes the network's result only, so that sliders need no new one."""
    options = options_of(Config(strength=10.0, texture=20.0, precision="fast"))
    assert options.network_parameters == {"precision": "fast"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("output", "nowhere", "new-layer, new-image, same-size"),
        ("output", None, "''"),
        ("precision", "high", "auto, exact, fast"),
        ("strength", 150.0, "from 0 to 100, not 150"),
        ("texture", -1.0, "from 0 to 100, not -1"),
        ("strength", float("nan"), "not nan"),
    ],
)
def test_what_cannot_be_is_refused(name, value, told):
    """The sentence names the argument, what was given and what can be."""
    with pytest.raises(Refusal) as refused:
        options_of(Config(**{name: value}))
    assert told in str(refused.value)
    assert name in str(refused.value)


def test_placement_is_that_of_the_output():
    """Scale and output decide the size of the result."""
    source = Source(Size(40, 30), Size(20, 10), 3, 4, Area(1, 2, 10, 5))
    options = options_of(Config(scale=3, output="new-image"))
    assert options.mode is OutputMode.NEW_IMAGE
    assert options.placement(source).result == Size(30, 15)
