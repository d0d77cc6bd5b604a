"""The API reference: one page a package, listing its modules, made from what is there (not under version control)."""

from pathlib import Path

PACKAGES = {
    "edm": ("The method: `edm`", ("edm", "edm/training", "edm/evaluation", "edm/storage")),
    "toy2d": ("The exact 2D world: `toy2d`", ("toy2d",)),
    "figures": ("What experiments share: `figures.engine`", ("figures/engine",)),
}
FIRST = ("denoiser", "guidance", "correctors", "sampler", "ema", "corruption", "fractal", "mixture", "model", "paired")


def modules(root: Path, folder: str) -> list[str]:
    """Dotted names of the modules in a folder: those that a student reads first, then the rest by name."""
    names = [p.stem for p in sorted((root / folder).glob("*.py")) if not p.stem.startswith("_")]
    names.sort(key=lambda n: FIRST.index(n) if n in FIRST else len(FIRST))
    return [f"{folder}/{name}".replace("/", ".") for name in names]


def write_pages(root: Path, out: Path) -> None:
    """Write OUT/PACKAGE.rst for every package, if its text has changed."""
    out.mkdir(exist_ok=True)
    for package, (title, folders) in PACKAGES.items():
        heading = title.replace("`", "``")
        lines = [heading, "=" * len(heading), ""]
        for name in (name for folder in folders for name in modules(root, folder)):
            lines += [name, "-" * len(name), "", f".. automodule:: {name}", ""]
        text, path = "\n".join(lines), out / f"{package}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
