"""Graphics cards and the installer: which are there, which build serves them, and what happens when it does not."""

from __future__ import annotations

import subprocess

import pytest

from bsrgan_install import backend_command, cards, commands, environment, options, places
from bsrgan_install.cards import Card
from bsrgan_install.report import InstallError, Report

LISTING = "NVIDIA GeForce RTX 4090, 560.35.03, 8.9\nNVIDIA H200, 570.86.15, 9.0\nsomething else\n"


@pytest.fixture
def layout(home):
    """An installation in a temporary home, its folder made."""
    found = places.layout(None, {"HOME": str(home)}, "linux")
    found.root.mkdir(parents=True)
    return found


class Pip:
    """Remembers what was installed and removed, and what the card's trial was asked."""

    def __init__(self, monkeypatch, layout, failure="", broken=()):
        self.calls, self.tried = [], []
        self.layout, self.failure, self.broken = layout, failure, broken
        monkeypatch.setattr(environment, "add", self.add)
        monkeypatch.setattr(environment, "remove", lambda _layout, packages: self.calls.append(("remove", *packages)))
        monkeypatch.setattr(backend_command, "run", self.run)
        monkeypatch.setattr(backend_command, "stop_daemon", lambda _layout: None)

    def add(self, _layout, packages, _report):
        """What pip install does."""
        self.calls.append(("add", *packages))
        if packages[0] in self.broken:
            raise InstallError("pip could not install it.")

    def run(self, _layout, *words, timeout_s):
        """The installed command."""
        self.tried.append(words[-1])
        if self.failure:
            return subprocess.CompletedProcess(words, 1, "", f"gimp-bsrgan: {self.failure}\n")
        (self.layout.root / "card-trial.png").write_bytes(b"x")
        return subprocess.CompletedProcess(words, 0, "", "")


def test_cards_are_read_from_the_drivers_tool(monkeypatch):
    """Name, driver and capability of every card; lines of another form are passed over."""
    monkeypatch.setattr(commands, "run", lambda *_a, **_k: subprocess.CompletedProcess([], 0, LISTING, ""))
    assert cards.found() == [
        Card("NVIDIA GeForce RTX 4090", (560, 35, 3), (8, 9)), Card("NVIDIA H200", (570, 86, 15), (9, 0))
    ]  # fmt: skip


def test_without_the_tool_there_is_no_card(home):
    """A machine without NVIDIA's driver has no cards and gets no advice."""
    assert cards.found() == []
    assert cards.advice([]) == ""


@pytest.mark.parametrize(
    ("driver", "capability", "build"),
    [
        ((560, 35, 3), (8, 9), "cu126"),
        ((550, 54, 14), (7, 5), "cu126"),
        ((535, 10), (8, 6), ""),
        ((575, 1), (12, 0), "cu129"),
        ((570, 86), (12, 0), ""),
        ((580, 0), (6, 1), ""),
    ],
)
def test_the_build_that_serves_a_card(driver, capability, build):
    """A card's capability and its driver decide about the build, and the advice names it."""
    card = Card("Card A", driver, capability)
    assert cards.paddle_build(card) == build
    assert ("--paddle-gpu" in cards.advice([card])) == bool(build)
    assert "--torch" in cards.advice([card])


def test_pytorch_is_added_and_tried(layout, monkeypatch, capsys):
    """PyTorch goes beside Paddle, and the card is tried with it by name."""
    pip = Pip(monkeypatch, layout)
    cards.install(layout, "torch>=2.4", "", Report())
    assert pip.calls == [("add", "torch>=2.4")]
    assert pip.tried == ["torch"]
    assert "will be used" in capsys.readouterr().out
    assert not (layout.root / "card-trial.png").exists()


def test_paddles_build_for_cards_replaces_the_other(layout, monkeypatch):
    """The processor's build goes first, as both are one package."""
    pip = Pip(monkeypatch, layout)
    cards.install(layout, "", "gpu.whl", Report())
    assert pip.calls == [("remove", "paddlepaddle"), ("add", "gpu.whl")]
    assert pip.tried == ["paddle"]


def test_a_card_that_fails_its_test_is_no_failure(layout, monkeypatch, capsys):
    """Wrong numbers are said in one sentence, and the processor's build comes back."""
    pip = Pip(monkeypatch, layout, failure="Card A gave wrong numbers with Paddle 3.2.2.")
    report = Report()
    cards.install(layout, "", "gpu.whl", report)
    assert pip.calls[-2:] == [("remove", "paddlepaddle-gpu", "paddlepaddle"), ("add", cards.PADDLE)]
    assert "Card A gave wrong numbers" in report.notes[0]
    assert "the processor computes" in report.notes[0]
    capsys.readouterr()


def test_a_wheel_that_cannot_be_installed_leaves_the_old_one(layout, monkeypatch):
    """When pip fails on the card's build, the processor's one is installed again before the error goes on."""
    pip = Pip(monkeypatch, layout, broken=("gpu.whl",))
    with pytest.raises(InstallError):
        cards.install(layout, "", "gpu.whl", Report())
    assert pip.calls[-1] == ("add", cards.PADDLE)
    assert pip.tried == []


def test_the_options_name_what_pip_installs():
    """--torch alone takes the usual PyTorch; with a value, that."""
    assert options.parse([]).torch == ""
    assert options.parse(["--torch"]).torch == "torch>=2.4"
    assert options.parse(["--torch", "x.whl", "--paddle-gpu", "y.whl"]).paddle_gpu == "y.whl"
    with pytest.raises(SystemExit):
        options.parse(["--uninstall", "--torch"])


@pytest.mark.parametrize("has_build_for_cards", [True, False])
def test_an_upgrade_takes_the_build_for_cards_out_first(layout, monkeypatch, has_build_for_cards):
    """Running the installer again never leaves a mixture of Paddle's two builds, and says what it took out."""
    if has_build_for_cards:
        (layout.venv / "lib/python3.11/site-packages/paddlepaddle_gpu-3.2.2.dist-info").mkdir(parents=True)
    done = []
    monkeypatch.setattr(environment, "_make_venv", lambda *_: "3.11.7")
    monkeypatch.setattr(environment, "_install_package", lambda *_: done.append("installed"))
    monkeypatch.setattr(environment, "remove", lambda _layout, packages: done.append(packages))
    report = Report()
    environment.install(layout, report)
    assert done == ([["paddlepaddle-gpu", "paddlepaddle"]] if has_build_for_cards else []) + ["installed"]
    assert bool(report.notes) == has_build_for_cards
