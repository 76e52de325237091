"""The pages of the book run without Sphinx, too, and a number in the text that the code does not give is an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is not part of this installation")
sys.path.append(str(DOCS / "_ext"))

HEAD = "---\nfile_format: mystnb\n---\n\n"
CELL = "```{code-cell} python\nx = 2 / 3\n```\n"


def pages() -> list[Path]:
    return [
        p for p in sorted(DOCS.rglob("*.md")) if p.read_text(encoding="utf-8").startswith("---\nfile_format: mystnb")
    ]


def executed(source: str) -> None:
    import shown

    names: dict[str, object] = {"__name__": "__main__"}
    for cell in shown.cells(source):
        exec(compile(cell, "<cell>", "exec"), names)


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("0.667", 2 / 3, True),
        ("0.666", 2 / 3, False),
        ("0.6667", 2 / 3, True),
        ("1,375", 1375, True),
        ("1,375", 1376, False),
        ("2.8e-11", 2.83e-11, True),
        ("2.8e-11", 2.9e-11, False),
        ("-0.5", -0.5, True),
        ("\N{MINUS SIGN}0.5", -0.5, True),
        ("0.5", -0.5, False),
        ("0.5", float("nan"), False),
        ("inf", float("inf"), True),
        ("(1, 4)", (1, 4), True),
        ("(1, 4)", (4, 1), False),
        ("True", True, True),
        ("0", 0.0, True),
        ("0", 0.2, False),
    ],
)
def test_numbers_are_those_that_round_to_the_text(text: str, value: object, right: bool) -> None:
    from shown import check

    if right:
        check(text, value, "x")
    else:
        with pytest.raises(AssertionError, match=re.escape(f"the text says {text} = x, which is {value}")):
            check(text, value, "x")


def test_bounds() -> None:
    from shown import check

    check("1e-12", 1e-13, "x", ">")
    check("3", 4, "x", "<")
    for text, value, sign in (("1e-12", 1e-11, ">"), ("1e-12", float("nan"), ">"), ("3", 3, "<")):
        with pytest.raises(AssertionError, match=re.escape(f"the text says {text} {sign} x")):
            check(text, value, "x", sign)


def test_checks_stand_behind_the_cells_that_they_are_about() -> None:
    import shown

    text = "It is {shown}`0.67 = x`, and in\n:::{note}\na box {shown}`0.7 = x`.\n:::\n"
    page = f"{HEAD}{CELL}\n{text}\n```{{code-cell}} python\nx = 0\n```\n"
    assert shown.cells(page) == [
        "x = 2 / 3\n",
        "from shown import check\ncheck('0.67', x, 'x', '=')\ncheck('0.7', x, 'x', '=')\n",
        "x = 0\n",
    ]
    executed(page)
    with pytest.raises(AssertionError, match=r"the text says 0\.68"):
        executed(page.replace("`0.67", "`0.68"))
    assert shown.with_checks(text) == text  # a page that is not executed


def test_lines_of_tables_of_other_packages_are_run() -> None:
    import shown

    page = f"{HEAD}{CELL}\n:::{{porting}} PyTorch\nx.item() => float(x)\n:::\n"
    assert shown.cells(page)[-1] == "from shown import check\nfloat(x)\n"
    with pytest.raises(NameError):
        executed(page.replace("float(x)", "float(y)"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_pages_run(page: Path) -> None:
    """In a process of their own, as at the build, where warnings do not count and pictures are set up."""
    pytest.importorskip("matplotlib")
    code = (
        "import sys, pathlib; sys.path.append(sys.argv[1]); import shown\n"
        "names = {'__name__': '__main__'}\n"
        "for cell in shown.cells(pathlib.Path(sys.argv[2]).read_text(encoding='utf-8')):\n"
        "    exec(compile(cell, '<cell>', 'exec'), names)\n"
    )
    environment = {"MPLBACKEND": "Agg", "ALICE_BOOK": str(DOCS.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(DOCS / "_ext"), str(page)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_links_and_what_pages_load(tmp_path: Path) -> None:
    import links

    (tmp_path / "a.html").write_text(
        '<h1 id="here"></h1><a href="b.html#there">x</a><a href="#here">x</a><a href="https://example.org">x</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p><img src="data:image/png;base64,"><a href="#">x</a>')
    assert links.broken(tmp_path) == []
    (tmp_path / "b.html").write_text(
        '<a href="c.html">x</a><a href="a.html#gone">x</a><script src="https://example.org/x.js"></script>'
        '<link rel="stylesheet" href="//example.org/x.css">'
    )
    assert sorted(links.broken(tmp_path)) == [
        "a.html: no anchor b.html#there",
        "b.html: loads //example.org/x.css",
        "b.html: loads https://example.org/x.js",
        "b.html: no anchor a.html#gone",
        "b.html: no file c.html",
    ]


WRONG = HEAD + "# A page\n\n" + CELL + "\nIt is {shown}`0.68 = x`.\n"


@pytest.mark.parametrize("text", [WRONG.replace("0.68", "0.67"), WRONG], ids=["right", "wrong"])
def test_a_wrong_number_fails_the_build(text: str, tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_nb")
    (tmp_path / "index.md").write_text(text, encoding="utf-8")
    (tmp_path / "conf.py").write_text(
        f"import os, sys\next = {str(DOCS / '_ext')!r}\nsys.path.insert(0, ext)\nos.environ['PYTHONPATH'] = ext\n"
        "extensions = ['myst_nb', 'shown']\nnb_execution_mode = 'force'\nnb_execution_show_tb = True\n",
        encoding="utf-8",
    )
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    if text == WRONG:
        assert done.returncode != 0
        assert "the text says 0.68 = x, which is 0.666" in done.stdout + done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert "0.67" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
