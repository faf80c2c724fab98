"""How a program ends: with an error that a person is meant to read, or with the `dvc repro` that runs it."""

import os
import sys
import threading
import time
from collections.abc import Callable


class UserError(Exception):
    """Something is wrong that the user can mend; the message says what, where and what to do."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; where the user has something to mend, end with one message on standard error and status 1.

    That is a UserError, a disk that is full, a folder that is read-only or the like, or too little memory.
    """
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        path = error.filename2 or error.filename  # the second is the one written, where there are two
        where = f"{path}: " if path else ""
        sys.exit(f"error: {where}{error.strerror or error}; no file is left half-written: mend this and run it again")
    except MemoryError as error:
        sys.exit(f"error: not enough memory ({error}); close other programs, or work on fewer images at once")
    except KeyboardInterrupt:
        sys.exit("interrupted")


def _end_with(parent: int) -> None:
    """End this process soon after its parent: a stage must not go on writing when `dvc repro` was killed."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
