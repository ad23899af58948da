"""The scripts of docs/cluster.md, as far as they run without a cluster."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import yaml

from superpoint_tf.config.cluster import VARIABLE, Cluster, read_cluster
from superpoint_tf.config.config_files import load_config
from superpoint_tf.runtime.invocation import COMMANDS
from superpoint_tf.training.replicas import Replicas

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cluster.md"
TOOL = re.compile(r"exec (?:python tools/|superpoint-tf ).*?(?='?$)", re.MULTILINE)  # what the scripts end with


def block(language: str, containing: str) -> str:
    """Return the one code block of a language with that text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


def cluster_of(script: str, **variables: str) -> tuple[Cluster | None, str]:
    """Run a script that prints TF_CONFIG in place of starting the tool; return what we read from it."""
    assert len(TOOL.findall(script)) == 1
    printing = TOOL.sub(f"printenv {VARIABLE}", script)
    environment = {"PATH": os.environ["PATH"], **variables}
    text = subprocess.run(["bash", "-ec", printing], env=environment, capture_output=True, text=True, check=True).stdout
    return read_cluster({VARIABLE: text}), text


def assert_settings_suit(script: str, devices: int) -> None:
    """Check that the tool takes the command, and that its batch divides into that many devices."""
    (command,) = TOOL.findall(script)
    _, program, tool, config, flag, *settings = command.split()
    assert (ROOT / tool).is_file() if program == "python" else tool in COMMANDS
    assert flag == "--set"
    loaded = load_config(ROOT / config, settings)
    Replicas(type("Strategy", (), {"num_replicas_in_sync": devices})()).check(loaded.joint)  # type: ignore[arg-type]


def test_the_slurm_script_gives_each_task_its_place_among_the_nodes():
    stand_ins = 'scontrol() { printf "node7\\nnode9\\n"; }\nsrun() { shift; "$@"; }\n'
    script = block("sh", "TF_CONFIG")
    found, text = cluster_of(stand_ins + script, SLURM_JOB_NODELIST="node[7,9]", SLURM_PROCID="1")
    assert_settings_suit(script, devices=4 * 8)
    assert found == Cluster(1, 2)
    assert '["node7:2222","node9:2222"]' in text


def test_the_kubernetes_job_gives_each_pod_its_place_among_the_pods():
    service, job = yaml.safe_load_all(block("yaml", "kind: Job"))
    name, specification = job["metadata"]["name"], job["spec"]
    assert service["spec"]["selector"] == {"job-name": name}
    pod = specification["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert specification["completions"] == specification["parallelism"]
    assert_settings_suit(
        container["args"][0], specification["completions"] * container["resources"]["limits"]["nvidia.com/gpu"]
    )
    found, text = cluster_of(container["args"][0], JOB_COMPLETION_INDEX="2")
    assert found == Cluster(2, specification["completions"])
    assert f'"{name}-3.{pod["subdomain"]}:2222"' in text
