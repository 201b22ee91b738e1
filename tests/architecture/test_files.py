"""Files: their size, their names, and what no file may contain."""

import re
from collections import Counter
from pathlib import Path

import pytest

from .house import ROOT, is_test, relative, tracked

LINES, LINES_OF_A_TEST = 400, 500
NAMELESS = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

PYTHON = [path for path in tracked() if path.suffix == ".py"]
TEXTS = [
    path for path in tracked() if path.suffix not in {".png", ".ico", ".woff2"} and path != Path(__file__)
]
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
A_MACHINES_PATH = re.compile(r"(?<![\w.$~*-])/(work|root|farm|home|Users)/[\w.]")
AN_INDEX = re.compile(
    r"https?://[a-z0-9.-]*(pypi|pythonhosted|maven|npmjs|goproxy|golang|crates|debian)[a-z0-9.-]*"
)


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    """Every line that matches, as file:line."""
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def read(paths: list[Path]) -> dict[str, str]:
    """The files' text by name."""
    return {relative(path): path.read_text() for path in paths}


def test_no_file_has_outgrown_its_idea() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PYTHON}
    limits = {path: LINES_OF_A_TEST if is_test(path) else LINES for path in PYTHON}
    assert [f"{relative(path)}: {n}" for path, n in lengths.items() if n > limits[path]] == []


def test_every_module_is_named_for_what_it_does() -> None:
    nameless = [relative(path) for path in PYTHON if NAMELESS & {path.stem, *path.relative_to(ROOT).parts}]
    assert nameless == []


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in PYTHON if path.name.startswith("test_"))
    assert [name for name, times in names.items() if times > 1] == []


def test_nothing_is_left_unfinished() -> None:
    assert (
        lines_with(UNFINISHED, read([path for path in TEXTS if path.suffix in {".py", ".sql", ".sh", ""}]))
        == []
    )


def test_no_file_names_a_path_of_one_machine_or_a_package_index() -> None:
    texts = read(TEXTS)
    assert lines_with(A_MACHINES_PATH, texts) == []
    assert lines_with(AN_INDEX, texts) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "x = 1  # TODO later"),
        (UNFINISHED, "raise NotImplementedError"),
        (A_MACHINES_PATH, 'open("/root/.config/recoup")'),
        (A_MACHINES_PATH, "see /home/ann/recoup"),
        (AN_INDEX, "--index-url https://pypi.example.org/simple"),
    ],
)
def test_what_is_looked_for_is_found(pattern: re.Pattern[str], line: str) -> None:
    assert lines_with(pattern, {"planted": f"fine\n{line}\n"}) == [f"planted:2: {line}"]


@pytest.mark.parametrize("line", ["https://example.com/home/x", "~/root/x", "$HOME/work/x", "hackney"])
@pytest.mark.parametrize("pattern", [UNFINISHED, A_MACHINES_PATH, AN_INDEX])
def test_what_looks_alike_is_left_alone(pattern: re.Pattern[str], line: str) -> None:
    assert lines_with(pattern, {"": line}) == []
