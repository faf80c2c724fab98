"""Where a file of the project can be read."""

from publishing import repository
from publishing.blocks import ROOT

ADDRESS = "https://example.org/a/b"


def test_without_an_address_nothing_is_linked() -> None:
    assert repository.address_of("", "tests/lock.py", "write_lock") == ""


def test_a_link_leads_to_the_line_of_the_function() -> None:
    address, _, line = repository.address_of(f"{ADDRESS}.git", "tests/lock.py", "write_lock").partition("#L")
    assert address == "https://example.org/a/b/blob/HEAD/tests/lock.py"
    lines = (ROOT / "tests/lock.py").read_text(encoding="utf-8").splitlines()
    assert lines[int(line) - 1].startswith("def write_lock(")


def test_a_test_that_a_page_names_is_linked_where_there_is_an_address() -> None:
    path, test = "tests/publishing/test_words.py", "test_words_are_listed"
    names = (
        "<code>tests/<wbr>publishing/<wbr>test_<wbr>words.py</code><br>"
        "<code>test_<wbr>words_<wbr>are_<wbr>listed</code>"
    )
    row = "| It holds. | {} | `tests/a.py` alone |"
    named = row.format(f"`{path}` `{test}`")
    assert repository.named_tests(named, "") == row.format(names)
    linked = f"[{names}]({repository.address_of(ADDRESS, path, test)})"
    assert repository.named_tests(named, ADDRESS) == row.format(linked)
