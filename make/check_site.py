"""Says which links of the built site lead nowhere, and to which pages no link leads, for make docs.

Links between pages are checked when they are built; this also knows of images, of other files, and
of links that the reference makes. The Rust documentation is checked by rustdoc, page by page.

usage: check_site.py FOLDER_OF_THE_SITE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
#: What a reference to a name looks like that nothing has resolved.
UNRESOLVED = re.compile(r"\[[^][<>]+\]\[[\w.]*\]|<autoref[ >]")


class Page(HTMLParser):
    """What a page links, and what can be linked in it."""

    def __init__(self, text: str) -> None:
        """Reads it."""
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for each element."""
        found = dict(attrs)
        self.anchors |= {found.get(name) or "" for name in ("id", "name")}
        link = found.get("href" if tag in ("a", "link") else "src")
        if link and tag in ("a", "link", "img", "script", "source") and "<" not in link:
            self.links.append(link)


def main(site: Path) -> None:
    """Look at every page but those of rustdoc."""
    site = site.resolve()
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in site.rglob("*.html")
        if path.relative_to(site).parts[0] != "rust"
    }
    pages = {path: Page(text) for path, text in texts.items()}
    wrong = [problem for path in sorted(pages) for problem in problems(site, path, pages)]
    for path, text in texts.items():
        code = re.sub(r"<(pre|code)\b.*?</\1>", "", text, flags=re.DOTALL)
        wrong += [
            f"{path.relative_to(site)}: {x} is not resolved" for x in UNRESOLVED.findall(code)
        ]
    lost = set(pages) - reached(site, pages) - {site / "404.html"}
    wrong += [f"no link leads to {path.relative_to(site)}" for path in sorted(lost)]
    if wrong:
        sys.exit("\n".join(wrong))


def problems(site: Path, path: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    for link in pages[path].links:
        found = target(site, path, link)
        if found is None:
            continue
        file, anchor = found
        if not file.is_file():
            yield f"{path.relative_to(site)}: {link} leads nowhere"
        elif anchor and file in pages and anchor not in pages[file].anchors | {"__top"}:
            yield f"{path.relative_to(site)}: {link} has no such place"


def target(site: Path, path: Path, link: str) -> tuple[Path, str] | None:
    """The file that a link means, and the place in it; None if it is another site's."""
    own, repository = PROJECT["site_url"], f"{PROJECT['repo_url']}/blob/main/"
    link, anchor = urldefrag(link)
    if link.startswith(repository):
        return ROOT / unquote(link.removeprefix(repository)), ""
    for beginning in (own, urlsplit(own).path):  # 404.html is shown at any address.
        if link.startswith(beginning):
            link, path = f"./{link.removeprefix(beginning)}", site / "index.html"
    if re.match(r"[a-z][a-z0-9+.-]*:|//", link):
        return None
    file = (path.parent / unquote(link.partition("?")[0])).resolve() if link else path
    return (file / "index.html" if file.is_dir() else file), unquote(anchor)


def reached(site: Path, pages: dict[Path, Page]) -> set[Path]:
    """All pages to which links lead from the first one."""
    seen: set[Path] = set()
    ahead = [site / "index.html"]
    while ahead:
        path = ahead.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        found = (target(site, path, link) for link in pages[path].links)
        ahead += [file for file, _ in filter(None, found)]
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]))
