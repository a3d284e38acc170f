"""What an exception of a library says, in one line."""

import os


def said(error: BaseException) -> str:
    """Its first line; of an error of the file system the cause alone, as the caller names the file."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
