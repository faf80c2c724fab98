import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOADED = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch", "prefetch"}


class Page(HTMLParser):
    """What a page has and what it points to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []  # followed by a reader
        self.loads: list[str] = []  # fetched by a browser
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {key: value or "" for key, value in attrs}
        self.anchors |= {attributes[key] for key in ("id", "name") if key in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "link" and LOADED & set(attributes.get("rel", "").split()):
            self.loads.append(attributes["href"])
        self.loads += [attributes[key] for key in ("src", "srcset", "poster", "data") if key in attributes]
        self.loads += _styled(attributes.get("style", ""))


def _styled(css: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import\s+)["']?([^"')]+)""", css)


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_page_of_the_navigation_is_there(parsed: dict[str, Page]) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = {f"{page}/index.html" for page in re.findall(r"(\S+)\.md$", navigation, flags=re.MULTILINE)}
    assert listed - {"index/index.html"} | {"index.html", "404.html"} == set(parsed)


def test_every_link_and_anchor_of_the_site_is_there(site: Path, parsed: dict[str, Page]) -> None:
    broken = []
    for name, page in parsed.items():
        for link in page.links + page.loads:
            target, anchor = urldefrag(urljoin(f"http://site/{name}", link))
            if urlsplit(target).hostname != "site" or name == "404.html":
                continue
            path = unquote(urlsplit(target).path).lstrip("/")
            path += "index.html" if path.endswith("/") or not path else ""
            if not (site / path).is_file() or (
                path in parsed and anchor and unquote(anchor) not in parsed[path].anchors
            ):
                broken.append(f"{name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_another_host(site: Path, parsed: dict[str, Page]) -> None:
    loads = {(name, load) for name, page in parsed.items() for load in page.loads}
    for path in site.rglob("*.css"):
        loads |= {(path.name, load) for load in _styled(path.read_text(encoding="utf-8"))}
    assert len(loads) > 100
    assert [
        (name, load) for name, load in sorted(loads) if urlsplit(load).scheme not in ("", "data") or load[:2] == "//"
    ] == []


def test_every_formula_is_drawn(site: Path) -> None:
    for page in sorted(site.glob("derivations/*/index.html")):
        text = page.read_text(encoding="utf-8")
        assert text.count('class="katex"') > 20, page
        assert text.count('class="katex"') == text.count("<math ") == text.count('class="katex-html"'), page
        for left in ("katex-error", "arithmatex", 'data-label="eq:'):
            assert left not in text, page


def test_code_of_a_derivation_links_to_the_reference_and_its_module_back(parsed: dict[str, Page]) -> None:
    reference = parsed["api/nn/index.html"]
    shown = 0
    for source in sorted((ROOT / "docs" / "derivations").glob("*.md")):
        page = parsed[f"derivations/{source.stem}/index.html"]
        for path, name in re.findall(r'source="(\S+)\.py" object="(\S+)"', source.read_text(encoding="utf-8")):
            if not path.startswith("stages/") or re.search(r"(^|\.)_", name):
                continue  # the reference has no private name, and the pages link to that of the stages alone
            anchor = f"{path.replace('/', '.')}.{name}"
            assert f"../../api/nn/#{anchor}" in page.links, f"{source.stem}: {anchor}"
            assert anchor in reference.anchors
            assert f"../../derivations/{source.stem}/" in reference.links
            shown += 1
    assert shown > 30


def test_every_public_name_is_in_the_reference(parsed: dict[str, Page]) -> None:
    anchors = set().union(*(page.anchors for name, page in parsed.items() if name.startswith("api/")))
    names = [
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}.{name}"
        for folder in ("stages", "tools")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in _public(ast.parse(path.read_text(encoding="utf-8")).body)
    ]
    assert {"stages.nn.softmax.softmax", "stages.nn.affine.Affine.backward", "stages.nn.layer_table.LAYERS"} < set(
        names
    )
    assert [name for name in names if name not in anchors] == []


def _public(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the public names that a module or a class defines, those of classes with their members."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        else:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        for name in names:
            if not name.startswith("_") and name != "model_config":
                yield name
                if isinstance(node, ast.ClassDef):
                    yield from (f"{name}.{member}" for member in _public(node.body))


def test_the_search_has_the_tex_and_no_drawn_formula(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    text = next(entry["text"] for entry in index["docs"] if entry["location"] == "derivations/softmax/#statement")
    assert r"\operatorname{diag}(a)" in text
    assert r"\[" not in text
    assert r"\label" not in text
    assert text.count("diag") == 1


def test_licenses_of_the_fonts_come_with_them(site: Path) -> None:
    fonts = {path.relative_to(site).parts[:4] for path in (site / "assets" / "npm").rglob("*.woff2")}
    assert fonts
    assert all(any(site.joinpath(*folder[:depth], "LICENSE").is_file() for depth in (3, 4)) for folder in fonts)


def test_what_a_docstring_has_between_angle_brackets_is_shown(site: Path) -> None:
    assert "models/&lt;name&gt;.npz" in (site / "api/programs/index.html").read_text(encoding="utf-8")
