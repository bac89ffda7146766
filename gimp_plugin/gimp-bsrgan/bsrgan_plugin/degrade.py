"""One run of the degradation: checks, dialog, jobs, and what the user is told at the end."""

from __future__ import annotations

from gi.repository import Gimp

from bsrgan_plugin import degrading, outcomes, progress
from bsrgan_plugin.degrade_arguments import options_of
from bsrgan_plugin.layers import limit_cache, with_outside
from bsrgan_plugin.outputs import OutputMode
from bsrgan_plugin.remarks import remarks_of_outside
from bsrgan_plugin.targets import source_of, the_layer
from bsrgan_plugin.translation import _, sentence
from bsrgan_plugin.upscale import display


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> degrading.Done:
    """Run the filter.

    Args:
        procedure: `plug-in-bsrgan-degrade`.
        run_mode: INTERACTIVE shows the dialog first.
        image: the picture.
        drawables: what is selected in it; must be one layer.
        config: the arguments; the dialog writes into it.

    Raises:
        Exception: whatever ended the run; `outcomes.of_error` knows the sentence. The picture is as it was then.
    """
    limit_cache()
    layer = the_layer(image, drawables)
    source = source_of(image, layer)
    if run_mode == Gimp.RunMode.INTERACTIVE:
        from bsrgan_plugin import degrade_dialog

        if not degrade_dialog.ask(procedure, config, layer, source):
            raise outcomes.Cancelled
    options = options_of(config)
    source = with_outside(source, layer)
    with progress.open_progress(run_mode, _("BSRGAN Degradation")) as shown:
        done = degrading.degrade(layer, source, options, shown)
    if run_mode != Gimp.RunMode.NONINTERACTIVE:
        if options.asked.output is OutputMode.NEW_IMAGE:
            display(done.image)
        for note in (*remarks_of_outside([source]), *done.notes):
            Gimp.message(sentence(note))
    Gimp.displays_flush()
    return done
