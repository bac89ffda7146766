"""The trunk, row by row: every member of a crew takes the next stage of the net and follows the one before it.

A stage is the first convolution, a dense block, or the last convolution. It replaces the features of the picture in
place. A dense block stays six units behind the stage before it. So as many stages run at once as there are members,
no unit is computed twice, and nothing is waited for but the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.convolution import Convolution, Workspace
from bsrgan_backend.engine.winograd.crew import Member
from bsrgan_backend.engine.winograd.dense import Dense
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.network import DENSE_BLOCKS, Network

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Turn:
    """A stage among the others; see `dense.Turn`."""

    stage: int
    crew: Member

    def await_unit(self, unit: int) -> None:
        if self.stage:
            self.crew.await_mark(self.stage - 1, unit)
        else:
            self.crew.step()

    def done(self, unit: int) -> None:
        self.crew.mark(self.stage, unit)


class Trunk:
    """The trunk's work on one picture.

    Args:
        network: the kernels.
        layout: of the picture.
        image: (C·u², H, W) unshuffled.
        features: (units, panels, m, m, nf, columns), written.
        kept: the same shape, for what every RRDB adds to its result.
    """

    def __init__(self, network: Network, layout: Layout, image: Array, features: Array, kept: Array) -> None:
        self._network = network
        self._layout = layout
        self._given = (image, features, kept)
        self._image, self._features, self._kept = (np.asarray(array) for array in self._given)

    def order(self) -> tuple[dict[str, Any], Sequence[Array]]:
        """What makes the same work in another process: words for it, and arrays."""
        return {"dense": len(self._network.dense)}, self._given

    @classmethod
    def ordered(cls, network: Network, layout: Layout, words: dict[str, Any], arrays: Sequence[Array]) -> Trunk:
        """The work that `order` has told of."""
        return cls(replace(network, dense=network.dense[: words["dense"]]), layout, *arrays)

    @property
    def layout(self) -> Layout:
        """Of the picture."""
        return self._layout

    @property
    def marks(self) -> int:
        """One for every stage: which unit it has written."""
        return self._network.stages

    def work(self, number: int, crew: Member) -> None:
        """Do one member's part of filling the features."""
        workspace = Workspace(self._network.scheme, self._layout.columns, self._network.most_outputs)
        dense = Dense(self._layout, self._network.architecture, workspace)
        for stage in range(number, self._network.stages, crew.threads):
            turn = _Turn(stage, crew)
            if stage == 0:
                self._head(workspace, turn)
            elif stage == self._network.stages - 1:
                self._join(workspace, turn)
            else:
                kernels = self._network.dense[stage - 1]
                dense.run(kernels, (stage - 1) % DENSE_BLOCKS, self._features, self._kept, turn)

    def _head(self, workspace: Workspace, turn: _Turn) -> None:
        head = Convolution(self._layout, self._network.head, workspace)
        for step in range(self._layout.units + 1):
            turn.await_unit(step)
            self._feed_image(head, step)
            if step:
                head.give(self._features[step - 1])
                self._layout.clear(self._features[step - 1], step - 1)
                turn.done(step - 1)

    def _join(self, workspace: Workspace, turn: _Turn) -> None:
        """The last convolution and the long skip, for which the first one is computed anew: keeping it takes room."""
        layout, features = self._layout, self._features
        head = Convolution(layout, self._network.head, workspace)
        last = Convolution(layout, self._network.join, workspace)
        skipped = np.empty(features.shape[1:], np.float32)
        for step in range(layout.units + 1):
            turn.await_unit(min(step, layout.units - 1))
            self._feed_image(head, step)
            last.feed(features[step] if step < layout.units else None, is_first=step == 0)
            if step:
                last.give(features[step - 1])
                head.give(skipped)
                features[step - 1] += skipped
                layout.clear(features[step - 1], step - 1)
                turn.done(step - 1)

    def _feed_image(self, head: Convolution, step: int) -> None:
        unit = self._layout.pack(self._image, step, self._network.head.inputs) if step < self._layout.units else None
        head.feed(unit, is_first=step == 0)
