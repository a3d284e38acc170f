"""A summary has a title, a headline and bullets, and shows text as it is."""

import pytest

from tasks.page.summary import headline, listed, shortened, summary


def test_a_summary_gives_its_headline_back():
    text = summary("szt", "Layer 5 is robust.", [("β = 0.1", ["One.", "Two."]), ("", ["Three."])])
    assert text == "# szt\n\nLayer 5 is robust.\n\n* **β = 0.1.** One. Two.\n* Three.\n"
    assert headline(text) == "Layer 5 is robust."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("# title\n", ""),
        ("# title\n\n* a bullet\n", ""),
        ("# title\n\n1. a step\n", ""),
        ("one line", "one line"),
        ("# title\ntwo\nlines\n\nmore", "two lines"),
        ("\n\n# title\n\n## part\n\nfirst words\r\nand more\n", "first words and more"),
    ],
)
def test_the_headline_is_the_first_paragraph_if_there_is_one(text, found):
    assert headline(text) == found


def test_text_is_never_markup():
    hostile = "<b>x</b> *y* `z` [a](b) c_d\n\n# e"
    text = summary(hostile, "Plain.", [(hostile, [hostile])])
    assert text.count("\n# ") == 0 and "<b>" not in text.replace("\\<b\\>", "") and "\\*y\\*" in text
    assert headline(text) == "Plain."


def test_a_headline_keeps_the_parts_that_fit():
    assert shortened(["first", "x" * 300, "", "last"]) == "First; last."
    assert shortened([]) == "" and len(shortened(["a" * 99, "b" * 99])) <= 200


def test_lists_are_words():
    assert (listed([]), listed([1]), listed([1, 2]), listed([1, 2, 3], "or")) == ("", "1", "1 and 2", "1, 2 or 3")
