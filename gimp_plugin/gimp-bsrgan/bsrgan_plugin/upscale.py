"""One run of the filter: checks, dialog, pixels to the daemon and back, result into the picture."""

from __future__ import annotations

from dataclasses import replace

from gi.repository import Gimp

from bsrgan_plugin import job, outcomes, progress, several
from bsrgan_plugin.layers import limit_cache, with_outside
from bsrgan_plugin.outputs import OutputMode, place
from bsrgan_plugin.remarks import remarks_of_all, remarks_of_outside
from bsrgan_plugin.sizing_arguments import sizing_of
from bsrgan_plugin.targets import source_of, the_layers
from bsrgan_plugin.translation import _, sentence
from bsrgan_plugin.upscale_options import options_of


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> job.Done:
    """Run the filter.

    Args:
        procedure: `plug-in-bsrgan-upscale`.
        run_mode: INTERACTIVE shows the dialog first.
        image: the picture.
        drawables: what is selected in it; one layer or more.
        config: the arguments; the dialog writes into it.

    Raises:
        Exception: whatever ended the run; `outcomes.of_error` knows the sentence. The picture is as it was then.
    """
    limit_cache()
    layers = the_layers(image, drawables)
    sources = [source_of(image, layer) for layer in layers]
    if run_mode == Gimp.RunMode.INTERACTIVE:
        from bsrgan_plugin import dialog

        if not dialog.ask(procedure, config, layers, sources):
            raise outcomes.Cancelled
    options = options_of(config)
    sources = [replace(source, asked=sizing_of(config)) for source in sources]
    sources = [with_outside(source, layer) for source, layer in zip(sources, layers, strict=True)]
    # The name of the result tells the factor, whichever way the size was asked for.
    options = replace(options, scale=place(sources[0], options.mode, options.scale).factor)
    # Whoever saw the dialog has read them there.
    told = () if run_mode == Gimp.RunMode.INTERACTIVE else remarks_of_all(layers, options.mode)
    told += remarks_of_outside(sources)
    with progress.open_progress(run_mode, _("BSRGAN Upscale")) as shown:
        if len(layers) == 1 and (options.mode is OutputMode.NEW_IMAGE or not layers[0].is_indexed()):
            done = job.upscale(layers[0], sources[0], options, shown)
        else:
            done = several.upscale(layers, sources, options, shown)
    if run_mode != Gimp.RunMode.NONINTERACTIVE:
        if options.mode is OutputMode.NEW_IMAGE:
            display(done.image)
        for note in (*told, *done.notes):
            Gimp.message(sentence(note))
    Gimp.displays_flush()
    return done


def display(image: Gimp.Image) -> None:
    """Show a new picture, if there is a screen."""
    try:
        Gimp.Display.new(image)
    except TypeError:
        # A GIMP without a screen makes no display; the picture is returned all the same.
        return
