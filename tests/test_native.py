"""The native library by itself: it builds and computes without Python, and its parts know whom they may know."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "csrc"

with_sources = pytest.mark.skipif(not SOURCES.is_dir(), reason="csrc/ is not part of this installation")


def included(file: Path) -> list[str]:
    """What a file includes, in order, as it is written there."""
    return re.findall(r'^\s*#\s*include\s*[<"]([^">]+)[">]', file.read_text(encoding="utf-8"), re.MULTILINE)


@with_sources
@pytest.mark.parametrize(
    ("part", "may_know"),
    [("core", {"core"}), ("ops", {"core", "ops"}), ("program", {"core", "program"})],
)
def test_who_knows_whom(part: str, may_know: set[str]) -> None:
    files = [f for f in (SOURCES / part).rglob("*") if f.suffix in (".h", ".cpp", ".cu")]
    assert files
    for file in files:
        for name in included(file):
            assert not re.match(r"(Python\.h|pybind11|structmember\.h|numpy)", name), f"{file} includes {name}"
            target = (file.parent / name).resolve()
            if target.is_file():
                known = target.relative_to(SOURCES).parts[0]
                assert known in may_know, f"{file} includes {name}: {part} may know {sorted(may_know)} only"


def _build_of_this_python() -> Path | None:
    """The folder in which the installed extension was built: most of what the tests need lies there."""
    for cache in [*ROOT.glob("build/*/CMakeCache.txt"), Path(sys.prefix, "cmake", "CMakeCache.txt")]:
        text = cache.read_text(encoding="utf-8") if cache.is_file() else ""
        known = dict(re.findall(r"^(CMAKE_HOME_DIRECTORY|Python_EXECUTABLE):\w+=(.*)$", text, re.MULTILINE))
        python = Path(known.get("Python_EXECUTABLE", ""))
        if known.get("CMAKE_HOME_DIRECTORY") == str(ROOT) and python.parent == Path(sys.executable).parent:
            return cache.parent
    return None


def native_tests(elsewhere: Path) -> Path:
    """The tests of tests/native, built. What was built stays where builds go, if there is such a place."""
    if not SOURCES.is_dir():
        pytest.skip("csrc/ is not part of this installation")
    cmake = shutil.which("cmake", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if cmake is None:
        pytest.skip("cmake, which builds the tests, is not installed")
    if not any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))):
        pytest.skip("there is no C++ compiler")
    pytest.importorskip("scipy_openblas32", reason="the library links OpenBLAS")
    commands = []
    folder = _build_of_this_python()
    if folder is None:
        folder = ROOT / "build" / "native" if os.access(ROOT, os.W_OK) else elsewhere
        configure = [cmake, "-S", ROOT, "-B", folder, "-DALICE_NATIVE_TESTS=ON"]
        configure.append(f"-DPython_EXECUTABLE={sys.executable}")
        if not (folder / "CMakeCache.txt").exists() and shutil.which("ninja"):
            configure += ["-G", "Ninja"]
        commands = [configure]
    jobs = str(os.cpu_count())
    for command in [*commands, [cmake, "--build", folder, "--target", "alice_tests", "--parallel", jobs]]:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "alice_tests"


def test_the_library_needs_no_python(tmp_path: Path) -> None:
    program = native_tests(tmp_path)
    for level in ("baseline", "avx2", "avx512"):
        environment = {**os.environ, "ALICE_ISA": level}
        done = subprocess.run([program], capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, f"{level}: {done.stdout}{done.stderr}"


def test_an_unknown_level_is_refused() -> None:
    code = "import alice_core"
    environment = {**os.environ, "ALICE_ISA": "avx3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode != 0
    assert 'ImportError: ALICE_ISA: expected baseline, avx2 or avx512; got "avx3"' in done.stderr


@with_sources
@pytest.mark.skipif(not (ROOT / "CMakeLists.txt").is_file(), reason="CMakeLists.txt is not part of this installation")
def test_the_cpu_is_asked_for_every_extension_that_is_compiled_for() -> None:
    flags = re.findall(
        r"^set\(flags_avx\w+ (.*)\)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    extensions = {f[2:] for line in flags for f in line.split() if not f.startswith("-mprefer")}
    assert {"avx2", "fma", "avx512f"} <= extensions
    detection = (SOURCES / "core" / "isa.cpp").read_text(encoding="utf-8").lower()
    asked = set(re.findall(r'cpu_supports\("(\w+)"\)', detection)) | set(re.findall(r"bit_(\w+)", detection))
    assert extensions <= asked, f"compiled for {sorted(extensions - asked)} without asking the CPU"
