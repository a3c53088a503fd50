# SPDX-License-Identifier: Apache-2.0
"""Markdown of this project as the site reads it: rules have names to link to, every rule that prose names is a link,
and every figure stands with the command that makes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from pathlib import PurePosixPath

HEADING = re.compile(r"^### ([A-Z]+-\d+) ", re.MULTILINE)
POINTERS = re.compile(r"\nCode: (\S+) · Test: (\S+) ·\s(Refused|Seen): ")
# Code, links, and what may be the name of a rule, in prose.
NAMED = re.compile(r"(`+).+?\1(?!`)|\[[^\]]*\]\([^)]*\)|(?<![\w-])([A-Z]+-\d+)\b", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)")
FIGURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)(?: \"([^\"]*)\")?\)$", re.MULTILINE)
NAMED_BLOCK = re.compile(r"^```(\w+) (\S+)\n", re.MULTILINE)
BLOCK = re.compile(r"^```.*?^```\s*$", re.MULTILINE | re.DOTALL)
IN_TABLE = re.compile(r"^\| \[([^\]]+)\]\(([^)\s]+\.svg)\)", re.MULTILINE)
COMMAND = re.compile(r"^(?:    )?((?:python tools/|fsref )(?:.*\\\n)*.*)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")


class NoCommand(Exception):
    """A figure that no command of its page makes."""


def prose(text: str, change: Callable[[str], str]) -> str:
    """The text, `change`d wherever it is neither code nor a heading, a paragraph or table at a time."""
    made: list[str] = []
    open_part: list[str] = []
    fenced = False

    def close() -> None:
        if open_part:
            made.append(change("\n".join(open_part)))
            open_part.clear()

    for line in text.split("\n"):
        fence = line.startswith("```")
        if fenced or fence or not line or line.startswith(("    ", "#")):
            close()
            made.append(line)
        else:
            open_part.append(line)
        fenced ^= fence
    close()
    return "\n".join(made)


def linked(text: str, rules: Container[str]) -> str:
    """The text, in which every rule that prose names is a link to it."""

    def link(found: re.Match[str]) -> str:
        name = found[2]
        return f"[{name}](#{name.lower()})" if name in rules else found[0]

    return prose(text, lambda part: NAMED.sub(link, part))


def escaped(text: str) -> str:
    """A docstring or help text as Markdown: what looks like HTML is text."""
    return prose(text, _unlike_html)


def _unlike_html(part: str) -> str:
    """Prose, every < of which outside code is a character."""
    pieces = re.split(r"(`+[^`]+`+)", part)
    return "".join(piece if piece.startswith("`") else piece.replace("<", "&lt;") for piece in pieces)


def page(text: str, rules: Container[str], place: str) -> str:
    """A page of the repository as one of the site. Errors: NoCommand."""
    text = shown_below(figured(text, place), place)
    text = POINTERS.sub(r"\n\nCode: `\1` · Test: `\2` · \3: ", text)
    text = HEADING.sub(lambda found: f"({found[1].lower()})=\n{found[0]}", text)
    text = re.sub(r"(\]\([^)\s]+)\.ipynb\b", r"\1.md", text)  # as notebooks are shown
    text = NAMED_BLOCK.sub(r"```{code-block} \1\n:caption: \2\n\n", text)
    return linked(text, rules)


def figured(text: str, place: str) -> str:
    """The text, each figure of which stands with its command: its title, or the nearest command above it on the page.
    Errors: NoCommand.
    """
    commands = [(found.start(), found[1]) for found in COMMAND.finditer(text)]
    fences = [found.span() for found in BLOCK.finditer(text)]

    def shown(found: re.Match[str]) -> str:
        if any(begin <= found.start() < end for begin, end in fences):
            return found[0]
        above = [command for at, command in commands if at < found.start()]
        told = found[3] or (above[-1] if above else "")
        if not COMMAND.match(told):
            raise NoCommand(f"{place}: {found[2]}: no command makes this figure: give it one as its title, or above it")
        return figure(found[2], found[1], told)

    return FIGURE.sub(shown, text)


def shown_below(text: str, place: str) -> str:
    """The text, and below it the pictures that the first column of its tables links, with the tool that it names.
    Errors: NoCommand.
    """
    pictures = IN_TABLE.findall(text)
    if not pictures:
        return text
    tools = re.findall(r"`(python tools/[^`]*)`", text)
    if not tools:
        raise NoCommand(f"{place}: {pictures[0][1]}: no tool makes this figure: name it on the page")
    figures = (figure(source, name, tools[-1]) for name, source in pictures)
    return "\n\n".join([text.rstrip("\n"), "## Pictures", *figures]) + "\n"


def figure(source: str, about: str, command: str) -> str:
    """A figure with what it is about and the command that makes it."""
    told = " ".join(re.sub(r"\\\n", " ", command).split())
    return f"```{{figure}} {source}\n:alt: {about}\n\n{about}\n\n`{told}`\n```"


def framed(source: str, about: str, command: str) -> str:
    """A page of its own, shown in this one, with the command that makes it."""
    frame = f'<iframe src="{source}" title="{about}" sandbox="allow-scripts" loading="lazy"></iframe>'
    said = f'<figcaption><a href="{source}">{about}</a><br><code>{command}</code></figcaption>'
    return raw(f"<figure>{frame}{said}</figure>")


def raw(html: str) -> str:
    """HTML as it is."""
    return f"``````{{raw}} html\n{html}\n``````"


def links(text: str) -> list[str]:
    """Where the links and figures of a page lead, but addresses and places on the page itself."""
    found = LINK.findall(BLOCK.sub("", text))
    return [link.partition("#")[0] for link in found if not link.startswith("#") and not ELSEWHERE.match(link)]


def beside(place: str, link: str) -> str:
    """The file that a link of the page at `place` leads to, both from the top of the repository."""
    parts: list[str] = []
    for part in (PurePosixPath(place).parent / link).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def moved(text: str, place: str) -> str:
    """The text of the page at `place`, its links as they lead from the top of the repository."""

    def lead(found: re.Match[str]) -> str:
        link, _, heading = found[1].partition("#")
        if not link or ELSEWHERE.match(link):
            return found[0]
        return f"]({beside(place, link)}{'#' + heading if heading else ''})"

    return LINK.sub(lead, text)


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level, without it. Errors: KeyError."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise KeyError(heading)
    return found[1].strip()


def first_sentence(text: str) -> str:
    """The first sentence of a docstring, on one line."""
    flat = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z\d)`\"])\. (?=[A-Z`])", flat, maxsplit=1)[0].rstrip(".") + "."
