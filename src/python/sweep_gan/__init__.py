"""Results, trained generators and samples of sweep, the orchestrator of GAN experiments, for Python.

    import sweep_gan

    rows = sweep_gan.results("sweep-results", "quickstart")            # one row for each job: settings, final scores
    curve = sweep_gan.history("sweep-results", "quickstart", metric="wasserstein")
    net = sweep_gan.generator(rows[0]["job"])                          # a torch.nn.Sequential
    points = sweep_gan.samples(rows[0]["job"], n=1000)

These functions only read: they write nothing into a home directory, and they work while a run is going on there. Each
imports pandas, numpy or torch only if it needs it. Errors are `SweepError`; the message says what is wrong, where, and
what to do.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import SweepError
    from ._generator import generator
    from ._samples import samples
    from ._tables import history, results

__all__ = ["SweepError", "generator", "history", "results", "samples"]

# The command `sweep` imports this package at every start, so modules that it does not need load on first use.
_PLACES = {
    "SweepError": "_errors",
    "generator": "_generator",
    "history": "_tables",
    "results": "_tables",
    "samples": "_samples",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("sweep-gan")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f".{_PLACES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list:
    return sorted([*globals(), *__all__])
