"""What a system is: a paper, a network as layers in order, what trains it, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAPS = "maps"  # a heatmap, and perhaps a map of descriptors, of a whole picture
VECTORS = "vectors"  # one descriptor of one patch
SCORES = "scores"  # one number of two patches, larger = more alike
CLASSES = "classes"  # which of some classes a small picture is of
COSTS = "costs"  # of taking a pixel of one picture and one of another for the same point


class Layer(NamedTuple):
    """One layer of a network: its kind and its settings by name."""

    kind: str
    values: dict[str, Any]


def conv(channels: int, side: int = 3, padding: str = "same", stride: int = 1, bias: bool = False) -> Layer:
    """Return a convolution of `side` x `side` pixels.

    Padding `same` puts side // 2 zeros on every side, whatever the stride; `valid` puts none.
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"padding {padding!r} is not known; use 'same' or 'valid'")
    values = {"channels": channels, "side": side, "padding": padding, "stride": stride, "bias": bias}
    return Layer("conv", values)


def coarse_conv(channels: int, side: int = 3, bias: bool = False) -> Layer:
    """Return a `same` convolution behind a `coarse_pool`: at use it looks two pixels apart, at what it learnt from."""
    values = {"channels": channels, "side": side, "padding": "same", "stride": 1, "bias": bias}
    return Layer("coarse_conv", values)


def deformable_conv(channels: int, kind: str, side: int = 3) -> Layer:
    """Return a modulated convolution whose taps move, as a row of `networks.transformers.TAPS` says (ASLFeat)."""
    return Layer("deformable_conv", {"channels": channels, "side": side, "taps": kind})


def coarse_pool() -> Layer:
    """Return the maximum of 2 x 2 pixels in training, and at use the mean of 2 x 2 one pixel apart (D2-Net).

    Maps of twice the resolution then come out of the same weights.
    """
    return Layer("coarse_pool", {})


def transformer(channels: int, side: int) -> Layer:
    """Return a convolution of `side` x `side` pixels that reads each pixel's neighbourhood through an affine map.

    (UCN's convolutional spatial transformer: Choy et al. 2016, section 3.3.)
    """
    return Layer("transformer", {"channels": channels, "side": side})


def fc(channels: int, bias: bool = True) -> Layer:
    """Return a matrix and an offset, on all numbers of a patch as one vector: row by row, all channels of a pixel."""
    return Layer("fc", {"channels": channels, "bias": bias})


def bn(affine: bool = False) -> Layer:
    """Return batch normalisation, `affine` with scale and offset (SuperPoint's, of its epsilon and momentum)."""
    return Layer("bn", {"affine": affine})


def relu() -> Layer:
    """Return max(0, x)."""
    return Layer("relu", {})


def tanh() -> Layer:
    """Return the hyperbolic tangent."""
    return Layer("tanh", {})


def pool(kind: str, side: int, stride: int = 0, ceil: bool = False) -> Layer:
    """Return the `max`, or for `l2` the root of the sum of squares, of windows of `side` x `side` pixels.

    They lie `stride` apart, 0 = `side`. With `ceil` a last window may reach over the right and the lower edge (Caffe's
    pooling, and Torch's in that mode); else what no whole window covers is left out.
    """
    if kind not in ("max", "l2"):
        raise ValueError(f"pooling {kind!r} is not known; use 'max' or 'l2'")
    return Layer("pool", {"pooling": kind, "side": side, "stride": stride or side, "ceil": ceil})


def subtract(side: int) -> Layer:
    """Return the subtraction of the local mean over all channels, under a Gaussian of `side` pixels.

    Its deviation is side / 4. Near the edges the mean is over the pixels that there are
    (Torch's SpatialSubtractiveNormalization).
    """
    return Layer("subtract", {"side": side})


def spp(bins: int) -> Layer:
    """Return the maxima over `bins` x `bins` parts of a map of any size (spatial pyramid pooling, one level)."""
    return Layer("spp", {"bins": bins})


def gradients(bins: int, blur_px: float) -> Layer:
    """Return the gradients of a patch after a blur of this deviation, as one map a direction."""
    return Layer("gradients", {"bins": bins, "blur_px": blur_px})


def regions(count: int) -> Layer:
    """Return the sums of maps over regions, which are its weights, each at most 1."""
    return Layer("regions", {"regions": count})


def ghh(sums: int = 4, maxima: int = 4) -> Layer:
    """Return the generalised hinging hyperplanes: of `sums` maxima of `maxima` channels each, the 1st - 2nd + 3rd ....

    Channels are `sums` x `maxima` neighbours for each number that comes out (Yi et al., LIFT, ECCV 2016, equation 5).
    """
    return Layer("ghh", {"sums": sums, "maxima": maxima})


def dropout(share: float) -> Layer:
    """Return a layer that in training sets this share of the numbers to zero, and divides the others by the rest."""
    return Layer("dropout", {"share": share})


def l2() -> Layer:
    """Return the scaling of all numbers of a patch, as one vector, to unit length."""
    return Layer("l2", {})


def unit() -> Layer:
    """Return the scaling of the channels of each pixel to unit length."""
    return Layer("unit", {})


def sign() -> Layer:
    """Return 1 for numbers above 0 and -1 for the others; in training the numbers as they are."""
    return Layer("sign", {})


def difference() -> Layer:
    """Return the second of two numbers minus the first: the logit of the softmax's second class."""
    return Layer("difference", {})


def nearness() -> Layer:
    """Return 1 minus the Euclidean distance of the two vectors that are joined in a head."""
    return Layer("nearness", {})


@dataclass(frozen=True)
class PatchSpec:
    """A network of patches: from one to a vector, or with a head from two to a score."""

    side_px: int  # of the patch that it sees; with `spp` among its layers, that it is trained with
    input: str  # what is done to the grey levels first, a row of `networks.patch_inputs.INPUTS`
    layers: tuple[Layer, ...]  # of one branch, or of one stream of it
    # two patches: `tied`, the same weights describe both; `untied`, each has its own; `two channels`, they are seen
    # together, as one picture, from the first layer on
    branches: str = "tied"
    streams: str = "one"  # or `centre and whole`: the middle at full size and the whole at half, each its own weights
    join: tuple[Layer, ...] = ()  # on the features of the two streams, joined
    head: tuple[Layer, ...] = ()  # on the joined features of two patches: a score; (): the vector is the answer
    taps: tuple[int, ...] = ()  # numbers of the layers, of each stream, whose outputs a loss sees too (L2-Net's E3)
    start: str = "orthogonal"  # the first weights, a row of `networks.patch_layers.STARTS`

    descriptor = True  # it describes

    @property
    def any_side(self) -> bool:
        """Whether patches of other sides can be described."""
        return any(layer.kind == "spp" for layer in self.layers)

    @property
    def binary(self) -> bool:
        """Whether the numbers of a vector are 1 and -1, to be compared by Hamming's distance."""
        return any(layer.kind == "sign" for layer in (*self.layers, *self.join))


@dataclass(frozen=True)
class CropSpec:
    """A detector of pictures, and networks that see crops about what it finds: each a part with weights of its own."""

    detector: str  # a row of `networks.crop_network.DETECTORS`
    score_map: str  # how its maps become keypoints, a row of `detection.score_maps.SCORE_MAPS`
    descriptor: PatchSpec
    orientation: PatchSpec | None = None  # gives (cosine, sine) of a crop's angle; None: the detector gives angles

    # what `MapSpec` says of the others; there is no map of descriptors
    stride = 1
    first_px = 0.0

    @property
    def patch_parts(self) -> dict[str, PatchSpec]:
        """Return the parts that see crops, by their names."""
        parts = {"orientation": self.orientation, "descriptor": self.descriptor}
        return {name: spec for name, spec in parts.items() if spec}


@dataclass(frozen=True)
class DenseSpec:
    """MagicPoint and SuperPoint, networks from a picture to maps; `NetworkConfig` has their sizes."""

    detector: str  # how its maps become keypoints: `cells`
    descriptor: bool  # whether it has a map of descriptors

    # what `MapSpec` says of the others
    stride = 8
    first_px = 3.5

    @property
    def score_map(self) -> str:
        """Return the row of `detection.score_maps.SCORE_MAPS`."""
        return self.detector


@dataclass(frozen=True)
class MapSpec:
    """A network from a picture to maps, whose sizes are all in its row."""

    body: str  # how it is put together, a row of `networks.map_networks.MAP_BODIES`
    score_map: str  # how its maps become keypoints, a row of `detection.score_maps.SCORE_MAPS`; "": it describes alone
    dimension: int  # of its descriptors; 0: it has none
    stride: int  # pixels of the picture from one descriptor to the next
    first_px: float = 0.0  # where the centre of what the first descriptor sees is, on both axes
    options: Mapping[str, Any] = field(default_factory=dict)  # what the body is told: see `networks.map_networks`

    @property
    def descriptor(self) -> bool:
        """Whether it has a map of descriptors."""
        return self.dimension > 0


@dataclass(frozen=True)
class DigitSpec:
    """A network from the picture of a digit to one number of each of the ten, perhaps behind a spatial transformer."""

    layers: tuple[Layer, ...]
    front: str = ""  # the transformer's warps, a row of `networks.transformers.TRANSFORMS`; "": none
    localisation: tuple[Layer, ...] = ()  # from the picture to what decides the warp

    descriptor = False  # it tells classes apart


@dataclass(frozen=True)
class StereoSpec:
    """A network of rectified pairs: it describes the pixels of each picture, and says how unlike two of them are."""

    layers: tuple[Layer, ...]  # of the description: `valid` convolutions, and what acts on each pixel by itself
    head: tuple[Layer, ...] = ()  # on two descriptions joined: the logit of a mismatch; (): minus their dot product
    start: str = "relu"  # as `PatchSpec.start`

    descriptor = False  # what it says of a pixel is for pixels of the same row alone

    @property
    def side_px(self) -> int:
        """Return the side of the patch that the description of a pixel sees."""
        return 1 + sum(layer.values["side"] - 1 for layer in self.layers if layer.kind == "conv")


@dataclass(frozen=True)
class System:
    """One row of the table of systems."""

    paper: str
    network: PatchSpec | DenseSpec | MapSpec | DigitSpec | CropSpec | StereoSpec
    train: str  # the section of the config that trains it
    losses: tuple[str, ...]  # that may train it; the first is the paper's
    gives: str  # MAPS, VECTORS, SCORES, CLASSES or COSTS: what evaluation and tools may ask of it

    @property
    def solved(self) -> bool:
        """Whether its weights are solved for (`training.convex`), not trained by gradients."""
        return isinstance(self.network, PatchSpec) and any(layer.kind == "regions" for layer in self.network.layers)
