"""`python -m superpoint_tf.commands NAME ...` is `superpoint-tf NAME ...`."""

from superpoint_tf.commands.console import main

if __name__ == "__main__":
    main()
