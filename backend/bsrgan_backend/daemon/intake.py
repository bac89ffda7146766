"""Checks of a SUBMIT before anything is allocated or reserved: pure functions on Python integers."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog
from bsrgan_backend.preference import preferred_model
from bsrgan_backend.settings import DEVICE_PATTERN, MODEL_PATTERN, Settings
from bsrgan_wire import limits, preview
from bsrgan_wire.messages import Submit
from bsrgan_wire.tasks import TASKS

SPACES = frozenset({"nonlinear"})

Size = tuple[int, int]
"""Width and height."""


def installed_models(root: Path) -> list[str]:
    """Ids of the models below `root`, sorted; a model is installed when its facts file is there."""
    try:
        return sorted(path.stem for path in (root / "models").glob("*.json") if re.fullmatch(MODEL_PATTERN, path.stem))
    except OSError:
        return []


def check_submit(submit: Submit, settings: Settings, models: Collection[str]) -> str:
    """Return the id of the model that the job will use, or "" to leave the choice to the worker.

    The worker chooses when the order names no model and the default one is not installed, but others are. A task that
    needs no model has none, whatever the order says.

    Args:
        submit: the order as decoded.
        settings: limits and the default model.
        models: ids of the installed models.

    Raises:
        BackendError: with the code that says what is wrong: BAD_DTYPE, ZERO_SIZE, BAD_SHAPE, TOO_MANY_PIXELS,
            BAD_PARAM or MODEL_MISSING.
    """
    _check_size("picture", submit.width, submit.height, settings.input_px)
    _check_option("task", submit.task, TASKS)
    if not sizes_itself(submit):
        check_result(submit.out_width, submit.out_height, settings)
    sizes = _preview_sizes(submit) if submit.task == preview.TASK else _sizes(submit)
    if not 1 <= submit.channels <= 4:
        raise BackendError("BAD_SHAPE", f"A picture has 1 to 4 channels, not {submit.channels}.")
    if submit.dtype not in limits.ITEM_BYTES:
        raise BackendError("BAD_DTYPE", f"Samples are one of {', '.join(limits.ITEM_BYTES)}; convert the picture.")
    _check_option("space", submit.space, SPACES)
    if not re.fullmatch(DEVICE_PATTERN, submit.device):
        raise BackendError("BAD_PARAM", "The device is auto, cpu, gpu or gpu:N.")
    if not TASKS[submit.task].needs_model:
        return ""
    model = submit.model or preferred_model(models, settings.model, _factor(*sizes))
    if not re.fullmatch(MODEL_PATTERN, model):
        raise BackendError("BAD_PARAM", "The model's name is not valid; 'gimp-bsrgan models list' names them.")
    if model not in models:
        if models and not submit.model:
            return ""
        raise _missing(model)
    return model


def _missing(model: str) -> BackendError:
    text = f"The model {model} is not installed; get it with 'gimp-bsrgan models download {model}' or choose another."
    if catalog.find(model) is None:
        text = f"The model {model} is not installed; 'gimp-bsrgan models list' shows what there is."
    return BackendError("MODEL_MISSING", text)


def sizes_itself(submit: Submit) -> bool:
    """Whether an order of a known task leaves the size of its result to the task."""
    return TASKS[submit.task].sizes_itself and submit.out_width == submit.out_height == 0


def check_result(width: int, height: int, settings: Settings) -> None:
    """Check the size of a result, asked for or told by the worker.

    Raises:
        BackendError: ZERO_SIZE, BAD_SHAPE or TOO_MANY_PIXELS.
    """
    _check_size("result", width, height, settings.output_px)


def _sizes(submit: Submit) -> tuple[Size, Size]:
    return (submit.width, submit.height), (submit.out_width, submit.out_height)


def _preview_sizes(submit: Submit) -> tuple[Size, Size]:
    """The sizes of the whole picture and its result of which a preview shows a part, after a look at where it lies."""
    try:
        place = preview.Place.read(submit.params, submit.width, submit.height, submit.out_width, submit.out_height)
    except ValueError as error:
        raise BackendError("BAD_PARAM", str(error)) from None
    return place.picture, place.result


def _factor(picture: Size, result: Size) -> float:
    """How many times as large the result is, by the side that grows more."""
    return max(large / small for large, small in zip(result, picture, strict=True))


def _check_size(what: str, width: int, height: int, most_px: int) -> None:
    if width == 0 or height == 0:
        raise BackendError("ZERO_SIZE", f"The {what} is empty; choose a layer or selection with at least one pixel.")
    if width < 0 or height < 0:
        raise BackendError("BAD_SHAPE", f"The {what} has a negative size.")
    if width > limits.SIDE_PX or height > limits.SIDE_PX:
        raise BackendError(
            "TOO_MANY_PIXELS", f"A side of the {what} is longer than {limits.SIDE_PX} pixels; select a smaller area."
        )
    if width * height > most_px:
        raise BackendError(
            "TOO_MANY_PIXELS",
            f"The {what} has {width * height / 1e6:.0f} megapixels, {most_px / 1e6:.0f} are allowed; "
            "select a smaller area.",
        )


def _check_option(name: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise BackendError("BAD_PARAM", f"The {name} is one of: {', '.join(sorted(allowed))}.")
