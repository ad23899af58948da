"""One synthetic picture as the bytes of a tf.train.Example, written and read without TensorFlow.

The message classes are built from the public schema of `tensorflow/core/example`: importing them from TensorFlow would
cost every worker process six seconds.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto


def _build_example_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="records", syntax="proto3")
    for name, kind in (("Bytes", _Field.TYPE_BYTES), ("Float", _Field.TYPE_FLOAT), ("Int64", _Field.TYPE_INT64)):
        values = file.message_type.add(name=f"{name}List")
        values.field.add(name="value", number=1, label=_Field.LABEL_REPEATED, type=kind)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), start=1):
        _add_message_field(feature, f"{name.lower()}_list", number, f"{name}List").oneof_index = 0
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    _add_message_field(entry, "value", 2, "Feature")
    _add_message_field(features, "feature", 1, "Features.FeatureEntry").label = _Field.LABEL_REPEATED
    _add_message_field(file.message_type.add(name="Example"), "features", 1, "Features")
    pool = descriptor_pool.DescriptorPool()  # of its own: TensorFlow's, if it is loaded, stays as it is
    pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("records.Example"))


def _add_message_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str
) -> descriptor_pb2.FieldDescriptorProto:
    return message.field.add(
        name=name, number=number, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_MESSAGE, type_name=f".records.{kind}"
    )


_Example = _build_example_class()


def encode_sample(image: np.ndarray, keypoints: np.ndarray, primitive: str, number: int) -> bytes:
    """Return image uint8 (H, W), as PNG, and keypoints float32 (N, 2) as bytes; same sample, same bytes."""
    done, png = cv2.imencode(".png", image)
    if not done:
        raise ValueError(f"sample {number}: a picture of shape {image.shape} could not be encoded as PNG")
    example = _Example()
    feature = example.features.feature
    feature["image"].bytes_list.value.append(png.tobytes())
    feature["image_shape"].int64_list.value.extend(image.shape)
    feature["keypoints"].float_list.value.extend(np.asarray(keypoints, np.float32).ravel().tolist())
    feature["primitive"].bytes_list.value.append(primitive.encode())
    feature["number"].int64_list.value.append(number)
    content: bytes = example.SerializeToString(deterministic=True)
    return content


def decode_sample(content: bytes) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Return image uint8 (H, W), keypoints float32 (N, 2), primitive and number of what `encode_sample` made."""
    feature = _Example.FromString(content).features.feature
    png = np.frombuffer(feature["image"].bytes_list.value[0], np.uint8)
    image = cv2.imdecode(png, cv2.IMREAD_GRAYSCALE)
    assert image is not None  # a reader has compared the file's checksum
    keypoints = np.array(feature["keypoints"].float_list.value, np.float32).reshape(-1, 2)
    primitive, number = feature["primitive"].bytes_list.value[0].decode(), int(feature["number"].int64_list.value[0])
    return image, keypoints, primitive, number
