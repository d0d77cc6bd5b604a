"""Sync, execute and render the notebooks.

examples:
  python notebooks/build.py sync              bring scripts and notebooks together, the newer of each pair winning
  python notebooks/build.py run               execute all in full and store the outputs
  python notebooks/build.py run 04 05         two of them
  python notebooks/build.py html              static pages of the stored notebooks into html/
"""

import argparse
import ast
import re
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

import jupytext
import latex2mathml.converter
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from edm.storage.atomic import write_atomic

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
CELL_SECONDS = 180  # time limit of a cell
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


class NotebookError(Exception):
    """A notebook that does not run, or is not what it should be; the message says where."""


def scripts(wanted: list[str] | None = None, folder: Path = FOLDER) -> list[Path]:
    """The walkthrough's scripts in order; `wanted` holds beginnings of names, such as 04."""
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    for name in wanted or []:
        if not any(path.name.startswith(name) for path in found):
            raise NotebookError(f"no notebook {name!r} in {folder}: there are {', '.join(p.stem for p in found)}")
    return [path for path in found if not wanted or path.name.startswith(tuple(wanted))]


def sync(paths: list[Path]) -> None:
    """Bring pairs together, the newer file winning; unlike `jupytext --diff` it cannot miss a difference."""
    subprocess.run([sys.executable, "-m", "jupytext", "--quiet", "--sync", *map(str, paths)], check=True)


def execute(script: Path, parameters: dict[str, object], cwd: Path | None = None, seconds: int = CELL_SECONDS):
    """The notebook of a py:percent script, executed in a fresh kernel with `parameters` set in its cell of that tag.

    Cell sources come back as they are in the script. Raises NotebookError that names the script, line and cell.
    """
    notebook = jupytext.read(script)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cell = parameter_cell(script, code, parameters)
    source = cell.source
    cell.source += "\n" + "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    client = NotebookClient(notebook, timeout=seconds, kernel_name=KERNEL["name"],
                            resources={"metadata": {"path": str(cwd or script.parent)}})  # fmt: skip
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(where(script, code, error, seconds)) from None
    finally:
        cell.source = source
    return notebook


def parameter_cell(script: Path, code: list, parameters: dict[str, object]):
    """The one cell tagged `parameters`, which must assign every parameter."""
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(f'{script}: {len(tagged)} cells are tagged "parameters", need 1 (# %% tags=["parameters"])')
    targets = [t for node in ast.parse(tagged[0].source).body if isinstance(node, ast.Assign) for t in node.targets]
    missing = parameters.keys() - {t.id for t in targets if isinstance(t, ast.Name)}
    if missing:
        raise NotebookError(f'{script}: the cell tagged "parameters" does not set {", ".join(sorted(missing))}')
    return tagged[0]


def where(script: Path, code: list, error: Exception, seconds: int) -> str:
    """Script, line and cell of an error, from what the cells put out."""
    if isinstance(error, CellExecutionError):
        number = next(i for i, c in enumerate(code) if any(o.output_type == "error" for o in c.outputs))
        what = f"{error.ename}: {error.evalue}"
        trace = next(o for o in code[number].outputs if o.output_type == "error").traceback
        found = re.search(r"Cell In\[\d+\], line (\d+)", re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(trace)))
        line = int(found[1]) if found else 1
    else:
        number = max((i for i, cell in enumerate(code) if cell.execution_count is not None), default=0)
        what, line = f"no answer within {seconds} s" if isinstance(error, CellTimeoutError) else "the kernel died", 1
    text, start = script.read_text(), 0
    for cell in code[: number + 1]:  # one after the other: cells may be alike
        first = start = max(text.find(cell.source, start), start)
        start += 1
    return f"{script}:{text[:first].count(chr(10)) + line} (code cell {number + 1}, line {line}): {what}"


def clean(notebook, old: Path) -> None:
    """Drop what differs from run to run without meaning; keep the cell ids of the notebook that lies there."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k == "tags"})
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]  # progress bars
    ids = {}
    if old.exists():
        for cell in nbformat.read(old, 4).cells:
            ids.setdefault((cell.cell_type, cell.source), cell.id)
    used = set()
    for i, cell in enumerate(notebook.cells):
        known = ids.get((cell.cell_type, cell.source))
        cell.id = known if known and known not in used else f"{i:02d}-{zlib.crc32(cell.source.encode()):08x}"
        used.add(cell.id)


def run(paths: list[Path]) -> None:
    for script in paths:
        begin = time.perf_counter()
        notebook = execute(script, {"FAST": False, "SLIDERS": False}, seconds=4 * CELL_SECONDS)
        out = script.with_suffix(".ipynb")
        clean(notebook, out)
        write_atomic(out, nbformat.writes(notebook) + "\n")
        print(f"{out.name}  {time.perf_counter() - begin:.0f} s, {out.stat().st_size // 1024} KB", flush=True)


def html(paths: list[Path], out: Path) -> None:
    """Static pages of the stored notebooks that need nothing but themselves: pictures and mathematics inside, no scripts.

    index.html is the teacher's table. A link to what is no page here keeps only its text.
    """
    out.mkdir(parents=True, exist_ok=True)
    known = [p for p in scripts() if p in paths or (out / f"{p.stem}.html").exists()]  # of an earlier call
    stored = {p.stem: nbformat.read(p.with_suffix(".ipynb"), 4) for p in known}
    titles = {name: notebook.cells[0].source.splitlines()[0].lstrip("# ") for name, notebook in stored.items()}
    names = list(titles)
    markdown = markdown_to_html({"README.md": "index.html"} | {f"{name}.ipynb": f"{name}.html" for name in names})
    render = HTMLExporter(template_name="lab")
    render.register_filter("markdown2html", markdown)
    render.log.setLevel("ERROR")  # it misses descriptions, which are put in below
    for name in (p.stem for p in paths):
        i, title = names.index(name), titles[name]
        around = [(names[i - 1], "← ")] * (i > 0) + [("index", "")] + [(n, "→ ") for n in names[i + 1 : i + 2]]
        links = "".join(f'<a href="{n}.html">{arrow}{titles.get(n, "The walkthroughs")}</a>' for n, arrow in around)
        page, _ = render.from_notebook_node(stored[name], {"metadata": {"name": title}})
        page = re.sub(r"<script\b.*?</script>", "", page, flags=re.S)  # MathJax and the like, from the internet
        page = re.sub(r" ± |(?<=\d) (?=%)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), page)
        alts = iter(descriptions(stored[name]))
        page = re.sub("No description has been provided for this image", lambda _: escape(next(alts)), page)
        page = page.replace("</head>", f"<style>{STYLE}</style></head>", 1)
        for tag, place in (("<main>", "<main>{}"), ("</main>", "{}</main>")):
            page = page.replace(tag, place.format(f"<nav>{links}</nav>"), 1)
        (out / f"{name}.html").write_text(page)
        print(out / f"{name}.html")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The walkthroughs</title><style>{STYLE}</style>'
    body = f'<main class="index">{markdown((FOLDER / "README.md").read_text())}</main>'
    (out / "index.html").write_text(f"{head}<body>{body}</body></html>\n")


def descriptions(notebook) -> list[str]:
    """What its pictures show, for those who cannot see them: their captions, as `figures.lessons.notebook.show` stored them."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [o.metadata["image/png"]["alt"] for o in outputs if "image/png" in o.get("data", {})]


STYLE = """
body { overflow: auto; } main { max-width: 70em; margin: 0 auto; padding: 0 1em 3em; }
main.index { font: 16px/1.6 sans-serif; max-width: 60em; }
.index table { border-collapse: collapse; } .index :is(td, th) { padding: 0.3em 0.8em 0.3em 0; text-align: left; vertical-align: top; }
.index td:not(:nth-child(2)) { white-space: nowrap; }
nav { display: flex; justify-content: space-between; gap: 2em; padding: 1em 0; font: 14px/1.4 sans-serif; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", math; font-size: 1.08em; }
math[display="block"] { margin: 0.9em 0; }
main .jp-InputArea-editor { overflow-x: auto; }
main .jp-RenderedMarkdown pre { white-space: pre; overflow-x: auto; }
main .jp-OutputArea-output.jp-RenderedHTMLCommon { padding-left: 14px; }
main .jp-RenderedHTMLCommon table { margin-left: 0; }
main .jp-RenderedHTMLCommon :is(td, th) { text-align: left; vertical-align: top; }
"""


def markdown_to_html(pages: Mapping[str, str]) -> Callable[[str], str]:
    """Markdown to HTML with mathematics as MathML, which browsers draw by themselves. pages: the page of each file that has one."""

    def mathml(tex: str, display: str) -> str:
        out = latex2mathml.converter.convert(tex, display=display)
        bare = not re.search(r"\\(log|ln)\s*[_^]", tex)
        return re.sub(r"<mi>(log|ln)</mi>", r'\g<0><mspace width="0.17em"/>', out) if bare else out

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return mathml(body, "inline")

        def block_math(self, body: str) -> str:
            return mathml(body, "block")

        def link(self, text: str, url: str, title: str | None = None) -> str:
            file, *place = url.split("#")
            if "://" in url or not file:
                return super().link(text, url, title)
            return super().link(text, "#".join([pages[file], *place]), title) if file in pages else text

    return lambda source: MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(source)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("command", choices=("sync", "run", "html"))
    p.add_argument("names", nargs="*", metavar="NAME", help="beginnings of names, such as 04 (default: all)")
    p.add_argument("--out", type=Path, default=ROOT / "html", help="folder of the pages (default: html)")
    args = p.parse_args()
    try:
        paths = scripts(args.names)
        if args.command == "html":
            html(paths, args.out)
        else:
            (sync if args.command == "sync" else run)(paths)
    except (NotebookError, OSError, subprocess.CalledProcessError) as error:
        print(f"notebooks: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
