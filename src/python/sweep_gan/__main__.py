"""Starts the executable `sweep` in this package: pip's script `sweep` and `python -m sweep_gan` call it."""

import os
import signal
import sys

PROGRAM = "sweep"


def main() -> None:
    """Becomes `sweep`, with this process's arguments: the executable keeps its id and streams and sets its exit code.

    Exits with 3, as `sweep` does where something is missing, if the executable cannot be started.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    program = os.path.join(folder, "bin", PROGRAM)
    # With `python -m`, argv[0] is the path of this file.
    name = PROGRAM if sys.argv[0] == __file__ else sys.argv[0]
    find_torch(os.path.dirname(folder))
    # Python ignores these two signals, and a program started by exec inherits that.
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(program, [name, *sys.argv[1:]])
    except OSError as error:
        print(f"error: cannot start {program}: {error.strerror}: install sweep-gan again", file=sys.stderr)
        sys.exit(3)


def find_torch(packages: str) -> None:
    """Tells `sweep-worker` where torch is, unless it is in the folder `packages`, where the worker looks by itself."""
    if os.path.isdir(os.path.join(packages, "torch", "lib")):
        return
    from importlib.util import find_spec

    # Importing torch would take seconds; finding it does not.
    found = find_spec("torch")
    places = found.submodule_search_locations if found else None
    libraries = [os.path.join(place, "lib") for place in places or () if os.path.isdir(os.path.join(place, "lib"))]
    before = [path for path in [os.environ.get("LD_LIBRARY_PATH")] if path]
    if libraries:
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(libraries + before)


if __name__ == "__main__":
    main()
