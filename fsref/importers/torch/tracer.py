"""A traced torch model, operator by operator, as the steps of a graph (GRAPH-7)."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fsref.errors import GraphError
from fsref.graph.graph import Pixels
from fsref.graph.operators import size_of
from fsref.importers.refusals import Unmapped, line
from fsref.importers.torch.draft import Step
from fsref.importers.torch.elementwise import ELEMENTWISE
from fsref.importers.torch.ends import moves_behind, named_outputs
from fsref.importers.torch.layers import LAYERS
from fsref.importers.torch.lines import LINES
from fsref.importers.torch.moves import MOVES, moved
from fsref.importers.torch.nearest import nearest
from fsref.importers.torch.resizing import RESIZING
from fsref.importers.torch.spelling import SPELLED
from fsref.importers.torch.structure import STRUCTURE
from fsref.importers.torch.turns import TURNS, turned, untwisted
from fsref.importers.torch.views import Site, View, flat, image_shape

FORMS = LAYERS | LINES | RESIZING | ELEMENTWISE | STRUCTURE | SPELLED
READS_EXPANDED = ("add", "sub", "rsub", "mul", "expand", "expand_as", "clone", "contiguous")
MADE_LIKE = "zeros_like ones_like full_like new_zeros new_ones new_full".split()  # read the shape of a value alone
FITTED = "type_as to expand_as view_as reshape_as".split()  # of their second operand the shape or type alone
CHECKS = "_assert_tensor_metadata _assert_async".split()  # give nothing
FLOATS = "float32 and float64"
WRONG = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)  # of arguments out of place


class Tracer:
    """Goes through a program once and lays down the steps of its graph; `problems` are the operators that have none."""

    def __init__(self, torch: Any, program: Any, pixels: Pixels, place: str) -> None:
        self.torch, self.program, self.source = torch, program, Step("input", (), pixels.shape)
        self.problems: list[str] = []
        signature = program.graph_signature
        tensors = {**program.state_dict, **program.constants}
        kept = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.values: dict[Any, Any] = {}
        places = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        for key, node in places.items():
            if key in kept:
                self.values[node] = tensors[kept[key]]
        images = list(signature.user_inputs)
        self.outputs = named_outputs(torch, program)
        if len(images) != 1 or not self.outputs or images[0] not in places:
            found = f"{len(images)} inputs, {len(self.outputs)} outputs"
            raise GraphError("GRAPH-7", place, "not a model of images", found, "one input, one output or more")
        seen = places[images[0]].meta.get("val")
        shape = tuple(getattr(seen, "shape", ()))
        if not all(isinstance(side, int) for side in shape):
            raise GraphError("GRAPH-7", images[0], "dynamic shapes", tuple(map(str, shape)), "export with fixed sizes")
        if shape[1:] != pixels.shape:
            limit = f"(B, {', '.join(map(str, pixels.shape))}) by the input contract"
            raise GraphError("GRAPH-7", images[0], "the program is of other images", shape, limit)
        if seen.dtype not in (torch.float32, torch.float64):
            raise GraphError("GRAPH-7", images[0], "the program is of other images", seen.dtype, FLOATS)
        self.values[places[images[0]]] = View(self.source, pixels.shape)
        self.batch = int(shape[0])
        self.moves = dict[str, list[Any]]()  # at the ends of outputs, left out
        made = {node.name: node for node in program.graph.nodes}
        for name, given in self.outputs.items():
            if chain := moves_behind(torch, made[given]):
                self.moves[name], self.outputs[name] = chain, chain[0].args[0].name
        for target in signature.buffers_to_mutate.values():
            self.problems.append(line(target, "written to in forward"))

    def run(self) -> tuple[Step, ...]:
        """The steps that give the outputs, in order, or the softmax of them."""
        for node in self.program.graph.nodes:
            if node.op == "get_attr":
                self.values[node] = operator.attrgetter(node.target)(self.program.graph_module)
            elif node.op == "call_function" and not any(node in chain for chain in self.moves.values()):
                self.values[node] = self.result(node)
        by_name = {node.name: value for node, value in self.values.items()}
        return tuple(self.given(name, by_name.get(name)) for name in self.outputs.values())

    def given(self, name: str, value: Any) -> Step:
        """The step of an output. Errors: GraphError."""
        if not isinstance(value, View):
            raise GraphError("GRAPH-7", name, "the output does not depend on the image")
        if not value.step.op:
            return value.step
        try:
            if value.order:
                raise Unmapped("has its axes in another order", "N, C, H, W")
            if value.expanded:
                raise Unmapped("repeats values", "each value once")
            plain = value.dims + (1,) * (3 - len(value.dims)) == value.step.shape
            row = max(value.dims, default=1) == size_of(
                value.step.shape
            )  # of a map any other axes are those of C x H x W
            return flat(Site("output", value.dims, ""), value).step if row and not plain else value.step
        except Unmapped as problem:
            self.problems.append(line(f"output {name}", "", problem.problem, problem.nearest))
            return value.step

    def result(self, node: Any) -> Any:
        """What a call gives: a constant, a value, or a stand-in when it cannot be mapped, so that the rest is looked at
        too.
        """
        args, kwargs = (
            self.torch.fx.node.map_arg(given, lambda source: self.values[source]) for given in (node.args, node.kwargs)
        )
        read = [item for given in (*args, *kwargs.values()) for item in _items(given) if isinstance(item, View)]
        seen = next((item for item in _items(node.meta.get("val")) if item is not None), None)
        name = str(node.target).removeprefix("aten.").split(".")[0]
        site = Site(name, tuple(getattr(seen, "shape", ()))[1:], path_of(node))
        try:
            if node.target is operator.getitem:
                return self.item(site, *args)
            if site.name in CHECKS:
                return None
            fitted = site.name in FITTED and not isinstance(args[0], View)
            if not read or fitted or site.name in MADE_LIKE:
                return self.constant(node.target, args, kwargs)
            value = self.mapped(node.target, site, args, kwargs, read)
            if isinstance(value, tuple):
                return tuple(map(self.checked, value, node.meta["val"]))
            return self.checked(value, seen, whole=site.name == "quantized_decomposed")
        except Unmapped as problem:
            name = problem.operator or site.name.lstrip("_").removeprefix("native_")
            self.problems.append(line(site.place or "forward", name, problem.problem, problem.nearest))
        dims = site.dims if len(site.dims) <= 3 else (int(np.prod(site.dims)),)
        return View(Step("", tuple(value.step for value in read), image_shape(dims), site.place), site.dims)

    def mapped(self, target: Any, site: Site, args: Any, kwargs: Any, read: Sequence[View]) -> View | tuple[View, ...]:
        """The value of an operator in the tables, or that moves channels; several values of one that gives several.
        Errors: Unmapped.
        """
        if any(value.order for value in read):
            return untwisted(partial(self.plain, target, kwargs), site, args, read)
        try:
            return self.known(target, site, args, kwargs, read)
        except Unmapped as problem:
            if site.name not in MOVES or any(value.expanded for value in read):
                raise
            try:
                return moved(self.torch, target, site, self.batch, args, kwargs)
            except Unmapped as other:
                if site.name in TURNS:
                    return turned(site, *args)
                raise problem if problem.nearest else other from None

    def plain(self, target: Any, kwargs: Any, site: Site, args: Sequence[Any]) -> View:
        """The value of an operator in the tables, of values that are not turned. Errors: Unmapped."""
        return self.known(target, site, args, kwargs, [given for given in args if isinstance(given, View)])

    def known(self, target: Any, site: Site, args: Any, kwargs: Any, read: Sequence[View]) -> View:
        """The value of an operator in the tables. Errors: Unmapped."""
        overload = str(target).removeprefix("aten.")
        function = FORMS.get(overload) or FORMS.get(site.name)
        if function is None:
            raise Unmapped(nearest=nearest(overload, site.name))
        if any(value.expanded for value in read) and site.name not in READS_EXPANDED:
            raise Unmapped(nearest="expand just before add or mul")
        rest = target._schema.arguments[len(args) :]
        filled = (kwargs.get(argument.name, argument.default_value) for argument in rest)
        try:
            value: View = function(site, *args, *filled)
        except WRONG as error:  # a value where the table takes a constant, or the other way round
            raise Unmapped(nearest=f"{site.name} of values and constants in other places") from error
        if value.step.op == "softmax":
            value.step.attributes["function"] = lambda logits: target(logits, *args[1:], **kwargs)
        return value

    def item(self, site: Site, value: Any, index: int) -> Any:
        """The index-th of several results."""
        if not isinstance(value, View):
            return value[index]
        if value.step.op and index == 0:
            return value
        return View(Step("", (value.step,), image_shape(site.dims[:3])), site.dims)

    def constant(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What a call gives that reads no value, or of a value its shape alone. Errors: Unmapped."""

        def plain(given: Any) -> Any:
            return self.torch.zeros(self.batch, *given.dims) if isinstance(given, View) else given

        try:
            return target(*map(plain, args), **{name: plain(given) for name, given in kwargs.items()})
        except Exception as error:
            raise Unmapped() from error

    def checked(self, value: View, seen: Any, whole: bool = False) -> View:
        """A value whose shape and type, unless it is of `whole` numbers, are those torch sees. Errors: Unmapped."""
        if seen.dtype not in (self.torch.float32, self.torch.float64, self.torch.bool) and not whole:
            raise Unmapped(nearest=f"values of {FLOATS}")
        if seen.shape[0] != self.batch:
            raise Unmapped(nearest="the batch as first axis")
        if tuple(seen.shape[1:]) != value.dims and not value.expanded:
            raise Unmapped(nearest="equal shapes, or (C, 1, 1) with (C, H, W)")
        return value


def path_of(node: Any) -> str:
    """The path of the innermost module that a call stands in."""
    return next(reversed([str(path) for path, *_ in (node.meta.get("nn_module_stack") or {}).values()]), "")


def _items(given: Any) -> Sequence[Any]:
    """What a list or tuple holds; anything else alone."""
    return given if isinstance(given, (list, tuple)) else [given]
