from __future__ import annotations

import json
from typing import Any

import pytest

from superpoint_tf.command_line import resolve_shard
from superpoint_tf.config import ConfigError
from superpoint_tf.config.cluster import Cluster, read_cluster

TWO = ["a:1", "b:1"]


def environment(cluster: Any, kind: Any = "worker", index: Any = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize("text", ["", " ", "{}", '{"cluster": {}}', '{"task": {"type": "worker", "index": 0}}'])
def test_without_a_cluster_there_is_none(text: str):
    assert read_cluster({"TF_CONFIG": text}) is None
    assert read_cluster({}) is None


def test_workers_are_numbered_by_their_index():
    assert read_cluster(environment({"worker": TWO}, index=1)) == Cluster(1, 2)
    assert read_cluster(environment({"worker": ["a:1"]})) == Cluster(0, 1)
    assert read_cluster(environment({"worker": TWO}, index="1")) == Cluster(1, 2)


def test_a_chief_is_number_0_and_the_workers_follow():
    cluster = {"worker": TWO, "chief": ["c:1"]}
    assert read_cluster(environment(cluster, "chief")) == Cluster(0, 3)
    assert [read_cluster(environment(cluster, index=index)) for index in (0, 1)] == [Cluster(1, 3), Cluster(2, 3)]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("{cluster", "not valid JSON"),
        ("[1]", "expected an object with `cluster` and `task`"),
        ('{"cluster": ["a:1"]}', "`cluster` is no object"),
        ('{"cluster": {"worker": "a:1"}}', r"`cluster\.worker` is no list of host:port"),
        ('{"cluster": {"worker": ["a"]}}', r"`cluster\.worker` is no list of host:port"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "`task` must say which"),
        ('{"cluster": {"worker": ["a:1"]}, "task": 3}', "`task` must say which"),
        (environment({"worker": TWO}, index=-1)["TF_CONFIG"], "`task` must say which"),
        (environment({"worker": TWO}, index=True)["TF_CONFIG"], "`task` must say which"),
        (environment({"worker": TWO}, index=2)["TF_CONFIG"], r"task worker 2 is not in the cluster \(2 worker\)"),
        (environment({"worker": TWO}, "chief")["TF_CONFIG"], "task chief 0 is not in the cluster"),
        (environment({"worker": TWO, "ps": ["c:1"]})["TF_CONFIG"], "tasks of type ps are not used here"),
        (environment({"chief": TWO}, "chief")["TF_CONFIG"], "2 chiefs"),
        (environment({"worker": ["a:1", "a:1"]})["TF_CONFIG"], "an address is listed twice"),
    ],
)
def test_a_malformed_value_is_refused_with_the_value_and_an_example(text: str, reason: str):
    with pytest.raises(ConfigError, match=reason) as error:
        read_cluster({"TF_CONFIG": text})
    assert text in str(error.value) and 'unset it, or write for example {"cluster"' in str(error.value)


def test_a_share_that_is_given_comes_before_the_cluster_and_the_cluster_before_everything():
    second = environment({"worker": TWO}, index=1)
    assert resolve_shard((2, 5), second) == (2, 5)
    assert resolve_shard((2, 5), {"TF_CONFIG": "{broken"}) == (2, 5)
    assert resolve_shard(None, second) == (1, 2)
    assert resolve_shard(None, {}) == (0, 1)
