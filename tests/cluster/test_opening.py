"""What --ray names is opened, or refused with what to do instead; Ray need not be installed."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from superpoint_tf.cluster import ray_cluster
from superpoint_tf.cluster.ray_cluster import check_reachable, connect
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
    with pytest.raises(ValueError, match=r"--ray needs Ray, which is not installed: run `pip install .*\[cluster\]"):
        check_reachable(address)


def test_an_address_where_nothing_listens_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_cluster.importlib.util, "find_spec", lambda name: object())
    check_reachable("")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        check_reachable(address)
    with pytest.raises(ValueError, match=rf"no Ray cluster answers at {address} \(.*refused\); .*ray/auth_token here"):
        check_reachable(address)


@pytest.mark.parametrize("given", [None, "disabled"])
def test_where_rays_token_lies_it_is_used_unless_that_was_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    environment = {} if given is None else {"RAY_AUTH_MODE": given}
    monkeypatch.setattr(ray_cluster.os, "environ", {**os.environ, **environment})
    for there in (False, True):
        with pytest.raises(ValueError, match="--ray needs Ray"):
            connect("10.0.0.1:6379", Console())
        assert ray_cluster.os.environ.get("RAY_AUTH_MODE") == (given or ("token" if there else None))
        (tmp_path / ".ray").mkdir(exist_ok=True)
        (tmp_path / ".ray/auth_token").write_text("secret")


def test_tasks_of_tf_config_which_share_the_work_too_are_refused():
    cluster = {"worker": ["host0:2222", "host1:2222"]}
    tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    with pytest.raises(ConfigError, match="TF_CONFIG of 2 tasks, both share the work: unset TF_CONFIG"):
        open_cluster("", Console(), {"TF_CONFIG": tf_config})
