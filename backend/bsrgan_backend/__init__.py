"""The backend of gimp-bsrgan: daemon, worker, engine, imaging, models and command line."""
