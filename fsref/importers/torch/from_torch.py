"""A float graph from a torch model: torch.export traces it, each operator is looked up in a table, patterns are tidied
(GRAPH-7).
"""

from __future__ import annotations

import copy
import io
import logging
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import numpy as np

from fsref.errors import GraphError, UsageError, public
from fsref.graph.graph import Graph, Pixels
from fsref.graph.operators import Floats
from fsref.importers.refusals import Unmapped, line
from fsref.importers.torch import aten
from fsref.importers.torch import shapes as aten_shapes
from fsref.importers.torch.draft import Step, nodes, ordered, unmapped
from fsref.importers.torch.tidying import tidy
from fsref.importers.torch.traced import Site, View, image, image_shape, vector

FORMS = aten.FORMS | aten_shapes.FORMS
MADE_LIKE = (
    "zeros_like",
    "ones_like",
    "full_like",
    "new_zeros",
    "new_ones",
    "new_full",
    "_assert_tensor_metadata",
)  # read only the shape of a value
BATCH = 2  # a batch of 1 could be mistaken for any other axis of 1
TOLERANCE = 1e-3  # of the logits' range
QUANTISED_TOLERANCE = 0.05  # where a value beside the border of two levels may fall to either side


@public
def from_torch(model: Any, input: Pixels, classes: Sequence[str] = (), name: str = "") -> Graph:
    """The float graph of a torch.nn.Module in eval mode, or of a torch.export.ExportedProgram; its logits are compared
    on drawn images.

    The model is copied, traced and run on the CPU; it is not changed itself. A softmax that ends it is left out.
    Errors: GraphError (GRAPH-7) with everything that cannot be mapped at once, UsageError without torch.
    """
    try:
        import torch
    except ImportError:
        raise UsageError("GRAPH-7", "from_torch", "torch is not installed", None, "pip install torch") from None
    if [int(part) for part in torch.__version__.split(".")[:2]] < [
        2,
        5,
    ]:  # older ones trace by another way, which loses paths and takes operators apart
        raise UsageError(
            "GRAPH-7", "from_torch", "torch is too old", torch.__version__, "2.5 or later: pip install -U torch"
        )
    if not isinstance(input, Pixels):
        raise UsageError("GRAPH-7", "input", "not an input contract", type(input).__name__, "a Pixels")
    if not isinstance(model, (torch.nn.Module, torch.export.ExportedProgram)):
        raise UsageError(
            "GRAPH-7",
            "model",
            "not a torch model",
            type(model).__name__,
            "a torch.nn.Module or a torch.export.ExportedProgram",
        )
    place = name or type(model).__name__
    with torch.no_grad(), _quietly():
        if isinstance(model, torch.nn.Module):
            model, program = _exported(torch, model, input, place)
        else:
            program, model = model, model.module()
        try:
            program = program.run_decompositions({})  # nothing is taken apart, but writing in place becomes a new value
        except Exception as error:
            raise _untraceable(place, error) from error
        tracer = Tracer(torch, program, input, place)
        last, notes = tidy(tracer.run())
    tail = list[Callable[[Any], Any]]()
    while last.op == "softmax":
        tail.insert(0, last.attributes["function"])
        notes.append(f"softmax at the end left out: {last.place or 'forward'}")
        last = last.inputs[0]
    steps = ordered(last)
    problems = list(dict.fromkeys([*tracer.problems, *unmapped(steps)]))
    if problems:
        raise GraphError(
            "GRAPH-7",
            place,
            (
                f"{len(problems)} {'operator' if len(problems) == 1 else 'operators'} "
                f"cannot be mapped: {'; '.join(problems)}"
            ),
        )
    graph = Graph(
        input, tuple(nodes(steps)), name or ("" if place == "ExportedProgram" else place), tuple(classes), tuple(notes)
    )
    with torch.no_grad(), _quietly():
        _compare(torch, graph, model, tail, tracer.batch, place)
    return graph


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep to itself what torch warns, logs and prints while it traces: what matters of it becomes an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _untraceable(place: str, error: Exception) -> GraphError:
    """The refusal of a model that torch cannot trace."""
    text = str(error).strip()
    limit = "control flow and shapes must not depend on the image" if "data-dependent" in text else ""
    return GraphError(
        "GRAPH-7",
        place,
        "torch.export cannot trace it",
        f"{type(error).__name__}: {text.splitlines()[0] if text else ''}",
        limit,
    )


def _exported(torch: Any, model: Any, pixels: Pixels, place: str) -> tuple[Any, Any]:
    """A copy of the model, float32 in eval mode on the CPU, and the program of the copy: tracing runs `forward`, which
    may write to its module.
    """
    try:
        twin = copy.deepcopy(model).cpu().float()
    except Exception as error:
        raise GraphError(
            "GRAPH-7", place, "cannot be copied", f"{type(error).__name__}: {error}", "copy.deepcopy(model)"
        ) from error
    for module in twin.modules():
        module.training = False
    try:
        return twin, torch.export.export(twin, (torch.zeros(BATCH, *pixels.shape),), strict=False)
    except Exception as error:
        raise _untraceable(place, error) from error


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
        images, outputs = (
            list(signature.user_inputs),
            [name for name in signature.user_outputs if name not in signature.buffers_to_mutate],
        )
        if len(images) != 1 or len(outputs) != 1 or images[0] not in places:
            raise GraphError(
                "GRAPH-7",
                place,
                "not a model of images that gives logits alone",
                f"{len(images)} inputs, {len(outputs)} outputs",
                "one of each",
            )
        shape = tuple(getattr(places[images[0]].meta.get("val"), "shape", ()))
        if not all(isinstance(side, int) for side in shape):
            raise GraphError("GRAPH-7", images[0], "dynamic shapes", tuple(map(str, shape)), "export with fixed sizes")
        if shape[1:] != pixels.shape:
            raise GraphError(
                "GRAPH-7",
                images[0],
                "the program is of other images",
                shape,
                f"(B, {', '.join(map(str, pixels.shape))}) by the input contract",
            )
        self.values[places[images[0]]] = View(self.source, pixels.shape)
        self.batch, self.output = int(shape[0]), outputs[0]
        for target in signature.buffers_to_mutate.values():
            self.problems.append(line(target, "written to in forward"))

    def run(self) -> Step:
        """The step that gives the logits, or the softmax of them."""
        for node in self.program.graph.nodes:
            if node.op == "get_attr":
                self.values[node] = operator.attrgetter(node.target)(self.program.graph_module)
            elif node.op == "call_function":
                self.values[node] = self.result(node)
        value = next(value for node, value in self.values.items() if node.name == self.output)
        if not isinstance(value, View):
            raise GraphError("GRAPH-7", self.output, "the logits do not depend on the image")
        found = image(Site("output", value.dims, ""), value) if value.step.op else value
        return found.step

    def result(self, node: Any) -> Any:
        """What a call gives: a constant, a value, or a stand-in when it cannot be mapped, so that the rest is looked at
        too.
        """
        args, kwargs = (
            self.torch.fx.node.map_arg(given, lambda source: self.values[source]) for given in (node.args, node.kwargs)
        )
        given = [
            item
            for items in (*args, *kwargs.values())
            for item in (items if isinstance(items, (list, tuple)) else [items])
        ]
        read = [item for item in given if isinstance(item, View)]
        seen = node.meta.get("val")
        seen = next((item for item in seen if item is not None), None) if isinstance(seen, (list, tuple)) else seen
        site = Site(
            str(node.target).removeprefix("aten.").split(".")[0], tuple(getattr(seen, "shape", ()))[1:], path_of(node)
        )
        try:
            if node.target is operator.getitem:
                return self.item(site, *args)
            if not read or site.name in MADE_LIKE:
                return self.constant(node.target, args, kwargs)
            return self.checked(self.mapped(node.target, site, args, kwargs, read), seen)
        except Unmapped as problem:
            name = problem.operator or site.name.lstrip("_").removeprefix("native_")
            self.problems.append(line(site.place or "forward", name, problem.problem, problem.nearest))
        dims = site.dims if len(site.dims) <= 3 else (int(np.prod(site.dims)),)
        return View(Step("", tuple(value.step for value in read), image_shape(dims), site.place), site.dims)

    def mapped(self, target: Any, site: Site, args: Any, kwargs: Any, read: Sequence[View]) -> View:
        """The value of an operator in the tables. Errors: Unmapped."""
        overload = str(target).removeprefix("aten.")
        function = FORMS.get(overload) or FORMS.get(site.name)
        if function is None:
            near = (nearest for nearest, known in aten.NEAREST.items() if {overload, site.name} & {*known})
            raise Unmapped(nearest=next(near, ""))
        if any(value.expanded for value in read) and site.name not in aten.READS_EXPANDED:
            raise Unmapped(nearest="expand just before add or mul")
        rest = target._schema.arguments[len(args) :]
        try:
            value: View = function(
                site, *args, *(kwargs.get(argument.name, argument.default_value) for argument in rest)
            )
        except (AttributeError, TypeError) as error:  # a value where the table takes a constant, or the other way round
            raise Unmapped(nearest=f"{site.name} of values and constants in other places") from error
        if value.step.op == "softmax":
            value.step.attributes["function"] = lambda logits: target(logits, *args[1:], **kwargs)
        return value

    def item(self, site: Site, value: Any, index: int) -> Any:
        """The index-th of several results."""
        if not isinstance(value, View):
            return value[index]
        return (
            value
            if value.step.op and index == 0
            else View(Step("", (value.step,), image_shape(site.dims[:3])), site.dims)
        )

    def constant(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What a call gives that reads no value, or of a value its shape alone. Errors: Unmapped."""
        filled = [self.torch.zeros(self.batch, *item.dims) if isinstance(item, View) else item for item in args]
        try:
            return target(*filled, **kwargs)
        except Exception as error:
            raise Unmapped() from error

    def checked(self, value: View, seen: Any) -> View:
        """A value whose shape and type are those torch sees. Errors: Unmapped."""
        if seen.dtype not in (self.torch.float32, self.torch.float64):
            raise Unmapped(nearest="float32 values")
        if seen.shape[0] != self.batch:
            raise Unmapped(nearest="the batch as first axis")
        if tuple(seen.shape[1:]) != value.dims and not value.expanded:
            raise Unmapped(nearest="equal shapes, or (C, 1, 1) with (C, H, W)")
        return value


def path_of(node: Any) -> str:
    """The path of the innermost module that a call stands in."""
    return next(reversed([str(path) for path, *_ in (node.meta.get("nn_module_stack") or {}).values()]), "")


def _compare(
    torch: Any, graph: Graph, model: Any, tail: Sequence[Callable[[Any], Any]], batch: int, place: str
) -> None:
    """Refuse a graph whose logits are not the model's on drawn images. Errors: GraphError."""
    pixels = graph.contract()
    codes = np.random.default_rng(0).integers(0, pixels.max_code + 1, (batch, *pixels.shape))
    wanted = model(torch.from_numpy(pixels.normalise(codes)))
    while not isinstance(wanted, torch.Tensor):
        wanted = next(iter(wanted.values() if hasattr(wanted, "values") else wanted))
    found = torch.from_numpy(graph.forward(codes))
    for function in tail:
        found = function(found)
    ours, theirs = (vector(logits.reshape(batch, -1)) for logits in (found, wanted))
    scale = _span(theirs)
    limit = QUANTISED_TOLERANCE if any(node.op == "quantise" for node in graph.nodes) else TOLERANCE
    difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else float("inf")
    if not difference <= limit * scale:
        raise GraphError(
            "GRAPH-7",
            place,
            "the imported graph gives other logits than the model",
            difference,
            f"at most {limit:g} of their range {scale:g}",
        )


def _span(logits: Floats) -> float:
    """The range of logits; of equal ones their size."""
    return float(np.ptp(logits)) or float(np.abs(logits).max()) or 1.0
