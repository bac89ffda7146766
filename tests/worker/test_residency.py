"""Which model a job gets."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bsrgan_backend.engine import devices, loading, processor
from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker.residency import Residency
from support.worker_process import install


def residency(root, default="bsrgan-x4", device="cpu"):
    """A residency over `root` with one thread."""
    return Residency(root, device, 1, default, root / "spool")


def test_the_asked_model_is_taken_as_it_is(tmp_path):
    """An id that the job names is never replaced, installed or not."""
    install(tmp_path, "tiny")
    assert residency(tmp_path).choose("other", 4.0) == ("other", [])


def test_the_default_is_the_settings(tmp_path):
    """A job that names no model gets the one of the settings, without a note."""
    install(tmp_path, "alpha", "mine")
    assert residency(tmp_path, "mine").choose("", 4.0) == ("mine", [])


def test_a_missing_default_is_replaced_in_the_catalogs_order(tmp_path):
    """The first installed model of the catalog steps in, before models that the user added, and is named."""
    install(tmp_path, "added", "realsr-jpeg", "realesrgan-x4plus")
    model, notes = residency(tmp_path).choose("", 4.0)
    assert model == "realesrgan-x4plus"
    assert "bsrgan-x4" in notes[0]
    assert "realesrgan-x4plus" in notes[0]


def test_an_added_model_is_better_than_none(tmp_path):
    """When nothing of the catalog is installed, a model that the user added is taken."""
    install(tmp_path, "added")
    assert residency(tmp_path).choose("", 4.0)[0] == "added"


def test_an_empty_store_says_what_to_do(tmp_path):
    """Without any model the job fails as MODEL_MISSING."""
    with pytest.raises(BackendError) as caught:
        residency(tmp_path).choose("", 4.0)
    assert caught.value.code == "MODEL_MISSING"
    assert "models download" in caught.value.text


def test_other_devices_are_refused(tmp_path):
    """A device that this engine cannot use is DEVICE and not a wrong result from another one."""
    install(tmp_path, "tiny")
    with pytest.raises(BackendError) as caught:
        residency(tmp_path, device="gpu:7").load("tiny")
    assert caught.value.code == "DEVICE"


def test_a_small_factor_takes_the_defaults_sibling(tmp_path):
    """Where twice the size is asked for and no model is named, the network for twice the size is taken."""
    install(tmp_path, "bsrgan-x4", "bsrgan-x2")
    assert residency(tmp_path).choose("", 2.0) == ("bsrgan-x2", [])
    assert residency(tmp_path).choose("", 2.5) == ("bsrgan-x4", [])
    assert residency(tmp_path).choose("bsrgan-x4", 2.0) == ("bsrgan-x4", [])


def test_a_model_of_another_file_is_another_model(tmp_path, monkeypatch):
    """What was removed and installed anew under its id is loaded anew; what was only removed stays in use."""
    monkeypatch.setattr(loading, "load", lambda *_: SimpleNamespace(notes=(), facts=SimpleNamespace(engine="native")))
    install(tmp_path, "tiny")
    one = residency(tmp_path)
    assert not one.holds("tiny")
    first, _is_new = one.load("tiny")
    assert one.holds("tiny")
    assert not one.holds("other")
    one.store.remove("tiny")
    assert one.load("tiny") == (first, False)
    install(tmp_path, "tiny", seed=8)
    assert not one.holds("tiny")
    second, is_new = one.load("tiny")
    assert is_new
    assert second.file_sha256 == one.store.installed()[0].file_sha256 != first.file_sha256
    assert one.load("tiny") == (second, False)


def test_the_precision_of_the_settings_reaches_the_engine(tmp_path, monkeypatch):
    """A model is loaded with the precision that the daemon's settings name."""
    install(tmp_path, "tiny")
    heard = {}

    def load(_weights, _cache, **options):
        heard.update(options)
        return SimpleNamespace(notes=("left out",), facts=SimpleNamespace(engine="native"))

    monkeypatch.setattr(processor, "load", load)
    one = Residency(tmp_path, "auto", 1, "tiny", tmp_path / "spool", precision="fast")
    resident, is_new = one.load("tiny")
    assert is_new
    assert (heard["precision"], heard["threads"], heard["spool"]) == ("fast", 1, tmp_path / "spool")
    assert resident.loading_notes == 1


def test_the_engine_of_the_settings_decides_about_the_library(tmp_path, monkeypatch):
    """Torch is what loads a model when the settings say so, with the device as it was asked."""
    install(tmp_path, "tiny")
    heard = {}

    def load(_weights, _cache, wish, _spool):
        heard["wish"] = wish
        return SimpleNamespace(notes=(), facts=SimpleNamespace(engine="torch"))

    monkeypatch.setattr(loading, "load", load)
    Residency(tmp_path, "gpu:1", 1, "tiny", tmp_path / "spool", "fast", "torch").load("tiny")
    assert heard["wish"] == loading.Wish("gpu:1", "torch", 1, "fast")
    assert heard["wish"].library == "torch"


def test_the_card_is_named_before_it_is_asked(tmp_path, monkeypatch):
    """A worker that is started for a card says so at once, though nothing is imported yet."""
    monkeypatch.setattr(devices, "may_have_card", lambda: True)
    assert residency(tmp_path, device="gpu:1").facts()["device"] == "gpu:1"
    assert residency(tmp_path, device="cpu").facts()["device"] == "cpu"
    torch = Residency(tmp_path, "auto", 1, "tiny", tmp_path / "spool", engine="torch")
    assert torch.facts()["device"] == "gpu:0"
