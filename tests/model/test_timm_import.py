"""timm comes without torch's compiler, and does what it does with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import torch
import torchvision

from btxrd_explain.model.timm_import import _disable_later, _is_compile_supported, timm

_PROGRAM = """
import sys, torch
real = torch.compiler.disable
from btxrd_explain.model.checkpoint import read_checkpoint
from btxrd_explain.model.networks import from_timm
from btxrd_explain.synthetic import demo_checkpoint
assert torch.compiler.disable is real
network = from_timm("test_resnet", 3, checkpoint=read_checkpoint(demo_checkpoint())).network
image = torch.zeros(1, 3, 64, 64, requires_grad=True)
torch.autograd.grad(network(image)[0, 0], image)
assert "torch._dynamo" not in sys.modules, "compiler"
assert torch._dynamo.utils.is_compile_supported("cpu") is not None
boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
import torchvision
print(torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).sum().item())
"""


def test_a_network_is_made_and_explained_without_the_compiler_which_comes_when_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "4.0\n"), done.stderr


def test_what_is_put_off_is_what_torch_does() -> None:
    asked: list[tuple[Any, ...]] = []

    def real(function: Any, *options: Any, **named: Any) -> Any:  # noqa: ANN401 -- as torch's
        asked.append((function.__name__, options, named))
        return function

    disable = _disable_later(real)

    @disable
    def double(number: int) -> int:
        return 2 * number

    @disable(recursive=False)  # type: ignore[untyped-decorator]
    def triple(number: int) -> int:
        return 3 * number

    assert asked == []
    assert (double(2), double(3), triple(2)) == (4, 6, 6)
    assert asked == [("double", (), {}), ("triple", (), {"recursive": False})]


def test_torchvision_hears_of_compilers_what_torch_says() -> None:
    from torch._dynamo.utils import is_compile_supported  # noqa: PLC0415 -- comes with the test alone

    for kind in ("cpu", "cuda"):
        assert _is_compile_supported(kind) == is_compile_supported(kind)
    assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), [torch.tensor([[0.0, 0.0, 4.0, 4.0]])], 2).sum() == 4
    assert timm.__version__
