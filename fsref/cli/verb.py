"""One rule for the options of all verbs: what is said acts, or is refused before anything is read (RUN-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import click
from click.core import ParameterSource

from fsref.errors import FsrefError, LimitError, UsageError

Command: TypeAlias = Callable[..., Any]
Given: TypeAlias = dict[str, Any]  # the options of a verb by name


@dataclass(frozen=True)
class When:
    """A case told in words, where an option's name, or its name and value as in "--alpha percentile", does not do."""

    told: str
    holds: Callable[[Given], bool]


@dataclass(frozen=True)
class Condition:
    """Options that act only with one of some others or cases (`needed`), or only without all of them."""

    options: tuple[str, ...]
    others: tuple[str | When, ...]
    needed: bool


def needs(options: str, *others: str | When) -> Condition:
    """Each of the options, separated by blanks, goes with one of the others."""
    return Condition(tuple(options.split()), others, needed=True)


def excludes(options: str, *others: str | When) -> Condition:
    """Each of the options, separated by blanks, goes with none of the others."""
    return Condition(tuple(options.split()), others, needed=False)


class Several(click.Group):
    """A command of several verbs, which by itself prints its help and ends with 2."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)


class Verb(click.Command):
    """A command that refuses options given twice, and those that cannot act beside the others."""

    def __init__(self, *arguments: Any, conditions: tuple[Condition, ...] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.conditions = conditions

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, which takes the last of what is given twice, and "" for any path. Errors: UsageError."""
        seen = set()
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for param in order:
            given = values[str(param.name)]
            if "" in (given if isinstance(given, list | tuple) else [given]):
                raise UsageError("RUN-6", option_name(param), "is empty")
            once = isinstance(param, click.Option) and not (param.multiple or param.is_eager)
            if once and param in seen:
                raise UsageError("RUN-6", option_name(param), "is given twice")
            seen.add(param)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """The verb, when every option that is given can act. Errors: UsageError."""
        for param in self.params:
            held = ctx.params.get(str(param.name))
            if param.multiple and len(set(held or ())) < len(held or ()):
                twice = next(value for value in held or () if list(held or ()).count(value) > 1)
                raise UsageError("RUN-6", option_name(param), "is given twice", twice)
        for condition in self.conditions:
            told = [other for other in condition.others if self.holds(ctx, other)]
            for option in condition.options:
                if self.holds(ctx, option) and condition.needed != bool(told):
                    words = " or ".join(map(words_of, told or condition.others))
                    raise UsageError("RUN-6", option, f"{'goes' if condition.needed else 'does not go'} with {words}")
        try:
            return super().invoke(ctx)
        except (UsageError, LimitError) as error:
            raise self.as_typed(ctx, error) from None

    def as_typed(self, ctx: click.Context, error: FsrefError) -> FsrefError:
        """The same error, where an argument of Python's is its place as this was typed: --start-timeout, not
        start_timeout; of PACK the file.
        """
        for param in self.params:
            name, typed = str(param.name), option_name(param)
            if isinstance(param, click.Argument) and error.place == name:
                return type(error)(error.rule, str(ctx.params[name]), error.problem, error.value, error.limit)
            if isinstance(param, click.Option) and error.place in (name, typed.lstrip("-").replace("-", "_")):
                return type(error)(error.rule, typed, error.problem, error.value, error.limit)
        return error

    def holds(self, ctx: click.Context, said: str | When) -> bool:
        """Whether an option is given, has this value, or the case is there; a default is not given."""
        if isinstance(said, When):
            return said.holds(ctx.params)
        option, _, value = said.partition(" ")
        name = next(str(param.name) for param in self.params if option in param.opts)
        return ctx.params[name] == value if value else ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def option_name(param: click.Parameter) -> str:
    """An option as one types it, in full: --steps, not -K; an argument as the help has it."""
    return param.human_readable_name if isinstance(param, click.Argument) else max(param.opts, key=len)


def words_of(said: str | When) -> str:
    """A condition in words."""
    return said.told if isinstance(said, When) else said


def verb(*conditions: Condition) -> Callable[[Command], Verb]:
    """A decorator that makes a verb of a function, its options under these conditions."""
    return click.command(cls=Verb, conditions=conditions)
