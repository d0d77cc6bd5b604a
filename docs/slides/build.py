"""Write the slides of the lecture: one HTML file with its pictures inside, which needs no network.

examples:
  python docs/slides/build.py                    html/slides.html
  python docs/slides/build.py --out slides.html  another place

`lecture.md` holds the slides, with `---` between two of them. What follows `???` in a slide are the lecturer's notes. A line
`<!-- table: NAME -->` becomes a table of `docs/tables.py`, made from the stored results.
"""

import argparse
import base64
import re
import sys
from pathlib import Path

from markdown_it import MarkdownIt

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from tables import table  # noqa: E402 (found through the path above)

OUT = FOLDER.parents[1] / "html" / "slides.html"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=Path, default=OUT, help="file to write (default: html/slides.html)")
    out = p.parse_args().out
    try:
        text = page((FOLDER / "lecture.md").read_text())
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except (ValueError, OSError) as error:
        print(f"slides: {error}", file=sys.stderr)
        return 2
    print(f"{out}  {out.stat().st_size / 1e6:.1f} MB")
    return 0


def page(text: str) -> str:
    """The whole page. Raises ValueError for a slide without a title, OSError for a picture that is not there."""
    sections = [section(part, number) for number, part in enumerate(re.split(r"^---$", text, flags=re.M), 1)]
    style, script = ((FOLDER / name).read_text() for name in ("slides.css", "slides.js"))
    head = f'<meta charset="utf-8"><title>Why a worse model helps</title><style>{style}</style>'
    body = f"{''.join(sections)}<script>{script}</script>"
    return f"<!doctype html>\n<html lang=en><head>{head}</head>\n<body>\n{body}</body></html>\n"


def section(text: str, number: int) -> str:
    """One slide, with its notes below it."""
    slide, _, notes = text.partition("\n???\n")
    if not re.match(r"\s*#+ ", slide):
        raise ValueError(f"slide {number} does not begin with a title")
    slide = re.sub(r"<!-- table: (\S+) -->", lambda m: table(m[1]), slide)
    notes = f"<aside>{render(notes)}</aside>" if notes.strip() else ""
    return f'<section id="{number}"><div>{render(slide)}</div>{notes}<footer>{number}</footer></section>\n'


def render(text: str) -> str:
    """Markdown as HTML, pictures inside, and a name with an index such as D_main set as one."""
    html = MarkdownIt("commonmark").enable("table").render(text)
    html = re.sub(r"(?<=[A-Za-z])_([a-z]+)", r"<sub>\1</sub>", re.sub(r"\^\((.*?)\)", r"<sup>\1</sup>", html))
    return re.sub(r'src="([^"]+)"', lambda m: f'src="{inside(FOLDER / m[1])}"', html)


def inside(path: Path) -> str:
    """A picture as a data address."""
    kind = path.suffix.removeprefix(".")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


if __name__ == "__main__":
    sys.exit(main())
