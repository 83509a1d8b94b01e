"""The exceptions that fewshot raises on purpose."""


class FewshotError(Exception):
    """The work failed; the message is one line: what happened, where, and how to mend it."""

    exit_code = 1


class InputError(FewshotError):
    """The command or its input was wrong: a file, an image or a settings key to be mended."""

    exit_code = 2
