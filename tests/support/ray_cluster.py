"""A Ray cluster on this machine that lives until the standard input closes; prints its address."""

from __future__ import annotations

import sys

import ray

if __name__ == "__main__":
    ray.init(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False)
    print(ray.get_runtime_context().gcs_address, flush=True)  # noqa: T201
    sys.stdin.read()
