"""python docs/check.py BUILT: every link within the built pages and the Markdown files leads
somewhere, and no page loads anything from the network. Prints what does not, exit status 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
# What a browser fetches by itself; a link that a reader may follow is another matter.
_FETCHED = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """Anchors, links and fetched files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.anchors = path, {""}
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element links to, fetches, and is called."""
        given = {key: value or "" for key, value in attrs}
        self.anchors.add(given.get("id", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _FETCHED and _FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.append(given[_FETCHED[tag]])


def missing(source: Path, links: list[str], pages: dict[Path, Page]) -> Iterator[str]:
    """Tell which local links of a file lead nowhere."""
    for link in links:
        address, anchor = urldefrag(link.partition("?")[0] if "?" in link else link)
        if urlparse(address).scheme:
            continue
        target = (source.parent / unquote(address)).resolve() if address else source.resolve()
        if not target.exists():
            yield f"{source}: {link} is missing"
        elif target in pages and anchor and unquote(anchor) not in pages[target].anchors:
            yield f"{source}: {link} has no such anchor"


def network(page: Page) -> Iterator[str]:
    """Tell what a page loads from the network."""
    for address in page.fetched:
        if urlparse(address).scheme in ("http", "https") or address.startswith("//"):
            yield f"{page.path}: loads {address}"


def markdown_links(path: Path) -> list[str]:
    """Return links and pictures of a Markdown file."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    inline = [child for token in tokens for child in token.children or []]
    found = [str(token.attrs.get("href") or token.attrs.get("src") or "") for token in inline]
    return [urldefrag(link)[0] for link in found if link and not link.startswith("#")]


def main(built: Path) -> int:
    """Check the pages below `built` and the Markdown files of the repository."""
    pages = {path.resolve(): Page(path) for path in built.rglob("*.html")}
    wrong = [line for page in pages.values() for line in missing(page.path, page.links, pages)]
    wrong += [line for page in pages.values() for line in missing(page.path, page.fetched, {})]
    wrong += [line for page in pages.values() for line in network(page)]
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("outputs/*/README.md")]
    for document in documents:
        wrong += missing(document, markdown_links(document), {})
    print(
        "\n".join(wrong) or f"{len(pages)} pages: every link leads somewhere, none needs a network"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
