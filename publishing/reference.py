"""Tables and the graph of the pipeline reference, as Markdown made from dvc.yaml, the schema and the modules.

The pages print them from executed blocks. Everything here is read from the file or class that the pipeline itself uses.
"""

import ast
import contextlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import annotated_types
import griffe
from pydantic import AfterValidator, BaseModel, PlainValidator
from pydantic.fields import FieldInfo

from publishing.blocks import ROOT
from publishing.markup import table
from publishing.node import render
from stages.nn.initializers import INITIALIZERS
from stages.nn.layer_table import LAYERS
from stages.nn.optimizers import OPTIMIZERS
from stages.nn.schedules import SCHEDULES
from stages.shared.parameters import Model, Parameters, schema_of
from stages.shared.schema import Data, Seeds, Split, read

OUTPUTS = ("outs", "metrics", "plots")
FAMILIES: dict[str, dict[str, type[Any]]] = {
    "layers": LAYERS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


class Stage:
    """A stage of dvc.yaml, with all the rows of params.yaml that it runs for."""

    def __init__(self, name: str, definition: dict[str, Any], parameters: dict[str, Any]) -> None:
        self.name = name
        self.body: dict[str, Any] = definition.get("do", definition)
        self.section = definition["foreach"].strip("${}") if "foreach" in definition else None
        self._rows = parameters[self.section] if self.section else {"": {}}

    @property
    def outputs(self) -> dict[str, bool]:
        """The paths that it writes, each with whether it is kept in git."""
        entries = (entry for key in OUTPUTS for entry in self.body.get(key, []))
        pairs = (next(iter(entry.items())) if isinstance(entry, dict) else (entry, {}) for entry in entries)
        return {path: options.get("cache") is False for path, options in pairs}

    def paths(self, templates: Iterable[str]) -> set[str]:
        """Return paths with what they stand for, once for each row."""
        return {self._filled(template, key, row) for template in templates for key, row in self._rows.items()}

    def reads(self, other: "Stage", output: str) -> bool:
        """Return whether it depends on an output of another stage, a part of it or the folder that it is in."""
        return any(
            path == made or path.startswith(f"{made}/") or made.startswith(f"{path}/")
            for path in self.paths(self.body.get("deps", []))
            for made in other.paths([output])
        )

    @staticmethod
    def _filled(template: str, key: str, row: Any) -> str:
        filled = template.replace("${key}", key)
        return re.sub(r"\$\{item\.(\w+)\}", lambda match: str(row[match[1]]), filled)


def load_stages() -> list[Stage]:
    """Return the stages of dvc.yaml, in its order."""
    parameters = read()
    return [Stage(name, definition, parameters) for name, definition in read(ROOT / "dvc.yaml")["stages"].items()]


def edges(stages: list[Stage]) -> list[tuple[str, str]]:
    """Return the pairs of stages of which the second reads what the first writes."""
    return [
        (a.name, b.name) for a in stages for b in stages if a is not b and any(b.reads(a, path) for path in a.outputs)
    ]


def graph() -> str:
    """Return the graph of the stages as SVG, in the color of the text around it."""
    stages = load_stages()
    nodes = (f'"{stage.name}" [label="{stage.name}{_times(stage)}"]' for stage in stages)
    arrows = (f'"{a}" -> "{b}"' for a, b in edges(stages))
    style = 'bgcolor=transparent; node [shape=box, style=rounded, fontname="sans-serif", margin="0.3,0.12"]'
    (svg,) = render({"graphs": [f"digraph {{ {style}; {'; '.join([*nodes, *arrows])} }}"]})["graphs"]
    svg = re.sub(r"<title>.*?</title>|<!--.*?-->", "", svg, flags=re.DOTALL).replace("black", "currentColor")
    label = "; ".join(f"{a} before {b}" for a, b in edges(stages))
    svg = re.sub(r"\n+", "\n", svg).replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return f'<figure class="graph">\n{svg.strip()}\n</figure>'


def _times(stage: Stage) -> str:
    return f"\\nfor each of {stage.section}" if stage.section else ""


def stages() -> str:
    """Return a heading and a table for each stage."""
    return "\n\n".join(map(_stage, load_stages()))


def _stage(stage: Stage) -> str:
    body = stage.body
    dependencies = body.get("deps", [])
    code = [path for path in dependencies if path.startswith(("stages/", "publishing/"))]
    commands = [body["cmd"]] if isinstance(body["cmd"], str) else body["cmd"]
    runs = f" Runs once for each row of `{stage.section}`." if stage.section else ""
    rows = {
        "Command": _codes(commands),
        "Code": _codes(code),
        "Reads": _codes(path for path in dependencies if path not in code),
        "Parameters": _codes(key for entry in body.get("params", []) for key in _keys(entry)),
        "Writes": _codes(stage.outputs),
    }
    head, *cells = ([name, text] for name, text in rows.items() if text)
    return f"### {stage.name} {{#stage-{stage.name}}}\n\n{body.get('desc', '')}.{runs}\n\n{table(head, cells)}"


def _keys(entry: Any) -> list[str]:
    return [entry] if isinstance(entry, str) else [key for keys in entry.values() for key in keys or []]


def artifacts() -> str:
    """Return a table of what the stages write: by which it is made, by which read, and where it is kept."""
    stages = load_stages()
    rows = []
    for stage in stages:
        for path, in_git in stage.outputs.items():
            readers = ", ".join(_link(other) for other in stages if other is not stage and other.reads(stage, path))
            rows.append([f"`{path}`", _link(stage), readers or "none", "git" if in_git else "the cache of DVC"])
    return table(["Artifact", "Made by", "Read by", "Kept in"], rows)


def _link(stage: Stage) -> str:
    return f"[{stage.name}](#stage-{stage.name})"


def parameters() -> str:
    """Return a heading and a table for each section of params.yaml and each family of a model's options."""
    top = {name: field for name, field in Parameters.model_fields.items() if field.description}
    sections = [
        ("Top level", _table(top)),
        ("data", _section(Data)),
        ("splits", _section(Split)),
        ("models", _section(Model)),
        ("reproduce: seeds", _section(Seeds)),
    ]
    sections += [(f"models: {key}", _family(family)) for key, family in FAMILIES.items()]
    return "\n\n".join(f"### {title}\n\n{content}" for title, content in sections)


def _section(schema: type[BaseModel]) -> str:
    return f"{schema.__doc__}\n\n{_table(schema.model_fields)}"


def _table(fields_of: dict[str, FieldInfo]) -> str:
    rows = [
        [
            f"`{key}`",
            _type(info.annotation),
            _default(info),
            ", ".join(_allowed(info)) or "any",
            _cell(info.description or ""),
        ]
        for key, info in fields_of.items()
    ]
    return table(["Key", "Type", "Default", "Allowed", "Meaning"], rows)


def _default(info: FieldInfo) -> str:
    return "required" if info.is_required() else f"`{_value(info.default)}`"


def _family(family: dict[str, type[Any]]) -> str:
    rows = []
    for name, member in family.items():
        docstring = griffe.Docstring(member.__doc__ or "")
        rows.append([f"`{name}`", "", "", "", _cell(docstring.value.partition(chr(10) * 2)[0])])
        meanings = {
            parameter.name: parameter.description
            for section in griffe.parse_numpy(docstring)
            if section.kind is griffe.DocstringSectionKind.parameters
            for parameter in section.value
        }
        for option, info in schema_of(member).model_fields.items():
            kind = ", ".join([_type(info.annotation), *_allowed(info)])
            rows.append(["", f"`{option}`", kind, _default(info), _cell(meanings[option])])
    return table(["Name", "Option", "Type", "Default", "Meaning"], rows)


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(map(_type, arguments))
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of {_type(arguments[0])} to {_type(arguments[1])}"
    if origin is Annotated:
        return _type(arguments[0])
    if annotation is NoneType:
        return "null"
    return annotation.__name__ if annotation in (str, int, float, bool) else "map"


def _allowed(info: FieldInfo) -> Iterator[str]:
    for constraint in [*info.metadata, *_nested(info.annotation)]:
        match constraint:
            case annotated_types.Ge(ge=limit):
                yield f"at least {limit}"
            case annotated_types.Gt(gt=limit):
                yield f"above {limit}"
            case annotated_types.Le(le=limit):
                yield f"at most {limit}"
            case annotated_types.Lt(lt=limit):
                yield f"below {limit}"
            case annotated_types.MinLen():
                yield "not empty"
            case AfterValidator(func=check) | PlainValidator(func=check):
                yield _refusal(check)
            case _ if pattern := getattr(constraint, "pattern", None):
                yield f"matches `{pattern}`"
            case _ if getattr(constraint, "allow_inf_nan", None) is False:
                yield "finite"


def _nested(annotation: Any) -> Iterator[Any]:
    for argument in get_args(annotation):
        yield from argument.metadata if isinstance(argument, FieldInfo) else _nested(argument)


def _refusal(check: Callable[..., Any]) -> str:
    """Return what a validator says is allowed when it is given an empty value."""
    values: tuple[object, ...] = ([], "")
    for value in values:
        with contextlib.suppress(TypeError):
            try:
                check(value)
            except ValueError as error:
                return _cell(str(error).removeprefix("must be ").removesuffix(f", not {value!r}"))
    raise AssertionError(f"{check} refuses no empty value")


def _value(value: object) -> str:
    names = {member: name for family in FAMILIES.values() for name, member in family.items()}
    if type(value) in names:
        return f"{{name: {names[type(value)]}}}"
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    text = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"`[^`]*`|[|*_$]", lambda match: match[0] if len(match[0]) > 1 else f"\\{match[0]}", text)


def _codes(items: Iterable[str]) -> str:
    return ", ".join(f"`{item}`" for item in items)


def modules(folder: str, programs: bool = False) -> str:
    """Return the API of each module of a folder, with its code and the derivations of that if it is the mathematics.

    Modules that can be run as programs are left out, or with `programs` are the only ones.
    """
    derivations = _derivations()
    parts = []
    for path in sorted((ROOT / folder).glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.stem == "__init__" or ('__name__ == "__main__"' in text) != programs:
            continue
        file = path.relative_to(ROOT).as_posix()
        module = file.removesuffix(".py").replace("/", ".")
        links = f"Derived in {', '.join(derivations[file])}.\n\n" if file in derivations else ""
        options = "" if module.startswith("stages.nn.") else "    options:\n      show_source: false\n"
        parts.append(f"## {module} {{#{module}}}\n\n{links}::: {module}\n{options}")
        parts += _assigned_together(text, module)
    return "\n".join(parts)


def _assigned_together(text: str, module: str) -> Iterator[str]:
    """Yield the public names that a module assigns several at once: mkdocstrings leaves them out."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [part.id for part in node.targets[0].elts if isinstance(part, ast.Name)]
            if not any(name.startswith("_") for name in names):
                anchors = "".join(f'<span id="{module}.{name}"></span>' for name in names)
                yield f"### {anchors}{', '.join(names)}\n\n``` python\n{ast.unparse(node)}\n```\n"


def _derivations() -> dict[str, list[str]]:
    """Return links to the pages that show code of a file, by the path of the file."""
    links: dict[str, list[str]] = {}
    for page in sorted((ROOT / "docs" / "derivations").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].lstrip("# ")
        for file in sorted(set(re.findall(r'source="([^"]+)"', text))):
            links.setdefault(file, []).append(f"[{title}](../derivations/{page.name})")
    return links
