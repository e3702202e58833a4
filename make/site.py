"""Lays out the pages of the documentation site, for `make docs`.

A page stands in the site where it stands in the repository, so that a link between two pages is the
same in both. Pages of the API reference are written here: one for each subject of
`docs/reference.toml`, with every public name in it.

usage: site.py FOLDER
"""

import ast
import re
import shutil
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "benches/RESULTS.md",
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))),
]
FIGURES = ["docs/images", "docs/dashboard.json", "docs/site.css"]


def main(folder: Path) -> None:
    """Write all pages into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in PAGES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    results = folder / "benches" / "RESULTS.md"
    results.write_text(one_title(results.read_text(encoding="utf-8")), encoding="utf-8")
    for name in FIGURES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    reference = folder / "docs" / "reference"
    reference.mkdir(parents=True)
    for page in reference_pages():
        reference.joinpath(f"{page['name']}.md").write_text(page_of(page), encoding="utf-8")


def one_title(text: str) -> str:
    """The measured results under one title: each benchmark has written a part with a title."""
    first, *others = re.split(r"(?=^<!-- make )", text.removeprefix("\n"), flags=re.MULTILINE)[1:]
    below = (re.sub(r"^#", "##", part, flags=re.MULTILINE) for part in others)
    return "".join([first, *below])


def reference_pages() -> list[dict[str, object]]:
    """The pages of the API reference."""
    pages: list[dict[str, object]] = tomllib.loads((ROOT / "docs" / "reference.toml").read_text())[
        "pages"
    ]
    return pages


def page_of(page: dict[str, object]) -> str:
    """The Markdown of a page: its names in order, or all public names of its module."""
    module = str(page["module"])
    names = page.get("names") or public_names(module)
    assert isinstance(names, list)
    entries = "\n\n".join(f"::: {module}.{name}" for name in names)
    return f"# {page['title']}\n\n{page['text']}\n\n{entries}\n"


def public_names(module: str) -> list[str]:
    """What a module's `__all__` says."""
    path = ROOT / "python" / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("__")]
    raise ValueError(f"{source} has no __all__")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
