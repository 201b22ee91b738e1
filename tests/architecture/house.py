"""The house as files: members, modules, migrations, tests."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway-adapter", "retry-scheduler", "notifier", "portal-api")


@cache
def tracked() -> tuple[Path, ...]:
    """Give every file that belongs to the repository, new ones that are not ignored included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def package_of(service: str) -> Path:
    """Give the folder of a service's package."""
    name = f"recoup_{service.replace('-', '_')}"
    return ROOT / "services" / service / "src" / name


def is_test(path: Path) -> bool:
    """Tell whether a file belongs to tests."""
    return "tests" in path.relative_to(ROOT).parts or path == ROOT / "conftest.py"


@cache
def syntax(path: Path) -> ast.Module:
    """Give a module's syntax tree."""
    return ast.parse(path.read_text(), str(path))


def relative(path: Path) -> str:
    """Give a path as a person names it."""
    return path.relative_to(ROOT).as_posix()
