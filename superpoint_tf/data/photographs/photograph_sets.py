"""Which photographs there are, and which of them are held out of training."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from superpoint_tf.config import PhotographsSection
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.videos import VIDEO_SUFFIXES
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.stores import StoreError, StorePath, walk

_COMMON = ".jpg .jpeg .png .bmp .ppm .pgm .webp .tif .tiff .gif"
_RARE = (  # what else Pillow decodes into pixels by itself, and HEIC, which pillow-heif reads
    ".jpe .jfif .mpo .jp2 .j2k .j2c .jpc .jpf .jpx .apng .dib .pbm .pnm .avif .heic .heif .hif .tga .icb .vda .vst "
    ".pcx .dcx .sgi .rgb .rgba .bw .ras .qoi .psd .dds .ico .im .msp .xbm .xpm .fli .flc"
)
SUFFIXES = (*_COMMON.split(), *_RARE.split())
# Pictures and videos that no folder gives, by what to do about them.
_PASSED_OVER = {
    "camera raw: develop it into JPEG or TIFF": ".dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .orf .rw2 .raf .pef .raw",
    "save it as PNG or TIFF of 8 or 16 bits": ".jxl .exr .hdr .pfm .fits .fit .svg .eps .wmf .emf .pdf .xcf .psb .bpg",
    "name a video itself": " ".join(VIDEO_SUFFIXES),
}
DEFAULT_ROOT = "data/coco"
BUNDLED = "bundled"  # a root of this name means the photographs that scikit-image ships
_REMEDY = "set photographs.root, or pass --images where the command takes it"
_OWN = "set photographs.root=DIR, or pass --images DIR where the command takes it"
_HELD_OUT_FRACTION, _MIN_HELD_OUT, _MAX_HELD_OUT = 0.05, 2, 200

# What scikit-image ships that a camera took; the rest is drawn, blank or tiny. The stereo pair stays together.
_BUNDLED = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
_BUNDLED_HELD_OUT = ("motorcycle_left.png", "motorcycle_right.png")


@dataclass(frozen=True)
class PhotographSet:
    """Photographs to train on and to validate on, as slash-separated paths below `root`; `note` says how chosen."""

    root: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    note: str

    def with_readable_validation(self, stretch: str = NO_STRETCH) -> PhotographSet:
        """Put those held out that cannot be read among the training pictures, whose reader counts and names them."""
        with ThreadPoolExecutor(8) as pool:  # decoding releases the interpreter lock
            readable = tuple(pool.map(lambda path: _is_readable(_place(self.root, path), stretch), self.validation))
        if all(readable):
            return self
        kept = tuple(itertools.compress(self.validation, readable))
        return replace(self, train=tuple(sorted({*self.train, *self.validation} - {*kept})), validation=kept)


def list_photographs(
    root: str | AnyPath,
    subfolders: Sequence[str] = (),
    remedy: str = _REMEDY,
) -> list[str]:
    """Return the picture files below `root` (or these sub-folders of it) as slash-separated relative paths, sorted.

    `root` is a folder on a disk, or a URL such as gs://bucket/photographs.

    Linked folders are entered, each once; hidden names are skipped. Whether a file can be read shows when it is read:
    a dangling link, a damaged file or an empty folder with a picture's name is listed, so that it is counted and named.
    Raises FileNotFoundError if a folder is missing or there is no picture, with `remedy` as the last words, and
    PermissionError for a folder that cannot be looked into.
    """
    root = storage.as_path(root)
    if not root.is_dir():
        found = "it is not a folder" if root.exists() else "it does not exist"
        raise FileNotFoundError(f"no photographs in {root}: {found}; {remedy}")
    for name in subfolders:
        if not (root / name).is_dir():
            there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "none"
            raise FileNotFoundError(f"no sub-folder {name!r} in {root}; there: {there}")
    found_files = sorted({path for name in subfolders or ("",) for path in _walk(root, name)})
    if not found_files:
        places = ", ".join(str(root / name) for name in subfolders) or str(root)
        patterns = ", ".join("*" + suffix for suffix in _COMMON.split())
        others = [line for name in subfolders or ("",) for line in passed_over(root / name)]
        there = f"; there: {'; '.join(others)}" if others else ""
        raise FileNotFoundError(f"no photographs in {places} (looked for {patterns} ...){there}; {remedy}")
    return found_files


def passed_over(root: str | AnyPath) -> list[str]:
    """Return a line on each kind of picture or video below `root` that `list_photographs` does not give."""
    found: dict[tuple[str, str], list[str]] = {}
    for folder, name in _files(storage.as_path(root), ""):
        suffix = os.path.splitext(name)[1].lower()
        for remedy, suffixes in _PASSED_OVER.items():
            if suffix in suffixes.split():
                found.setdefault((suffix, remedy), []).append(str(folder / name))
    return [
        f"{len(paths)} {suffix} ({paths[0]}{' ...' * (len(paths) > 1)}): {remedy}"
        for (suffix, remedy), paths in sorted(found.items())
    ]


def _walk(root: AnyPath, subfolder: str) -> Iterable[str]:
    for folder, name in _files(root, subfolder):
        if _is_picture_name(name):
            yield storage.relative(folder / name, root)


def _files(root: AnyPath, subfolder: str) -> Iterable[tuple[AnyPath, str]]:
    """Yield folder and name of each file that is not hidden, and of each empty folder with a picture's name."""
    if isinstance(root, StorePath):
        # a name that ends as a picture's is taken for one: to ask for each takes hours
        for path in walk(root / subfolder if subfolder else root, _is_picture_name):
            yield path.parent, path.name
        return
    entered = set()
    for folder, names, files in os.walk(root / subfolder, followlinks=True, onerror=_raise_unreadable):
        real = os.path.realpath(folder)
        if real in entered:  # a link back to a folder above
            names.clear()
            continue
        entered.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        empty = [name for name in names if _is_picture_name(name) and not os.listdir(Path(folder) / name)]
        yield from ((Path(folder), name) for name in [*sorted(files), *empty] if not name.startswith("."))


def _is_picture_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _raise_unreadable(error: OSError) -> None:
    reason = (error.strerror or str(error)).lower()
    raise PermissionError(f"{error.filename}: cannot be looked into ({reason}); change its permissions or move it away")


def num_held_out(count: int) -> int:
    """Return how many of `count` photographs are held out: 5 %, from 2 to 200; of three or two one, of one none."""
    if count < 4:
        return min(1, count - 1)
    return min(_MAX_HELD_OUT, max(_MIN_HELD_OUT, round(_HELD_OUT_FRACTION * count)))


def find_photographs(
    section: PhotographsSection, images: str | None = None, num_held_out: Callable[[int], int] = num_held_out
) -> PhotographSet:
    """Return the photographs that a config, or `images` from the command line, asks for.

    `num_held_out` says how many of a number are held out where no sub-folder is named for it.

    Without a named folder that is data/coco, and where it is absent, or the name is `bundled`, the photographs that
    scikit-image ships; a folder that was named must be there and hold pictures. Raises FileNotFoundError otherwise.
    """
    root = images or section.root
    if root == BUNDLED:
        return _bundled_photographs("the photographs that scikit-image ships", num_held_out)
    if not root and not Path(DEFAULT_ROOT).exists():
        note = f"{DEFAULT_ROOT} is absent: using the photographs that scikit-image ships; for your own {_OWN}"
        return _bundled_photographs(note, num_held_out)
    root = root or DEFAULT_ROOT
    train = _names(section.train) or _existing(root, "train2017")
    validation = _names(section.validation) or _existing(root, "val2017")
    held_out = list_photographs(root, validation) if validation else []
    training = sorted(set(list_photographs(root, train)) - set(held_out))
    if training and held_out:
        return PhotographSet(root, tuple(training), tuple(held_out), f"validation on {', '.join(validation)}")
    if _names(section.validation):
        raise FileNotFoundError(
            f"every photograph of {root} is in photographs.validation ({section.validation}): none is left to train on"
        )
    available = training or held_out
    return _hold_out(root, available, num_held_out(len(available)), section.stretch)


def _names(setting: str) -> list[str]:
    return [name.strip().strip("/") for name in setting.split(",") if name.strip().strip("/")]


def _existing(root: str, name: str) -> list[str]:
    return [path for path in (name, f"images/{name}") if _place(root, path).is_dir()][:1]


def _place(root: str, path: str) -> AnyPath:
    return storage.as_path(root) / path


def _hold_out(root: str, photographs: Sequence[str], count: int, stretch: str) -> PhotographSet:
    """Hold out those with the smallest content hashes: the same pictures under any name and in any order.

    What cannot be read stays among the training pictures, whose reader counts and names it.
    """
    with ThreadPoolExecutor(8) as pool:  # hashing releases the interpreter lock
        hashes = pool.map(lambda path: _content_hash(_place(root, path)), photographs)
        ranked = sorted((digest, path) for digest, path in zip(hashes, photographs, strict=True) if digest)
    validation: set[str] = set()
    for _, copies in itertools.groupby(ranked, lambda item: item[0]):  # of one picture: they stay on one side
        if len(validation) >= count:
            break
        paths = [path for _, path in copies]
        if _is_readable(_place(root, paths[0]), stretch):
            validation.update(paths)
    if len(validation) == len(photographs):
        validation = set()
    training = tuple(path for path in photographs if path not in validation)
    note = f"{len(validation)} of {len(photographs)} held out for validation by content hash"
    return PhotographSet(root, training, tuple(sorted(validation)), note)


def _content_hash(path: AnyPath) -> str:
    try:
        return storage.sha256_file(path) if path.is_file() else ""  # a pipe would never end
    except StoreError:
        raise
    except OSError:
        return ""


def _is_readable(path: AnyPath, stretch: str) -> bool:
    from superpoint_tf.data.photographs.reading import PhotographError, read_photograph  # which imports this module

    try:
        read_photograph(path, stretch)
    except PhotographError:
        return False
    return True


def _bundled_photographs(note: str, num_held_out: Callable[[int], int]) -> PhotographSet:
    package = importlib.util.find_spec("skimage")
    folder = Path(package.origin).parent / "data" if package and package.origin else Path("skimage/data")
    there = tuple(name for name in _BUNDLED if (folder / name).is_file())
    held_out = tuple(name for name in there if name in _BUNDLED_HELD_OUT)
    training = tuple(name for name in there if name not in held_out)
    if not training:
        raise FileNotFoundError(
            f"no photographs: {DEFAULT_ROOT} is absent and {folder} holds none; set photographs.root=DIR"
        )
    if (more := num_held_out(len(there)) - len(held_out)) > 0:
        others = _hold_out(str(folder), training, more, NO_STRETCH)
        training, held_out = others.train, tuple(sorted(held_out + others.validation))
    return PhotographSet(str(folder), training, held_out, note)
