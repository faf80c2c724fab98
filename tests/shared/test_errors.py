import pytest

from stages.shared.errors import UserError, run

MEND = "no file is left half-written: mend this and run it again"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UserError("what, where, what to do"), "error: what, where, what to do"),
        (OSError(28, "No space left on device", "x.npy"), f"error: x.npy: No space left on device; {MEND}"),
        (OSError(18, "Invalid cross-device link", "x", None, "y"), f"error: y: Invalid cross-device link; {MEND}"),
        (OSError("no number"), f"error: no number; {MEND}"),
        (MemoryError("8 GB"), "error: not enough memory (8 GB); close other programs, or work on fewer images at once"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_what_the_user_can_mend_ends_with_its_message(error: BaseException, message: str) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run(fail)
    assert caught.value.code == message


def test_a_fault_of_the_program_is_shown_in_full() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(fail)
