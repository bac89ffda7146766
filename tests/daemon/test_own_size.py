"""Results that are as large as their task makes them, in a real supervisor with a scripted worker."""

from __future__ import annotations

import pytest

from bsrgan_wire import limits
from bsrgan_wire.messages import Release, Released
from support.daemons import order, pixels, running
from support.fake_worker import upscale


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon for all of them; results of more than 1000 pixels are not allowed."""
    with running(tmp_path_factory.mktemp("root"), output_px=1000) as one:
        yield one


@pytest.fixture
def peer(daemon):
    """A client."""
    one = daemon.connect()
    yield one
    one.close()


def asked(**params):
    """An order that leaves the size open."""
    return order(6, 5, 3, "u16", task="degrade", out_width=0, out_height=0, params=params)


def test_the_size_is_told_with_the_result(peer):
    """STATE `ready` carries size, bytes and recipe, and the whole result can be fetched."""
    one = asked(own_width=4, own_height=2, recipe='{"steps": []}')
    data = pixels(one)
    peer.submit(data, one)
    state = peer.final(one.job)
    assert (state.state, state.width, state.height, state.total) == ("ready", 4, 2, 4 * 2 * 6)
    assert (state.recipe, state.model) == ('{"steps": []}', "")
    assert peer.fetch(one.job, state.total) == upscale(data, 6, 5, 4, 2, 6)
    assert peer.status()["spool_bytes"] == state.total
    peer.ask(Release(one.job), Released)
    assert peer.status()["spool_bytes"] == 0


def test_a_larger_result_counts_as_it_is(peer):
    """A result that is larger than its input takes its own room in the quota."""
    one = asked(own_width=40, own_height=20)
    peer.submit(pixels(one), one)
    state = peer.final(one.job)
    assert (state.state, peer.status()["spool_bytes"]) == ("ready", 40 * 20 * 6)
    peer.ask(Release(one.job), Released)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "INTERNAL"),
        ({"own_width": 4}, "INTERNAL"),
        ({"own_width": 4, "own_height": 2, "short": True}, "INTERNAL"),
        ({"own_width": 1001, "own_height": 1}, "TOO_MANY_PIXELS"),
    ],
)
def test_sizes_that_cannot_be_are_failures(peer, params, code):
    """A missing, wrong or too large size, or bytes that do not fit it, fail the job; the next one runs."""
    one = asked(**params)
    peer.submit(pixels(one), one)
    state = peer.final(one.job)
    assert (state.state, state.code) == ("failed", code)
    assert peer.status()["spool_bytes"] == 0


def test_a_recipe_that_is_none_is_left_out(peer):
    """What a worker tells as a recipe and is no text does not harm the job; the longest text comes through."""
    for recipe in (7, None, "x" * limits.TEXT_BYTES):
        one = order(6, 5, task="degrade", out_width=6, out_height=5, params={"recipe": recipe})
        peer.submit(pixels(one), one)
        state = peer.final(one.job)
        assert state.state == "ready"
        assert state.recipe == (recipe if isinstance(recipe, str) else "")
        peer.ask(Release(one.job), Released)
