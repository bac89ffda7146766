"""The steps of the installer; standard library only, it runs before anything is installed."""
