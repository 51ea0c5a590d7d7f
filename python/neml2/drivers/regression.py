# SPDX-License-Identifier: MIT
"""Comparison of a transient run with a stored one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..errors import listing
from ..hit import HitObject, Option, Reference, register
from .progress import Progress
from .transient import TransientDriver


@register("TransientRegression")
class TransientRegression(HitObject):
    """Every value in the file `reference` must be found in the result of `driver`, of equal shape and dtype, with
    |a - e| <= atol + rtol |e| elementwise. Further values of the result are ignored."""

    SECTION = "Drivers"

    driver: TransientDriver = Reference("Drivers")
    reference: Path = Option(Path)
    rtol: float = Option(float, 1e-5, at_least=0)
    atol: float = Option(float, 1e-8, at_least=0)

    def setup(self) -> None:
        if not isinstance(self.driver, TransientDriver):
            raise self.error(f"a {type(self.driver).__name__} is no TransientDriver", "driver")
        self.reference = Path(self.reference)

    def run(self, progress: Progress | None = None, eager: bool = False) -> None:
        """Run `driver`, which `eager` is for, and compare. Raises AssertionError for the first value that differs,
        FileNotFoundError without a reference."""
        if not self.reference.is_file():
            raise FileNotFoundError(f"{self.where('reference')}: no such file: {self.reference}")
        expected = self._load()
        result = self.driver.run(progress, eager=eager)
        missing = [key for key in expected if key not in result]
        if missing:
            text = f"{len(missing)} of {len(expected)} reference values are not in the result: {listing(missing, 4)}"
            raise AssertionError(f"{self.where()}: {text}")
        for key, value in expected.items():
            actual = result[key].detach().cpu()
            try:
                torch.testing.assert_close(actual, value.cpu(), rtol=self.rtol, atol=self.atol)
            except AssertionError as error:
                raise AssertionError(f"{self.where()}: '{key}': {one_line(error)}") from None

    def _load(self) -> dict[str, torch.Tensor]:
        try:
            content = torch.load(self.reference, map_location="cpu", weights_only=True)
        except Exception as error:
            content = _load_archive(self.reference, error)
        if not isinstance(content, dict):
            raise ValueError(f"{self.reference} holds a {type(content).__name__}; expected values by name")
        values = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
        if not values:
            raise ValueError(f"{self.reference} holds no values, so nothing would be compared")
        return values


def _load_archive(path: Path, why: Exception) -> dict[str, Any]:
    """A reference in a TorchScript archive."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path), map_location="cpu")
    except Exception:
        raise ValueError(f"{path} holds no result that can be read: {one_line(why)}") from None
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())
