"""How an exported file is loaded: lines to paste, printed after an export."""

from __future__ import annotations

from superpoint_tf.detection.score_maps import SUPERPOINT, Spec
from superpoint_tf.export.formats import FORMATS
from superpoint_tf.export.request import Request

_IMAGE = 'images = cv2.imread("picture.jpg", cv2.IMREAD_GRAYSCALE)[None, :, :, None].astype(np.float32) / 255{note}'
_MAPS = """\
heatmap = outputs["heatmap"][0]  # (H, W) probabilities; see superpoint_tf.detection.keypoints"""
_MAP = """\
descriptor_map = outputs["descriptors"][0]  # (H/{0}, W/{0}, D), unit length; read at {1}, then normalise"""
_FOUND = """\
count = int(outputs["num_keypoints"][0])
keypoints, scores = outputs["keypoints"][0, :count], outputs["scores"][0, :count]  # xy pixels, strongest first"""
_DESCRIBED = """\
descriptors = outputs["descriptors"][0, :count]"""


_PATCHES = """\
patches = cv2.imread("patch.png", cv2.IMREAD_GRAYSCALE)[None, :, :, None].astype(np.float32) / 255  # (N, {}, {}, 1)"""
_VECTORS = """\
vectors = np.asarray(outputs["vectors"])  # (N, D); the nearer the more alike"""


def usage(path: str, request: Request, with_descriptor: bool, spec: Spec = SUPERPOINT) -> str:
    """Return Python code that loads the file of a system and runs it on a picture, or on a patch."""
    shape = request.form.image_shape
    template = FORMATS[request.format].usage
    if request.form.patches:
        assert shape is not None  # a network of patches sees one shape
        return "\n".join([template.format(path=path, input="patches", image=_PATCHES.format(*shape)), _VECTORS])
    note = f"  # a picture of {shape[0]}x{shape[1]} (height x width)" if shape else ""
    lines = [template.format(path=path, input="images", image=_IMAGE.format(note=note))]
    if request.form.detection:
        lines += [_FOUND, *[_DESCRIBED] * with_descriptor]
    else:
        lines += [_MAPS, *[_MAP.format(spec.stride, _place(spec))] * with_descriptor]
    return "\n".join(lines)


def _place(spec: Spec) -> str:
    """Return where a map of descriptors is read for a keypoint's x, as code."""
    if spec.first_px == (spec.stride - 1) / 2:
        return f"(x + 0.5) / {spec.stride} - 0.5"
    return f"(x - {spec.first_px:g}) / {spec.stride}"
