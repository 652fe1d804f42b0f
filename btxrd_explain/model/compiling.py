"""Compiling what a pass runs without autograd: the modules up to the layer that is explained.

The layer itself carries the hook from which on the pass is recorded, and each class goes back through what follows it.
``torch.compile`` would freeze the hook, and its backward passes run once only. So the modules that return before
the layer does are compiled one by one, and the rest stays as it is; in most networks that is the pooling and the head.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from btxrd_explain.model.layers import TargetLayer


def compile_body(network: nn.Module, layers: Sequence[TargetLayer], batch: Tensor) -> str | None:
    """Compile the modules that run before the layers, in place, and run them once.

    Args:
        network: The classifier, in eval mode, on its device.
        layers: The layers to explain.
        batch: A batch like those to come, shape ``(B, channels, height, width)``.

    Returns:
        None where it worked; else why nothing is compiled, such as that a C++ compiler is missing.
    """
    modules = modules_before(network, layers, batch)
    for module in modules:
        module.compile()
    try:
        with torch.no_grad():
            network(batch)
    except Exception as error:  # noqa: BLE001 -- compilers fail in many ways, and the network works without
        for module in modules:
            module._compiled_call_impl = None  # noqa: SLF001 -- torch has no public way back
        lines = str(error).strip().splitlines()
        return f"the network is not compiled: {type(error).__name__}" + (f" ({lines[0]})" if lines else "")
    return None


def modules_before(network: nn.Module, layers: Sequence[TargetLayer], batch: Tensor) -> list[nn.Module]:
    """Return the outermost modules that return before the first of the layers does, each of them once."""
    targets = {id(layer.module) for layer in layers}
    returned: dict[str, nn.Module] = {}
    reached = False

    def recorder(name: str, module: nn.Module) -> Any:  # noqa: ANN401 -- torch's hook type
        def record(*_: object) -> None:
            nonlocal reached
            reached = reached or id(module) in targets
            if not reached:
                returned[name] = module

        return record

    with ExitStack() as stack, torch.no_grad():
        for name, module in network.named_modules():
            stack.callback(module.register_forward_hook(recorder(name, module)).remove)
        network(batch)
    return [module for name, module in returned.items() if name and name.rpartition(".")[0] not in returned]
