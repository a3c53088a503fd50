"""A comparison as text, plain ASCII: the verdict, then a line per population."""

from __future__ import annotations

from math import isinf

from fsref.verification.compare import JUMP, LEAST, MOST, Comparison
from fsref.metrics.losses import Loss
from fsref.tables import plural, table

EXACT = 120.0  # dB: what float32 itself rounds off


def decibels(row: Loss, part: str) -> str:
    """A ratio as text; "exact" where no more than float32 rounds off is lost."""
    db = row.db(part)
    return "exact" if db >= EXACT else "no value" if isinf(db) else f"{db:.1f}"


def percent(share: float | None) -> str | None:
    """A share as per cent, two digits; one too small for them is no 0."""
    return None if share is None else "0" if share == 0 else "<0.01" if share < 5e-5 else f"{100 * share:.2f}"


def cause(row: Loss) -> str:
    """What the new error of a population looks like, in words, or ""."""
    seen = []
    if abs(row.gain - 1) > 0.02 and row.after_gain < row.new / 4 and row.db("after_gain") > JUMP:
        seen.append(
            f"times {row.gain:.3g} the value would meet the float layer at "
            f"{decibels(row, 'after_gain')} dB, as with a wrong scale"
        )
    elif row.constant > 2 / 3:
        seen.append(f"{100 * row.constant:.0f} % of the new error is one constant per channel, as from a wrong bias")
    if row.channel_share > 0.5 and row.kind != "input":
        seen.append(f"{100 * row.channel_share:.0f} % of the new error is in channel {row.channel}")
    return "; ".join(seen)


def verdict(c: Comparison) -> list[str]:
    """What a person wants to know first, a line each."""
    lines = [f"predictions  {100 * c.agree / c.images:.2f} % agree  ({c.agree:,} of {c.images:,})"]
    if c.correct is not None:
        sides = (
            f"{side} {100 * right / c.images:.2f} %  ({right:,})"
            for side, right in zip(("float", "FS"), c.correct, strict=True)
        )
        lines.append(f"accuracy     {'   '.join(sides)}")
    lines.append(f"logits       {decibels(c.rows[-1], 'error')} dB")
    if c.folding_wrong:
        lines.append(
            "folding      WRONG: with batch norm and the like folded into weights the "
            f"float logits are {c.folding_db:.1f} dB from the graph's own"
        )
    first, worst = c.first_jump, c.worst
    if first is None:
        lines.append("first jump   none: no population adds much more error than the others")
    else:
        lines.append(
            f"first jump   {first.name}: its {first.jump} part is at {decibels(first, first.jump)} "
            f"dB, the limit is {c.limits[first.jump]:.1f}"
        )
        lines += [f"             {what}" for what in [cause(first)] if what]
    if worst is not first and worst.new > 0:
        lines.append(f"adds most    {worst.name}: its new error is at {decibels(worst, 'new')} dB")
    return lines


def comparison_text(c: Comparison) -> str:
    """A comparison as text: the verdict, a line per population, what the columns mean."""
    head = (
        "population",
        "K",
        "SNR",
        "inherited",
        "new",
        "= codes",
        "+ arithmetic",
        "bias",
        "clipped %",
        "at top %",
        "dead",
        "inactive",
        "lost",
        "",
    )
    rows = []
    for row in c.rows:
        ratios = (decibels(row, part) for part in ("error", "inherited", "new", "codes", "arithmetic"))
        bias = None if row.bias_codes is None else f"{round(row.bias_codes, 2) + 0.0:+.2f}"
        neurons = (row.dead, row.inactive, row.lost)
        rows.append(
            (
                row.name,
                row.steps or None,
                *ratios,
                bias,
                percent(row.clipped),
                percent(row.saturated),
                *neurons,
                "<- jump" if row.jump else "",
            )
        )
    limits = " and ".join(f"{part} {limit:.1f}" for part, limit in c.limits.items())
    return "\n".join(
        [
            (
                f"{c.network or 'network'} {c.id[:12]} beside the float graph "
                f"{c.graph or 'without a name'}: {plural(c.images, 'image')}"
            ),
            "",
            *verdict(c),
            *(f"note         {note}" for note in c.notes),
            "",
            table(head, rows),
            "",
            (
                "dB: power of the float value over power of the error. inherited: through the "
                "float layer, from the errors of the sources. new: made here;"
            ),
            (
                "codes: rounding and clipping, the least these codes cost; arithmetic: "
                "integer weights, bias, thresholds. bias: mean error in codes."
            ),
            (
                "clipped: float values beyond the codes. dead: neurons that never spike; "
                "inactive: never active in float; lost: dead, yet active in float."
            ),
            (
                f"jump: below {limits} dB, which is {JUMP:.0f} dB under the middle FS "
                f"population, but {LEAST:.0f} at least and {MOST:.0f} at most."
            ),
        ]
    )
