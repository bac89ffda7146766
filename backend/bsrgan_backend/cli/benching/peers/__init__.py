"""Other runtimes with the same network: scripts that the Python of another environment runs by their path.

They import nothing of this project's packages, which that environment does not have. `runner.py` is the one that is
called; it loads a neighbour by its name. Their libraries are no dependencies of the project, so each is imported by
name when its script is loaded: neither the project's environment nor its checkers ever need them.
"""
