"""An S3 server on this machine, with one bucket."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import fsspec
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "the-secret-of-the-tests"  # noqa: S105 -- the server takes any


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Start a server with an empty ``s3://bucket``.

    Yields:
        The variables of the environment that lead to it, which this process has while the block runs.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "",
        "AWS_SHARED_CREDENTIALS_FILE": "",
    }
    store = fsspec.get_filesystem_class("s3")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        store.clear_instance_cache()
        s3 = fsspec.filesystem("s3")
        if s3.exists("bucket"):  # of an earlier server of this process, which share what they hold
            s3.rm("bucket", recursive=True)
        s3.mkdir("bucket")
        yield environment
        store.clear_instance_cache()
    server.stop()
