"""The hooks of MkDocs: what mkdocs.yml leaves to the project's own code."""

import contextlib
import logging
import os
import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from html import escape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

sys.path.insert(0, str(Path(__file__).parents[1]))  # the command mkdocs does not look in the project's folder

from publishing import blocks, citations, equations, listings, measurements, notebooks, repository
from stages.shared.errors import UserError
from stages.shared.figures import BLUE, VERMILION

NPM = "assets/npm/"  # where the site serves node_modules/
EXAMPLE = "https://example.org/chainrule.git"  # nobody's, for as long as `repository` in mkdocs.yml is empty
CHECK = re.compile(r"^## Check\n", re.MULTILINE)
IMAGE = re.compile(r"<p>((?:<a [^>]*>)?<img [^>]*>(?:</a>)?)</p>")  # alone in its paragraph
NO_BREAK = re.compile(  # the spaces of quantities, as 5 %, ± 5 and < 5, but not in code, formulas and tags
    r'(?P<kept><(?P<tag>pre|code|(?:span|div)(?= class="arithmatex"))\b.*?</(?P=tag)>|<[^>]*>)'
    r"|(?<=\d)\s(?=%|\N{MULTIPLICATION SIGN} \d)|(?:(?<=\d.\N{MULTIPLICATION SIGN})|(?<=±)|(?<=&lt;))\s(?=\d)",
    re.DOTALL,
)

log = logging.getLogger("mkdocs.hooks.publishing")  # a warning below "mkdocs" fails a strict build

chapters: dict[str, str] = {}  # path of a derivation: its number, from the order of the navigation
printed: dict[str, Future[list[str]]] = {}  # path of a page: the outputs of its blocks, executed while others are
drawn: dict[str, str] = {}  # path of a page: its HTML with formulas
executed: dict[str, tuple[str, str, list[str]]] = {}  # path of a notebook: its page's Markdown, file and outputs


def on_pre_build(config: MkDocsConfig) -> None:
    """Check that what the pages show together belongs together."""
    try:
        with contextlib.chdir(blocks.ROOT):
            measurements.check_one_run()
    except UserError as error:
        raise PluginError(str(error)) from None


def on_config(config: MkDocsConfig) -> None:
    """Add the project's own Markdown, and let a server watch what the pipeline has made so far."""
    config.markdown_extensions += [citations.Citations(), equations.References()]
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {}).setdefault("custom_fences", [])
    fences.append({"name": "svg", "class": "drawing", "format": _picture})
    if config.extra.get("repository"):
        config.extra["social"] = [
            {"icon": "fontawesome/brands/git-alt", "link": config.extra["repository"], "name": "The repository"}
        ]
    made = (blocks.ROOT / name for name in ("dvc.lock", "metrics", "benchmarks/results.json"))
    config.watch += [str(path) for path in made if path.exists()]


def _picture(svg: str, *_: object, attrs: dict[str, str], **__: object) -> str:
    """Return the HTML of a drawn picture, in colors of the site, with the words for those who do not see it."""
    for name, color in (("blue", BLUE), ("vermilion", VERMILION)):
        svg = svg.replace(color, f"var(--drawing-{name}, {color})")
    points = float(svg.partition('viewBox="0 0 ')[2].partition(" ")[0])
    style = f"--least-width: {points / 20:.1f}rem"  # what is 9 points high in the picture is 9 pixels high
    label = escape(attrs["alt"])
    return f'<div class="drawing" style="{style}" tabindex="0" role="img" aria-label="{label}">{svg.strip()}</div>'


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Publish the style sheets of npm packages, what the pipeline made for the site, and notebooks, to be filled."""
    for style in config.extra_css:
        if str(style).startswith(NPM):
            _publish(str(style).removeprefix(NPM), files, config)
    with contextlib.chdir(blocks.ROOT):
        papers = [path.as_posix() for path in measurements.PAPERS if measurements.is_of_this_run(path)]
    for pattern in ("figures/**/*.svg", "figures/**/*.png", *papers):
        for path in sorted(blocks.ROOT.glob(pattern)):
            uri = path.relative_to(blocks.ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    for file in list(files.documentation_pages()):
        if file.src_uri.startswith("derivations/") and CHECK.search(file.content_string):
            files.append(File.generated(config, _notebook_of(file), content=""))


def _notebook_of(file: File) -> str:
    return str(file.src_uri).removesuffix(".md") + ".ipynb"


def _publish(style: str, files: Files, config: MkDocsConfig) -> None:
    """Publish a style sheet of node_modules/ with its fonts, in the format that every browser takes, and license."""
    modules = blocks.ROOT / "node_modules"
    if not (modules / style).is_file():
        raise PluginError(f"node_modules/{style}: not there; run `make docs`, which installs it")
    css = (modules / style).read_text(encoding="utf-8")
    css = re.sub(r",\s*url\([^)]*\.(woff|ttf)\) format\([^)]*\)", "", css)
    files.append(File.generated(config, NPM + style, content=css))
    folders = Path(style).parents
    fonts = [folders[0] / font for font in re.findall(r"url\(([^)]+\.woff2)\)", css)]
    for path in fonts + [folder / "LICENSE" for folder in folders]:
        if (modules / path).is_file() and NPM + path.as_posix() not in files.src_uris:
            files.append(File.generated(config, NPM + path.as_posix(), abs_src_path=str(modules / path)))


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> None:
    """Give each derivation the number of its chapter, and begin to execute the blocks of all pages."""
    pages = [page.file.src_uri for page in nav.pages if page.file.src_uri.startswith("derivations/")]
    chapters.clear()
    chapters.update({uri: str(number) for number, uri in enumerate(pages, 1)})
    pool = ThreadPoolExecutor(os.cpu_count())
    for file in files.documentation_pages():
        printed[file.src_uri] = pool.submit(blocks.outputs, file.content_string, _name(file))
    pool.shutdown(wait=False)


def on_build_error(error: Exception) -> None:
    """Execute no more blocks."""
    for outputs in printed.values():
        outputs.cancel()


def _name(file: File) -> str:
    """Return the path of a page from the project's folder, for messages."""
    path = Path(file.abs_src_path or file.src_uri)
    return path.relative_to(blocks.ROOT).as_posix() if path.is_relative_to(blocks.ROOT) else path.as_posix()


@event_priority(100)
def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in source and what blocks print, and put the number of the chapter before its title."""
    skipped, name = page.file.content_string.count("\n") - markdown.count("\n"), _name(page.file)
    markdown = markdown.replace("{{ repository }}", _repository(config))
    if number := chapters.get(page.file.src_uri):
        markdown = re.sub(r"^# ", f"# {number}. ", markdown, count=1, flags=re.MULTILINE)
    try:
        outputs = printed[page.file.src_uri].result()
        linked = repository.named_tests(markdown, config.extra.get("repository") or "")
        expanded = blocks.expand(linked, name, 1 + skipped, outputs)
    except UserError as error:
        raise PluginError(str(error)) from None
    if notebook := files.get_file_from_path(_notebook_of(page.file)):
        executed[notebook.src_uri] = markdown, name, outputs
        link = f"[Download this page as a notebook]({Path(name).stem}.ipynb), to change its code and run it again."
        expanded = CHECK.sub(lambda heading: f"{heading[0]}\n{link}\n", expanded, count=1)
    return expanded


def _repository(config: MkDocsConfig) -> str:
    return str(config.extra.get("repository") or EXAMPLE)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Divide code into lines, link it to its reference, let images scroll, and list the works that a page cites."""
    html = listings.with_lines(html)
    html = IMAGE.sub(r'<div class="image" tabindex="0" role="group" aria-label="Picture">\1</div>', html)
    html = NO_BREAK.sub(lambda match: match["kept"] or "\N{NO-BREAK SPACE}", html)
    html = re.sub(
        r'(<span class="filename">)(stages/[\w/]+)\.py · ((?!_)\w+(?:\.(?!_)\w+)*)(</span>)',  # no private name
        lambda match: (
            f'{match[1]}<autoref identifier="{match[2].replace("/", ".")}.{match[3]}">'
            f"{match[2]}.py · {match[3]}</autoref>{match[4]}"
        ),
        html,
    )
    keys = citations.cited(html)
    for key in [key for key in keys if key not in citations.entries()]:
        log.warning("%s: docs/references.bib has no entry %s", page.file.src_uri, key)
        keys.remove(key)
    return (
        f'{html}<section class="works"><h2>References</h2>{citations.reference_list(keys)}</section>' if keys else html
    )


@event_priority(-100)
def on_env(env: object, config: MkDocsConfig, files: Files) -> None:
    """Render the formulas of all pages with one call, now that they are HTML, number equations, and fill notebooks."""
    pages = [file.page for file in files.documentation_pages() if file.page and file.page.content]
    for problem in equations.render_formulas({page.file.src_uri: page.content or "" for page in pages}):
        log.warning(problem)
    site = equations.Equations()
    for page in pages:
        chapter = f"{chapters[page.file.src_uri]}." if page.file.src_uri in chapters else ""
        for problem in site.collect(page.content or "", page.url, chapter):
            log.warning("%s: %s", page.file.src_uri, problem)
    for page in pages:
        relative = partial(get_relative_url, other=page.url)
        content, links = site.link(page.content or "", relative)
        drawn[page.file.src_uri], texts = site.draw(content, relative)
        page.content = equations.searchable(content)
        for problem in links + texts:
            log.warning("%s: %s", page.file.src_uri, problem)
    for uri, (markdown, name, outputs) in executed.items():
        if file := files.get_file_from_path(uri):
            file.content_string = notebooks.notebook(markdown, name, outputs, site.number, _repository(config))


@event_priority(-100)
def on_page_context(context: object, page: Page, config: MkDocsConfig, nav: Navigation) -> None:
    """Put the drawn formulas on the page, after the search has taken up their TeX."""
    page.content = drawn.get(page.file.src_uri, page.content)
