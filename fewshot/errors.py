"""The exceptions that fewshot raises on purpose."""


class FewshotError(Exception):
    """The work failed; the message is one line: what happened, where, and how to fix it.

    Where several things are wrong at once, such as keys of a settings file, each is an argument.
    """

    exit_code = 1

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.args)


class InputError(FewshotError):
    """The command or its input was wrong: a file, an image or a settings key to be mended."""

    exit_code = 2
