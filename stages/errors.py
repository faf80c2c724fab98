"""Errors that a person is meant to read."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something is wrong that the user can mend; the message says what, where and what to do."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; where the user has something to mend, end with one message on standard error and status 1.

    That is a UserError, or what the operating system says of a disk that is full or a folder that is read-only.
    """
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
