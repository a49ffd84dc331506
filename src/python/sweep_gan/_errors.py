"""The exception that this package raises."""


class SweepError(Exception):
    """Something is missing or cannot be read. The message says what, where, and what to do.

    Example:
        >>> import sweep_gan
        >>> try:
        ...     sweep_gan.results("nowhere")
        ... except sweep_gan.SweepError as error:
        ...     print(error)
        there is no nowhere: name the home directory of a run (usually sweep-results), or its sweep.db
    """
