"""The outputs of a torch model: what they are called, and what stands at their ends and is left out (GRAPH-8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fsref.importers.naming import output_name
from fsref.importers.torch.draft import Step
from fsref.importers.torch.moves import MOST

# Calls that put the values of a map into another order and nothing else.
REORDERS = frozenset("_unsafe_view clone contiguous flatten movedim permute reshape swapaxes transpose view".split())


def named_outputs(torch: Any, program: Any) -> dict[str, str]:
    """The values that a program gives, in order, by the names of the outputs: keys, fields and places in what `forward`
    returns, joined by dots; what is None is none.
    """
    signature, spec = program.graph_signature, program.call_spec.out_spec
    given = list(signature.user_outputs)
    tree, found = torch.utils._pytree, dict[str, str]()
    paths = tree.tree_flatten_with_path(tree.tree_unflatten(list(range(len(given))), spec))[0]
    for path, place in paths:
        if not isinstance(given[place], str):
            continue  # a constant, or nothing
        parts = (next(str(getattr(key, what)) for what in ("key", "idx", "name") if hasattr(key, what)) for key in path)
        found[output_name(".".join(parts), found)] = given[place]
    return found


def operator_of(node: Any) -> str:
    """The operator of a call, without its overload."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def called(node: Any, value: Any) -> Any:
    """What a call gives of this value in the place of its own."""
    return node.target(value, *node.args[1:], **node.kwargs)


def moves_behind(torch: Any, node: Any) -> list[Any]:
    """The calls that end in `node` and only put the values of a map into another order, the first of them first; none
    where each stays in its place.
    """
    chain = list[Any]()
    while node.op == "call_function" and operator_of(node) in REORDERS and len(node.users) == 1:
        chain.insert(0, node)
        node = node.args[0]
    shape = tuple(getattr(node.meta.get("val"), "shape", ()))
    if not chain or len(shape) != 4 or math.prod(shape[2:]) == 1 or math.prod(shape) > MOST:
        return []
    numbers = torch.arange(math.prod(shape)).reshape(shape)
    for call in chain:
        numbers = called(call, numbers)
    size, order = math.prod(shape[1:]), numbers.reshape(-1)
    straight = torch.arange(len(order))
    own = len(numbers) == shape[0] and torch.equal(order // size, straight // size)  # each image keeps its values
    return chain if own and not torch.equal(order, straight) else []


class End:
    """An output: its `step`, what of the model behind it was left out, as functions of its value, among them `moves`,
    and a `note` of that.
    """

    def __init__(self, step: Step, name: str, moves: Sequence[Any]) -> None:
        self.moves, of = moves, f" of output {name}" if name else ""
        self.left_out: list[Callable[[Any], Any]] = [partial(called, call) for call in moves]
        told = [f"output{name and ' ' + name}: in another order there, C x H x W here"] if moves else []
        while step.op in ("softmax", "sigmoid"):
            self.left_out.insert(0, step.attributes["function"] if step.op == "softmax" else lambda x: x.sigmoid())
            told.append(f"{step.op} at the end{of} left out: {step.place or 'forward'}")
            step = step.inputs[0]
        self.step, self.note = step, "; ".join(told)

    def value(self, torch: Any, found: Any, shape: Sequence[int]) -> Any:
        """What the model gives, of this shape, where the graph gives `found`, (B, C, H, W)."""
        value = torch.from_numpy(found)
        if value.numel() != math.prod(shape):
            return torch.zeros(0)
        value = value if self.moves else value.reshape(tuple(shape))
        for function in self.left_out:
            value = function(value)
        return value
