"""What the dialogs say of models and of the transfer of one. Without gi."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from bsrgan_plugin.translation import _, sentence
from bsrgan_wire.messages import ModelsReport
from bsrgan_wire.model_facts import ModelFacts

WEIGHTS_PATTERNS = ("*.pth", "*.safetensors", "*.param")
"""Files that can be added; an ncnn model is named by its `.param`, with its `.bin` beside it."""
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Transfer:
    """How the latest transfer is going, in words.

    Attributes:
        is_running: it can be cancelled, and no other can be started.
        share: how much has come, 0..1; None where nobody knows.
        text: what is done, or how it ended; may be empty.
        is_problem: it failed.
    """

    is_running: bool = False
    share: float | None = None
    text: str = ""
    is_problem: bool = False


def label(model: ModelFacts) -> str:
    """Title and scale, for lists."""
    scale = f"x{model.scale}"
    return model.title if scale in model.title.lower() else f"{model.title} {scale}"


def about(model: ModelFacts) -> str:
    """Licence and origin in one short line."""
    licence = _("licence unknown") if model.licence == _UNKNOWN else model.licence
    return f"{licence} · {_origin(model.source)}"


def _origin(source: str) -> str:
    """Where a model comes from without what is only for programs."""
    address = urlsplit(source)
    if address.scheme in ("http", "https") and address.hostname:
        # Host, owner and project say whose it is.
        return "/".join([address.hostname, *address.path.split("/")[1:3]])
    return source.replace("==", " ")


def state(model: ModelFacts) -> str:
    """Whether a model is there, or what it takes to get it."""
    if model.is_installed:
        return _("installed")
    return _size(model.size_bytes) if model.size_bytes else _("size unknown")


def details(model: ModelFacts) -> str:
    """All that one should know before a model is fetched, in lines."""
    lines = [
        sentence(model.description),
        _licence(model),
        _("From: {source}").format(source=model.source),
    ]
    if model.size_bytes and not model.is_installed:
        lines.append(_("Download: {size}").format(size=_size(model.size_bytes)))
    return "\n".join(lines)


def _licence(model: ModelFacts) -> str:
    if model.licence == _UNKNOWN:
        return _("Licence: unknown; ask whoever the file is from.")
    return _("Licence: {licence}").format(licence=model.licence)


def spoken(model: ModelFacts) -> str:
    """A row of the list for those who hear it."""
    return ", ".join((label(model), state(model), about(model)))


def transfer(report: ModelsReport) -> Transfer:
    """The latest transfer of a report in words."""
    if report.phase == "running":
        return Transfer(True, _share(report), _running(report))
    if report.phase == "failed":
        return Transfer(text=sentence(report.text), is_problem=True)
    if report.phase == "done":
        return Transfer(text=_("{model} is installed.").format(model=report.made or report.what))
    if report.phase == "cancelled":
        return Transfer(text=_("{model} was cancelled.").format(model=report.what))
    return Transfer()


def _share(report: ModelsReport) -> float | None:
    return min(report.done / report.total, 1.0) if report.total else None


def _running(report: ModelsReport) -> str:
    if not report.done:
        return _("Installing {model}…").format(model=report.what)
    if report.done == report.total:
        return _("Checking {model}…").format(model=report.what)
    if not report.total:
        return _("{model}: {done}").format(model=report.what, done=_size(report.done))
    told = _("{model}: {done} of {total}")
    return told.format(model=report.what, done=_size(report.done), total=_size(report.total))


def _size(count: int) -> str:
    return _("{megabytes} MB").format(megabytes=f"{count / 1e6:.1f}" if count < 1e7 else f"{count / 1e6:.0f}")


class Awaited:
    """Which model is to be chosen when its transfer ends: that of a transfer which has been seen at work."""

    def __init__(self) -> None:
        self._number = 0

    def made(self, report: ModelsReport) -> str:
        """The id of a model that has just been installed, told once; empty otherwise."""
        if report.phase == "running":
            self._number = report.number
        elif report.number == self._number:
            self._number = 0
            return report.made
        return ""


def offers(ids: Collection[str], facts: Collection[ModelFacts], default: str, chosen: str) -> list[tuple[str, str]]:
    """The entries of the list of models: id and title, the empty id for the default one.

    Args:
        ids: of the installed models.
        facts: what is known of them; may be of fewer models.
        default: id of the default model, empty when unknown.
        chosen: an id that stays in the list although it is not installed, until the user decides.
    """
    titles = {model.id: label(model) for model in facts}
    first = _("Default ({model})").format(model=titles.get(default, default)) if default else _("Default")
    entries = [("", first), *((name, titles.get(name, name)) for name in ids)]
    if chosen and chosen not in ids:
        entries.append((chosen, chosen))
    return entries
