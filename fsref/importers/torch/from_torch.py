"""A float graph from a torch model: torch.export traces it, each operator is looked up in a table, patterns are tidied
(GRAPH-7).
"""

from __future__ import annotations

import copy
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from fsref.errors import GraphError, UsageError, public
from fsref.graph.graph import Graph, Pixels
from fsref.graph.operators import Floats
from fsref.importers.formulas import joined_curves
from fsref.importers.torch.draft import Step, nodes, ordered, unmapped
from fsref.importers.torch.ends import End
from fsref.importers.torch.frozen import freeze
from fsref.importers.torch.tidying import tidy
from fsref.importers.torch.tracer import Tracer
from fsref.importers.torch.views import vector
from fsref.tables import plural

OLDEST = (2, 5)  # of torch: older ones trace by another way, which loses paths and takes operators apart
BATCH = 2  # a batch of 1 could be mistaken for any other axis of 1
TOLERANCE = 1e-3  # of the logits' range
OUTPUTS = "outputs"  # a step that reads several outputs, which no graph has
THROUGH_ONNX = "torch.onnx.export(model, images, 'model.onnx', dynamo=False) and fsref.from_onnx('model.onnx')"
QUANTISED_TOLERANCE = 0.05  # where a value beside the border of two levels may fall to either side


@public
def from_torch(model: Any, input: Pixels, classes: Sequence[str] = (), name: str = "") -> Graph:
    """The float graph of a torch.nn.Module in eval mode, or of a torch.export.ExportedProgram; its logits are compared
    on drawn images.

    `input` says what images mean to the model, `classes` are the names of the logits, `name` that of the graph. The
    model is copied, traced and run on the CPU; it is not changed itself. A softmax or sigmoid that ends an output
    is left out. Several outputs bear the names that `forward` gives them: keys, fields or places.
    Errors: GraphError (GRAPH-7) with everything that cannot be mapped at once, UsageError without torch.
    """
    try:
        import torch
    except ImportError:
        raise UsageError("GRAPH-7", "from_torch", "torch is not installed", None, "pip install torch") from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST:
        limit = f"{'.'.join(map(str, OLDEST))} or later: pip install -U torch"
        raise UsageError("GRAPH-7", "from_torch", "torch is too old", torch.__version__, limit)
    if not isinstance(input, Pixels):
        raise UsageError("GRAPH-7", "input", "not an input contract", type(input).__name__, "a Pixels")
    if not isinstance(model, (torch.nn.Module, torch.export.ExportedProgram)):
        limit = "a torch.nn.Module or a torch.export.ExportedProgram"
        if isinstance(model, Mapping):
            limit += ": module.load_state_dict(it), and the module"
        elif isinstance(model, type) and issubclass(model, torch.nn.Module):
            limit += f": an instance, {model.__name__}(...)"
        raise UsageError("GRAPH-7", "model", "not a torch model", type(model).__name__, limit)
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
        last = tidy(joined(tracer.run()))
    several = last.op == OUTPUTS
    ends = [
        End(step, name if several else "", tracer.moves.get(name, ()))
        for name, step in zip(tracer.outputs, last.inputs if several else (last,), strict=True)
    ]
    notes = [end.note for end in ends if end.note]
    last.inputs = tuple(kept(end.step) for end in ends) if several else last.inputs
    steps = ordered(last)[:-1] if several else ordered(kept(ends[0].step))
    problems = list(dict.fromkeys([*tracer.problems, *unmapped(steps)]))
    if problems:
        wrong = f"{plural(len(problems), 'operator')} cannot be mapped: {'; '.join(problems)}"
        raise GraphError("GRAPH-7", place, wrong)
    name = name or ("" if place == "ExportedProgram" else place)
    made = nodes(steps)
    names = dict(zip((step for step in steps if step.op != "input"), (node.name for node in made), strict=True))
    outputs = dict(zip(tracer.outputs, (names[step] for step in last.inputs), strict=True)) if several else {}
    graph = Graph(
        input,
        tuple(joined_curves(made, set(outputs.values()) or {made[-1].name})),
        name,
        classes,
        tuple(notes),
        outputs,
    )
    with torch.no_grad(), _quietly():
        _compare(torch, graph, model, ends, tracer.batch, place)
    return graph


def joined(given: Sequence[Step]) -> Step:
    """The only output; of several a step that reads them all."""
    return given[0] if len(given) == 1 else Step(OUTPUTS, tuple(given), given[0].shape)


def kept(step: Step) -> Step:
    """A step that a graph has a node for: the images themselves through an identity."""
    return Step("identity", (step,), step.shape, "output") if step.op == "input" else step


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


def _said(error: Exception) -> str:
    """The first line of an error."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"


def _untraceable(place: str, error: Exception) -> GraphError:
    """The refusal of a model that runs, but that torch cannot trace."""
    text, cause = str(error), ""
    if "data-dependent" in text:
        at = re.findall(r'File "([^"]+)", line (\d+), in \S+\n\s*(\S[^\n]*)', text)
        where = f", {Path(at[-1][0]).name}:{at[-1][1]} `{at[-1][2]}`" if at else ""
        cause = f"control flow, shapes and plain numbers must not depend on a tensor{where}; or "
    return GraphError("GRAPH-7", place, "torch.export cannot trace it", _said(error), f"{cause}{THROUGH_ONNX}")


def _exported(torch: Any, model: Any, pixels: Pixels, place: str) -> tuple[Any, Any]:
    """A copy of the model, float32 in eval mode on the CPU, and the program of the copy: tracing runs `forward`, which
    may write to its module.
    """
    if isinstance(model, torch.jit.ScriptModule):
        limit = f"the module it was made from; or {THROUGH_ONNX}"
        raise GraphError("GRAPH-7", place, "is a ScriptModule, which torch.export does not take", None, limit)
    try:
        twin = copy.deepcopy(model).cpu().float()
        for module in twin.modules():
            module.training = False
    except Exception as error:
        raise GraphError("GRAPH-7", place, "cannot be copied", _said(error), "copy.deepcopy(model)") from error
    freeze(torch, twin)
    images = torch.zeros(BATCH, *pixels.shape)
    try:
        return twin, torch.export.export(twin, (images,), strict=False)
    except Exception as error:
        _run(twin, images, place)
        raise _untraceable(place, error) from error


def _run(model: Any, images: Any, place: str) -> Any:
    """What a model gives for a batch of images. Errors: GraphError."""
    try:
        return model(images)
    except Exception as error:
        wrong = f"does not run on a batch of images {tuple(images.shape)} alone"
        limit = "else wrap it in a module whose forward(images) gives the rest"
        raise GraphError("GRAPH-7", place, wrong, _said(error), limit) from error


def _compare(torch: Any, graph: Graph, model: Any, ends: Sequence[End], batch: int, place: str) -> None:
    """Refuse a graph whose outputs are not the model's on drawn images. Errors: GraphError."""
    pixels = graph.contract()
    codes = np.random.default_rng(0).integers(0, pixels.max_code + 1, (batch, *pixels.shape))
    given = torch.utils._pytree.tree_leaves(_run(model, torch.from_numpy(pixels.normalise(codes)), place))
    given = [value for value in given if isinstance(value, torch.Tensor)]
    limit = QUANTISED_TOLERANCE if any(node.op == "quantise" for node in graph.nodes) else TOLERANCE
    for (name, value), wanted, end in zip(graph.answers(codes).items(), given, ends, strict=True):
        found = end.value(torch, value, wanted.shape)
        ours, theirs = (vector(outputs.reshape(batch, -1)) for outputs in (found, wanted))
        scale = _span(theirs)
        difference = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else float("inf")
        if not difference <= limit * scale:
            told = f" in {name}" if graph.outputs else ""
            wrong = f"the imported graph gives other logits than the model{told}"
            raise GraphError("GRAPH-7", place, wrong, difference, f"at most {limit:g} of their range {scale:g}")


def _span(logits: Floats) -> float:
    """The range of logits; of equal ones their size."""
    return float(np.ptp(logits)) or float(np.abs(logits).max()) or 1.0
