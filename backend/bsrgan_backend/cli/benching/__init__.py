"""What `gimp-bsrgan bench` does: this engine beside other runtimes, the daemon beside the engine, each claim judged."""
