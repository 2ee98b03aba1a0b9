"""What becomes of names that people and programs give to files."""

import pytest

from talas.core.filenames import MAX_FILENAME_BYTES, clean_filename


@pytest.mark.parametrize(
    "name",
    [
        "manual.pdf",
        "Größe & Maße (v2).pdf",
        "été à Nîmes.md",
        "説明書.pdf",
        "family \U0001f469\u200d\U0001f469\u200d\U0001f467.png",
        "می\u200cخواهم.txt",
        "two  spaces.txt",
        "tape<b>&\"'`$(x);|.txt",
        "100%25.pdf",
        ".hidden.pdf",
        "many...dots.pdf",
        "UPPER.PDF",
    ],
)
def test_names_stay_as_they_are(name: str) -> None:
    assert clean_filename(name) == name


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("/etc/cron.d/x.txt", "x.txt"),
        ("..\\..\\windows\\x.txt", "x.txt"),
        ("C:\\Users\\me\\invoice.pdf", "invoice.pdf"),
        ("\\\\server\\share\\invoice.pdf", "invoice.pdf"),
        ("invoice.pdf\0.png", "invoice.pdf.png"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie: x=1.pdf"),
        ("tab\there\x1b[2J\x7f\x9b.txt", "tabhere[2J.txt"),
        ("exe\u202efdp.pdf", "exefdp.pdf"),
        ("\ufeffbom\u200e\u2066.pdf", "bom.pdf"),
        ("line\u2028break\u2029.pdf", "linebreak.pdf"),
        ("half \ud83d.pdf", "half .pdf"),
        ("  around.pdf  ", "around.pdf"),
        ("trailing.pdf. . .", "trailing.pdf"),
        (".pdf", "file.pdf"),
        ("....pdf", "file.pdf"),
        (" . .pdf", "file.pdf"),
        ("\u200d.pdf", "file.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("nul.tar.zip", "_nul.tar.zip"),
        ("Com1.txt", "_Com1.txt"),
        ("lpt\u00b2.txt", "_lpt\u00b2.txt"),
        ("aux", "_aux"),
        ("console.txt", "console.txt"),
        ("no ending", "no ending"),
    ],
)
def test_what_is_cleaned(name: str, cleaned: str) -> None:
    assert clean_filename(name) == cleaned


@pytest.mark.parametrize("name", ["", ".", "..", "...", "/", "a/", "\0", " \r\n ", "\u202e"])
def test_nothing_to_go_by(name: str) -> None:
    assert clean_filename(name) == ""


@pytest.mark.parametrize("letter", ["x", "é", "説", "\U0001f3b9"])
def test_long_names_keep_their_ending_and_whole_characters(letter: str) -> None:
    cleaned = clean_filename(letter * 300 + ".docx")
    assert cleaned.endswith(letter + ".docx")
    assert set(cleaned.removesuffix(".docx")) == {letter}
    size = len(cleaned.encode())
    assert MAX_FILENAME_BYTES - len(letter.encode()) < size <= MAX_FILENAME_BYTES


def test_a_long_ending_is_cut_as_well() -> None:
    assert len(clean_filename("a." + "é" * 300).encode()) <= MAX_FILENAME_BYTES
    assert len(clean_filename("con." + "x" * 300).encode()) <= MAX_FILENAME_BYTES
