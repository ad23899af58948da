"""Which photographs there are, and which of them are held out of training."""

from __future__ import annotations

import heapq
import importlib.util
import itertools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from superpoint_tf.config import PhotographsSection
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.held_out import hold_out
from superpoint_tf.data.photographs.videos import VIDEO_SUFFIXES
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath
from superpoint_tf.runtime.stores import StorePath, walk

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
Stream = TypeVar("Stream", bound="PhotographStream")
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
class PhotographWalk(Collection[str]):
    """Photographs below a folder, sorted, in no memory: each pass over them walks through the folders again."""

    root: str
    subfolders: tuple[str, ...]  # of the root; none: all of it
    held_out: frozenset[str] = frozenset()  # not among them
    more: tuple[str, ...] = ()  # sorted; these are, wherever they lie
    count: int = 0

    def __iter__(self) -> Iterator[str]:
        walked = walk_photographs(self.root, self.subfolders)
        if self.held_out:
            walked = (name for name in walked if name not in self.held_out)
        return _merged([walked, iter(self.more)] if self.more else [walked])

    def __len__(self) -> int:
        return self.count

    def __contains__(self, name: object) -> bool:
        return any(each == name for each in self)

    def taking(self, names: Collection[str]) -> PhotographWalk:
        """Return these and some that were held out."""
        more = tuple(sorted({*self.more, *names}))
        return replace(self, more=more, count=self.count + len(more) - len(self.more))


@dataclass(frozen=True)
class PhotographStream:
    """Photographs to train on and to validate on, as slash-separated paths below `root`; `note` says how chosen.

    Those to train on are sorted, may be more than the memory holds, and are read one after the other.
    """

    root: str
    train: Collection[str]
    validation: tuple[str, ...]
    note: str

    def with_readable_validation(self: Stream, stretch: str = NO_STRETCH) -> Stream:
        """Put those held out that cannot be read among the training pictures, whose reader counts and names them."""
        with ThreadPoolExecutor(8) as pool:  # decoding releases the interpreter lock
            readable = tuple(pool.map(lambda path: _is_readable(_place(self.root, path), stretch), self.validation))
        if all(readable):
            return self
        kept = tuple(itertools.compress(self.validation, readable))
        others = {*self.validation} - {*kept}
        walk = self.train
        train = walk.taking(others) if isinstance(walk, PhotographWalk) else tuple(sorted({*walk, *others}))
        return replace(self, train=train, validation=kept)


@dataclass(frozen=True)
class PhotographSet(PhotographStream):
    """Photographs to train on and to validate on, all in memory."""

    train: tuple[str, ...]


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
    _check_folders(storage.as_path(root), subfolders, remedy)
    found_files = list(walk_photographs(root, subfolders))
    if not found_files:
        raise _nothing_in(storage.as_path(root), subfolders, remedy)
    return found_files


def walk_photographs(root: str | AnyPath, subfolders: Sequence[str] = ()) -> Iterator[str]:
    """Yield what `list_photographs` returns, in its order; holds the names of one folder at a time."""
    return _merged([_walk(storage.as_path(root), name) for name in subfolders or ("",)])


def _merged(streams: Sequence[Iterator[str]]) -> Iterator[str]:
    """Yield the names of sorted streams, sorted, each once."""
    if len(streams) == 1:
        return streams[0]
    return (name for name, _ in itertools.groupby(heapq.merge(*streams)))


def _check_folders(root: AnyPath, subfolders: Sequence[str], remedy: str) -> None:
    if not root.is_dir():
        found = "it is not a folder" if root.exists() else "it does not exist"
        raise FileNotFoundError(f"no photographs in {root}: {found}; {remedy}")
    for name in subfolders:
        if not (root / name).is_dir():
            there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "none"
            raise FileNotFoundError(f"no sub-folder {name!r} in {root}; there: {there}")


def _nothing_in(root: AnyPath, subfolders: Sequence[str], remedy: str) -> FileNotFoundError:
    places = ", ".join(str(root / name) for name in subfolders) or str(root)
    patterns = ", ".join("*" + suffix for suffix in _COMMON.split())
    others = [line for name in subfolders or ("",) for line in passed_over(root / name)]
    there = f"; there: {'; '.join(others)}" if others else ""
    return FileNotFoundError(f"no photographs in {places} (looked for {patterns} ...){there}; {remedy}")


def passed_over(root: str | AnyPath) -> list[str]:
    """Return a line on each kind of picture or video below `root` that `list_photographs` does not give."""
    first: dict[str, str] = {}
    remedies = {suffix: remedy for remedy, suffixes in _PASSED_OVER.items() for suffix in suffixes.split()}
    counts: Counter[str] = Counter()
    for path in _files(storage.as_path(root), ""):
        suffix = os.path.splitext(path)[1].lower()
        if suffix in remedies:
            counts[suffix] += 1
            first.setdefault(suffix, storage.join(root, path))
    return [
        f"{count} {suffix} ({first[suffix]}{' ...' * (count > 1)}): {remedies[suffix]}"
        for suffix, count in sorted(counts.items())
    ]


def passed_over_beside(photographs: PhotographStream) -> list[str]:
    """Return what `passed_over` says of the folders of `root` that these photographs lie in."""
    names = itertools.chain(photographs.train, photographs.validation)
    folders = {name.partition("/")[0] if "/" in name else "" for name in names}
    places = (storage.join(photographs.root, folder) for folder in sorted(folders) if folder)
    return [line for place in ([photographs.root] if "" in folders else places) for line in passed_over(place)]


def _walk(root: AnyPath, subfolder: str) -> Iterator[str]:
    return (path for path in _files(root, subfolder) if _is_picture_name(path.rpartition("/")[2]))


def _files(root: AnyPath, subfolder: str) -> Iterator[str]:
    """Yield the path below `root` of each file that is not hidden, and of each empty folder with a picture's name.

    They come in the order of sorted paths.
    """
    folder = root / subfolder if subfolder else root
    if isinstance(folder, StorePath):
        # a name that ends as a picture's is taken for one: to ask for each takes hours
        return (storage.relative(path, root) for path in walk(folder, _is_picture_name))
    return _files_below(folder, f"{subfolder}/" if subfolder else "", set())


def _files_below(folder: Path, prefix: str, entered: set[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in entered:  # a link back to a folder above
        return
    entered.add(real)
    folders, files = _list_both(folder)
    files += [name for name in folders if _is_picture_name(name) and not os.listdir(folder / name)]
    for name in sorted([*(f"{name}/" for name in folders), *files]):  # as paths below it are sorted
        if name.endswith("/"):
            yield from _files_below(folder / name[:-1], prefix + name, entered)
        else:
            yield prefix + name


def _list_both(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the folders in a folder, also linked ones, and of all else, but for hidden names."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PermissionError(
            f"{error.filename or folder}: cannot be looked into ({reason}); change its permissions or move it away"
        ) from error
    return folders, files


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _is_picture_name(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def num_held_out(count: int) -> int:
    """Return how many of `count` photographs are held out: 5 %, from 2 to 200; of three or two one, of one none."""
    if count < 4:
        return min(1, count - 1)
    return min(_MAX_HELD_OUT, max(_MIN_HELD_OUT, round(_HELD_OUT_FRACTION * count)))


def find_photographs(
    section: PhotographsSection, images: str | None = None, num_held_out: Callable[[int], int] = num_held_out
) -> PhotographSet:
    """Do `stream_photographs`, and hold all of them in memory."""
    found = stream_photographs(section, images, num_held_out)
    return PhotographSet(found.root, tuple(found.train), found.validation, found.note)


def stream_photographs(
    section: PhotographsSection, images: str | None = None, num_held_out: Callable[[int], int] = num_held_out
) -> PhotographStream:
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
    held_out = tuple(list_photographs(root, validation)) if validation else ()
    _check_folders(storage.as_path(root), train, _REMEDY)
    walk = PhotographWalk(root, tuple(train), frozenset(held_out))
    if held_out:
        walk = replace(walk, count=sum(1 for _ in walk))
        if walk.count:
            return PhotographStream(root, walk, held_out, f"validation on {', '.join(validation)}")
        if next(walk_photographs(root, train), None) is None:
            raise _nothing_in(storage.as_path(root), train, _REMEDY)
        if _names(section.validation):
            raise FileNotFoundError(
                f"every photograph of {root} is in photographs.validation ({section.validation}): none is left to "
                "train on"
            )
        walk = PhotographWalk(root, tuple(validation))
    chosen, total = hold_out(root, walk, num_held_out, partial(_is_readable, stretch=section.stretch))
    if not total:
        raise _nothing_in(storage.as_path(root), train, _REMEDY)
    walk = replace(walk, held_out=frozenset(chosen), count=total - len(chosen))
    note = f"{len(chosen)} of {total} held out for validation by content hash"
    return PhotographStream(root, walk, chosen, note)


def _names(setting: str) -> list[str]:
    return [name.strip().strip("/") for name in setting.split(",") if name.strip().strip("/")]


def _existing(root: str, name: str) -> list[str]:
    return [path for path in (name, f"images/{name}") if _place(root, path).is_dir()][:1]


def _place(root: str, path: str) -> AnyPath:
    return storage.as_path(root) / path


def _is_readable(path: AnyPath, stretch: str) -> bool:
    from superpoint_tf.data.photographs.reading import PhotographError, read_photograph  # which imports this module

    try:
        read_photograph(path, stretch)
    except PhotographError:
        return False
    return True


def _bundled_photographs(note: str, num_held_out: Callable[[int], int]) -> PhotographStream:
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
        others, _ = hold_out(str(folder), training, lambda _: more, partial(_is_readable, stretch=NO_STRETCH))
        training, held_out = tuple(name for name in training if name not in others), tuple(sorted(held_out + others))
    return PhotographStream(str(folder), training, held_out, note)
