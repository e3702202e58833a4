"""Builds the source distribution and the wheels into dist/, and checks each.

Wheels that run here are tried in a clean environment, with no compiler on the PATH: the examples of
the README, the command, the types, the size and the time of the import. A target of Rust that this
machine lacks is left out, and so is a trial in an interpreter that it lacks. A line says so.

usage: wheels.py [--target TARGET ...]
"""

import argparse
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile

if sys.platform != "win32":
    import resource

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LINUX = {
    "x86_64-unknown-linux-gnu": "manylinux2014",
    "aarch64-unknown-linux-gnu": "manylinux2014",
    "x86_64-unknown-linux-musl": "musllinux_1_2",
    "aarch64-unknown-linux-musl": "musllinux_1_2",
}
MOST_BYTES = 6_000_000
MOST_IMPORT_SECONDS = 0.030
MUST_HOLD = (
    r"sluicegate/_core\.pyi",
    r"sluicegate/py\.typed",
    r"sluicegate/tables/.*\.toml",
    r"sluicegate-[^/]*\.dist-info/licenses/LICENSE-MIT",
    r"sluicegate-[^/]*\.dist-info/licenses/THIRD-PARTY-LICENSES\.txt",
    r"sluicegate-[^/]*\.dist-info/sboms/.*\.json",
)
#: A link to a file of this repository.
LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class TrialError(Exception):
    """A wheel is not as it must be."""


def main() -> None:
    """Build, check, try."""
    parser = argparse.ArgumentParser(description="Builds, checks and tries the wheels.")
    parser.add_argument("--target", action="append", help="a target of Rust; by default Linux's")
    targets = parser.parse_args().target or list(LINUX)
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    found = dict(interpreters())
    for version in PYTHONS:
        if version not in found:
            left_out(f"a trial in Python {version}", "this machine has no such interpreter")
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        lay_out(source)
        maturin(source, "sdist", "--out", str(DIST))
        for target in targets:
            build(source, target, found)
    problems = [problem for path in sorted(DIST.iterdir()) for problem in check(path, found)]
    report()
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    sys.exit(bool(problems))


def lay_out(source: Path) -> None:
    """Copies what is built: the files of the repository, with the README as PyPI needs it."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, run(*words).split("\0")):
        if (ROOT / name).is_file():  # One that was removed is still listed.
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    readme = source / "README.md"
    readme.write_text(for_pypi(readme.read_text(encoding="utf-8")), encoding="utf-8")


def for_pypi(readme: str) -> str:
    """The first page, with links that lead somewhere where no other page stands beside it."""
    [home] = re.findall(r'^Source = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    def whole(link: re.Match[str]) -> str:
        path = link.group(1)
        return f"]({home}/{'raw' if path.endswith('.png') else 'blob'}/main/{path})"

    return LINK.sub(whole, readme)


def build(source: Path, target: str, found: dict[str, str]) -> None:
    """All wheels for one target."""
    if not has_target(target):
        left_out(
            target, "this machine's Rust cannot build for it, and could not fetch what is missing"
        )
        return
    words = ["build", "--release", "--strip", "--locked", "--out", str(DIST), "--target", target]
    if target in LINUX:
        words += ["--zig", "--compatibility", LINUX[target]]
    # For another machine maturin knows each interpreter; for this one it asks it.
    here = found if runs_here(target) else {}
    missing = target not in LINUX and here  # Only with zig maturin knows one that is not there.
    names = [
        here.get(version, f"python{version}")
        for version in PYTHONS
        if version in here or not missing
    ]
    maturin(source, *words, *(word for name in names for word in ("-i", name)))


def check(path: Path, found: dict[str, str]) -> Iterator[str]:
    """What is wrong with a file in dist/."""
    try:
        run(sys.executable, "-m", "twine", "check", "--strict", str(path))
        if path.suffix != ".whl":
            yield from strangers(path)
            return
        if path.stat().st_size > MOST_BYTES:
            yield f"{path.name} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}"
        names = zipfile.ZipFile(path).namelist()
        # Anything else would lie beside all other packages, where it is installed.
        if others := {name.partition("/")[0] for name in names} - {*folders(path)}:
            yield f"{path.name} holds {', '.join(sorted(others))} beside its own folders"
        for pattern in MUST_HOLD:
            if not any(re.fullmatch(pattern, name) for name in names):
                yield f"{path.name} holds nothing like {pattern}"
        if "musllinux" in path.name:
            yield from musl_needs(path)
        elif "linux" in path.name:
            run(sys.executable, "-m", "auditwheel", "show", str(path))
        python = interpreter_for(path, found)
        if python is not None:
            try_out(path, python)
    except TrialError as failure:
        yield f"{path.name}: {failure}"


def strangers(sdist: Path) -> Iterator[str]:
    """What a source distribution holds that is no file of this repository."""
    known = {*run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()}
    with tarfile.open(sdist) as files:
        names = {name.partition("/")[2] for name in files.getnames()} - {"PKG-INFO"}
    if others := names - known:
        yield f"{sdist.name} holds {len(others)} strange files, such as {min(others)}"


def folders(wheel: Path) -> tuple[str, str]:
    """What a wheel installs: the package, and what is said of it."""
    name, version, *_ = wheel.name.split("-")
    return name, f"{name}-{version}.dist-info"


def musl_needs(wheel: Path) -> Iterator[str]:
    """What an extension for musl links but musl itself.

    auditwheel looks for libraries on this machine. Where this is glibc's, its `libc.so` is a script
    for the linker, on which auditwheel fails.
    """
    with zipfile.ZipFile(wheel) as files:
        for name in files.namelist():
            if name.endswith(".so"):
                dynamic = ELFFile(io.BytesIO(files.read(name))).get_section_by_name(".dynamic")
                needed = {
                    tag.needed for tag in dynamic.iter_tags() if tag.entry.d_tag == "DT_NEEDED"
                }
                if others := needed - {"libc.so"}:
                    yield f"{wheel.name}: {name} links {', '.join(sorted(others))}"


def try_out(wheel: Path, python: str) -> None:
    """Installs a wheel where there is no compiler, and uses it as its reader would.

    Raises:
        TrialError: Something does not work; with what it printed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(python, "-m", "venv", str(folder / "env"))
        bin_ = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        clean = {**os.environ, "PATH": os.pathsep.join([str(bin_), "/usr/bin", "/bin"])}
        clean.pop("PYTHONPATH", None)
        if os.name != "nt" and shutil.which("cargo", path=clean["PATH"]):
            raise TrialError("there is a cargo on the clean PATH: this would prove nothing")
        inside = str(bin_ / "python")
        run(inside, "-m", "pip", "install", "--quiet", str(wheel), env=clean)
        version = run(str(bin_ / "sluicegate"), "--version", env=clean, cwd=folder)
        if not version.startswith("sluicegate, version "):
            raise TrialError(f"sluicegate --version says {version!r}")
        for example in EXAMPLE.findall((ROOT / "README.md").read_text(encoding="utf-8")):
            if "sqlite:///" in example and sys.platform != "linux":
                left_out("the README's shared budget", "a budget in a file needs Linux")
                continue
            run(inside, "-W", "error", "-c", example, env=clean, cwd=folder)
        more = import_seconds(inside, clean)
        if more > MOST_IMPORT_SECONDS:
            raise TrialError(
                f"import sluicegate takes {more * 1e3:.0f} ms more than an empty interpreter"
            )
        types(inside, folder)
    print(f"tried: {wheel.name}: examples, command, types; the import takes {more * 1e3:.0f} ms")


def types(python: str, folder: Path) -> None:
    """The installed package is typed: mypy, strictly, and pyright make the same of an example."""
    example = folder / "example.py"
    example.write_text((ROOT / "make" / "typed_example.py").read_text(encoding="utf-8"))
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        python,
        "--config-file=",
        str(example),
        cwd=folder,
    )
    run(sys.executable, "-m", "pyright", "--pythonpath", python, str(example), cwd=folder)


def import_seconds(python: str, environ: dict[str, str]) -> float:
    """How much longer an interpreter takes that imports sluicegate.

    The fastest of many runs of each, in CPU time: what else runs on a busy machine can only add to
    it, by a third where 20 programs share two cores.
    """

    def seconds(code: str) -> float:
        begin = of_children()
        run(python, "-c", code, env=environ)
        return of_children() - begin

    seconds("import sluicegate")  # Compiles the modules once.
    pairs = [(seconds("pass"), seconds("import sluicegate")) for _ in range(41)]
    empty, importing = map(min, zip(*pairs, strict=True))
    return importing - empty


def of_children() -> float:
    """CPU seconds of all programs that have been run; on Windows, the time that has passed."""
    if sys.platform == "win32":
        return time.perf_counter()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interpreters() -> Iterator[tuple[str, str]]:
    """(version, program) of each interpreter of CPython that this machine has."""
    for version in PYTHONS:
        names = [
            f"python{version}",
            *(str(p) for p in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
        ]
        if os.name == "nt":  # There each has the same name, in a folder of its own.
            folders = os.environ["PATH"].split(os.pathsep)
            names += [str(Path(folder, "python.exe")) for folder in folders]
        for name in names:
            ask = (
                "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2], sys.executable)"
            )
            try:
                said = subprocess.run([name, "-c", ask], capture_output=True, text=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            if said.stdout.split()[:1] == [version]:
                yield version, said.stdout.split(maxsplit=1)[1].strip()
                break


def interpreter_for(wheel: Path, found: dict[str, str]) -> str | None:
    """The interpreter of this machine that a wheel is for; None if there is none."""
    _, _, python, _, tags = wheel.stem.split("-")
    version = f"3.{python.removeprefix('cp3')}"
    windows = os.name == "nt" and "win_amd64" in tags
    same = any(tag.endswith(platform.machine().lower()) for tag in tags.split("."))
    if not windows and (not same or "musllinux" in tags):
        return None
    return found.get(version)


def has_target(target: str) -> bool:
    """Whether Rust can build for a target; what it lacks is fetched if it can be."""
    if shutil.which("rustup") is None:
        return runs_here(target)
    listed = subprocess.run(
        ["rustup", "target", "list", "--installed"], capture_output=True, text=True, check=False
    )
    if target in listed.stdout.split():
        return True
    added = subprocess.run(["rustup", "target", "add", target], capture_output=True, check=False)
    return added.returncode == 0


def runs_here(target: str) -> bool:
    """Whether what is built for a target runs on this machine's Rust."""
    host = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return f"host: {target}\n" in host


def maturin(source: Path, *words: str) -> None:
    """Run maturin, which finds zig by this interpreter; what it says is shown."""
    environ = {"CARGO_TARGET_DIR": str(ROOT / "target"), **os.environ}
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = (sys.executable, "-m", "maturin", *words)
    subprocess.run(words, cwd=source, check=True, env=environ)


def run(*words: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """What a program prints.

    Raises:
        TrialError: It ended with an error.
    """
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    if done.returncode != 0:
        raise TrialError(f"{' '.join(words)[:200]}\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    return done.stdout


def left_out(what: str, why: str) -> None:
    """Say what was not built."""
    print(f"LEFT OUT: {what}: {why}")


def report() -> None:
    """The files, with their sizes."""
    for path in sorted(DIST.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
