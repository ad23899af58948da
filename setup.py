"""What setup.cfg cannot say: the folders that lie beside the package in the repository are inside it in a wheel."""

from setuptools import find_packages, setup

FOLDERS = {
    "superpoint_tf.synthetic": "synthetic",
    "superpoint_tf.configs": "configs",
    "superpoint_tf.configs.zoo": "configs/zoo",
}

setup(packages=sorted({*find_packages(include=["superpoint_tf*"]), *FOLDERS}), package_dir=FOLDERS)
