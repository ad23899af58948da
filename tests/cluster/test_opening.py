"""What --ray names is opened, or refused with what to do instead; Ray need not be installed."""

from __future__ import annotations

import json
import sys

import pytest

from superpoint_tf.command_line import open_cluster
from superpoint_tf.config import ConfigError
from superpoint_tf.runtime.progress import Console


def test_without_the_option_there_is_no_cluster():
    assert open_cluster(None, Console(), {"TF_CONFIG": "not even valid"}) is None


@pytest.mark.parametrize("address", ["", "10.0.0.1:6379"])
def test_without_the_package_the_command_that_installs_it_is_named(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"--ray needs Ray, which is not installed: run `pip install .*\[cluster\]"):
        open_cluster(address, Console(), {})


def test_tasks_of_tf_config_which_share_the_work_too_are_refused():
    cluster = {"worker": ["host0:2222", "host1:2222"]}
    tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    with pytest.raises(ConfigError, match="TF_CONFIG of 2 tasks, both share the work: unset TF_CONFIG"):
        open_cluster("", Console(), {"TF_CONFIG": tf_config})
