"""What cannot be upscaled is refused in one sentence that names the way out, and nothing changes."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "upscale_refusals"


@pytest.mark.parametrize(
    ("check", "status", "word"),
    [
        ("check_empty_group", "CALLING_ERROR", "group"),
        ("check_mask", "CALLING_ERROR", "mask"),
        ("check_channel", "CALLING_ERROR", "channel"),
        ("check_selection", "CALLING_ERROR", "layer"),
        ("check_floating_mask", "CALLING_ERROR", "floating"),
        ("check_nothing", "CALLING_ERROR", "Select a layer"),
        ("check_mask_among_layers", "CALLING_ERROR", "mask"),
        ("check_selection_beside", "CALLING_ERROR", "selection"),
        ("check_nan", "EXECUTION_ERROR", "NaN"),
        ("check_one_of_several", "EXECUTION_ERROR", "NaN"),
        ("check_infinite", "EXECUTION_ERROR", "infinite"),
        ("check_unknown_model", "EXECUTION_ERROR", "model"),
        ("check_model_path", "EXECUTION_ERROR", "model"),
        ("check_too_long", "CALLING_ERROR", "smaller area"),
        ("check_canvas_too_long", "CALLING_ERROR", "smaller scale"),
        *((check, "CALLING_ERROR", "picture's layers") for check in cases(INSIDE, "check_foreign")),
        *((check, "CALLING_ERROR", "") for check in cases(INSIDE, "check_argument")),
    ],
)
def test_refused(outcome, status, word):
    """The status is not SUCCESS, the text is one sentence that says what to do, the picture is as it was."""
    ended = outcome.unwrap()
    assert ended["status"] == status, ended["text"]
    assert word in ended["text"]
    assert ended["text"].endswith(".")
    assert "\n" not in ended["text"]
    assert "Traceback" not in outcome.log
