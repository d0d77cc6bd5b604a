"""A folder or zip of images, turned once into one array on disk that is read by memory-mapping.

`prepare` writes DEST/images.npy, uint8 [N, 3, R, R], lossless, and then DEST/info.json with labels and class names; the
second file marks the first as complete. Until then DEST/progress.json says how many images are safely written.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

from edm.storage.atomic import write_json

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".webp"}
LABEL_FILE = "dataset.json"  # optional in the source: {"labels": [["folder/name.png", 7], ...]}
BLOCK = 512  # images between two notes of progress


def prepare(
    source: str | Path, dest: str | Path, resolution: int = 64, *, workers: int | None = None, progress: bool = True
) -> Path:
    """Crop every image of `source` to its central square, average it down to `resolution`, store all in folder `dest`.

    source: a folder or zip with one subfolder per class (classes are numbered in alphabetical order), or with a
    dataset.json that lists [name, label] pairs. Images keep the alphabetical order of their names. A killed run goes on
    where it stopped when called again, and a finished one returns at once. workers: threads, all cores by default.

    Returns dest. Raises FileNotFoundError without a source, ValueError for a source without images or classes, for an
    image that cannot be decoded (by name; repair or remove it and call again), and when dest holds something else.
    """
    source, dest = Path(source), Path(dest)
    if resolution < 1:
        raise ValueError(f"resolution must be at least 1, got {resolution}")
    with ExitStack() as stack:
        names, read = _open_source(source, stack)
        names, labels, classes = _label(source, names, read)
        job = {"resolution": resolution, "images": len(names), "listing": _digest(names, labels)}
        header = _npy_header((len(names), 3, resolution, resolution))
        done = _images_done(dest, job, len(header))
        if done is None:
            return dest
        dest.mkdir(parents=True, exist_ok=True)
        write_json(dest / "progress.json", job | {"done": done})
        pool = stack.enter_context(ThreadPoolExecutor(workers or os.cpu_count()))
        bar = stack.enter_context(tqdm(total=len(names), initial=done, unit="image", disable=not progress))
        out = stack.enter_context(open(dest / "images.npy", "r+b" if done else "wb"))
        out.write(header)
        out.seek(len(header) + done * 3 * resolution**2)
        out.truncate()  # what a killed run wrote after its last note of progress
        for start in range(done, len(names), BLOCK):
            block = names[start : start + BLOCK]
            for pixels in pool.map(lambda name: _pixels(source, name, read, resolution), block):
                out.write(pixels.tobytes())
                bar.update()
            out.flush()
            os.fsync(out.fileno())
            write_json(dest / "progress.json", job | {"done": start + len(block)})
    write_json(dest / "info.json", job | {"source": source.name, "classes": classes, "labels": labels})
    (dest / "progress.json").unlink(missing_ok=True)
    return dest


def read_prepared(folder: str | Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What `prepare` wrote: images (memory-mapped uint8 [N, 3, R, R]), labels (int64 [N]) and the class names.

    Raises FileNotFoundError or ValueError, naming the file, if it is missing, unfinished or truncated.
    """
    folder = Path(folder)
    if not (folder / "info.json").is_file():
        state = "is not finished; run it again" if (folder / "progress.json").is_file() else "was never run here"
        raise FileNotFoundError(f"{folder / 'info.json'} is missing: `python -m edm prepare SOURCE {folder}` {state}")
    try:
        info = json.loads((folder / "info.json").read_text())
        shape = (info["images"], 3, info["resolution"], info["resolution"])
        labels, classes = np.array(info["labels"], np.int64), [str(name) for name in info["classes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / 'info.json'} is damaged ({error}); delete {folder} and prepare it again"
        ) from error
    path = folder / "images.npy"
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is missing; delete {folder} and prepare it again") from None
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} is truncated or not an array ({error}); delete {folder} and prepare it again"
        ) from error
    if images.shape != shape or images.dtype != np.uint8 or len(labels) != len(images):
        raise ValueError(
            f"{path} holds {images.dtype} {images.shape}, but info.json says uint8 {shape}; prepare it again"
        )
    return images, labels, classes


def fit(image: Image.Image, resolution: int) -> np.ndarray:  # [3, resolution, resolution]
    """Central square of an image as RGB, averaged over areas down to resolution (never blurred, never sharpened)."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = (left, top, left + side, top + side)
    small = image.convert("RGB").resize((resolution, resolution), Image.Resampling.BOX, box=square)
    return np.asarray(small).transpose(2, 0, 1)


def _pixels(source: Path, name: str, read: Callable[[str], bytes], resolution: int) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(read(name))) as image:
            return fit(image, resolution)
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise ValueError(
            f"cannot read image {name} in {source} ({error}); replace or remove it, then run prepare again: "
            "a replaced image keeps the work done so far, a removed one needs a new destination"
        ) from error


def _open_source(source: Path, stack: ExitStack) -> tuple[list[str], Callable[[str], bytes]]:
    """Names of all files in a folder or zip, sorted, with / between the parts; and a function that reads one."""
    if source.is_dir():
        names = [
            Path(folder, name).relative_to(source).as_posix()
            for folder, _, files in os.walk(source, followlinks=True)
            for name in files
        ]
        return sorted(names), lambda name: (source / name).read_bytes()
    if not source.is_file():
        raise FileNotFoundError(
            f"{source} does not exist: give a zip or a folder with one subfolder of images per class"
        )
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{source} is not a zip file, or it is truncated ({error}); download or pack it again"
        ) from error
    return sorted(name for name in archive.namelist() if not name.endswith("/")), archive.read


def _label(source: Path, names: list[str], read) -> tuple[list[str], list[int], list[str]]:
    """Images among the names, the label of each, and the class names."""
    images = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES and not _hidden(name)]
    if not images:
        raise ValueError(f"{source} holds no images ({', '.join(sorted(SUFFIXES))})")
    if LABEL_FILE in names:
        try:
            listed = {str(name): int(label) for name, label in json.loads(read(LABEL_FILE))["labels"]}
            labels = [listed[name] for name in images]
            if min(labels) < 0:
                raise ValueError(f"label {min(labels)} is negative")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{LABEL_FILE} in {source} does not give every image a [name, label] pair: {error}"
            ) from error
        return images, labels, [str(label) for label in range(max(labels) + 1)]
    folders = [PurePosixPath(name).parent for name in images]
    roots = sorted({str(folder.parent) for folder in folders if folder.name})
    if len(roots) != 1 or not all(folder.name for folder in folders):
        places = sorted({"itself" if not folder.name else str(folder) for folder in folders})
        raise ValueError(
            f"{source} must hold one folder per class, all in one place, but has images in {places[0]}"
            f"{f' and {places[-1]}' if len(places) > 1 else ''}; prepare each split from its own folder"
        )
    classes = sorted({folder.name for folder in folders})
    index = {name: i for i, name in enumerate(classes)}
    return images, [index[folder.name] for folder in folders], classes


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _digest(names: list[str], labels: list[int]) -> str:
    return hashlib.sha256(json.dumps([names, labels]).encode()).hexdigest()


def _images_done(dest: Path, job: dict, header_bytes: int) -> int | None:
    """How many images of this job dest already holds; None if all of them."""
    path = dest / "images.npy"
    note = next((dest / name for name in ("info.json", "progress.json") if (dest / name).is_file()), None)
    if note is None and not path.exists():
        return 0
    try:
        found = json.loads(note.read_text()) if note else {}
        same = all(found[key] == value for key, value in job.items())
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise ValueError(
            f"{dest} already holds other images, or these at another resolution; empty it or choose another"
        )
    if note.name == "info.json":
        return None
    stored = (path.stat().st_size - header_bytes) // (3 * job["resolution"] ** 2) if path.exists() else 0
    return max(0, min(int(found["done"]), stored))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()
