"""Reads what an overlay says in words about required fields into {path, when}. Used by build_catalogue.py only."""

from __future__ import annotations

import re
from typing import Any

from tieout.catalogue.model import Required

PATH = r"[A-Za-z][A-Za-z0-9]*(?:\[\])?(?:\.[A-Za-z][A-Za-z0-9]*(?:\[\])?)*"
DIRECT = "only when posted directly"
PRACTICE = "in practice"


def required_of(overlay: dict[str, Any]) -> tuple[Required, ...]:
    """`requiredOnCreate` and `requiredConditional` of an overlay. Empty `when`: in every create body, or every line."""
    found: dict[Required, None] = {}
    for words in overlay.get("requiredOnCreate", ()):
        found.update(dict.fromkeys(always(words)))
    firm = {required.path for required in found}
    for words in overlay.get("requiredConditional", ()):
        found.update((r, None) for r in conditional(words) if r.path not in firm or r.when not in ("", PRACTICE))
    return tuple(found)


def alternatives(paths: list[str]) -> list[Required]:
    """Exactly one of these."""
    return [Required(path, "unless " + " or ".join(o for o in paths if o != path) + " is sent") for path in paths]


def spread(words: str) -> list[str]:
    """`a.b, .c and .d` -> [a.b, a.c, a.d]."""
    paths: list[str] = []
    for part in re.split(r",? and |, ", words):
        if part.startswith(".") and paths:
            part = paths[0].rsplit(".", 1)[0] + part
        paths.append(part)
    return paths


def always(words: str) -> list[Required]:
    body, _, remark = words.partition(" (")
    remark = remark.removesuffix(")")
    body, unless, sequencing = body.partition(" unless ")
    if unless:
        return [Required(body, f"unless {sequencing}")]
    choice = body.removeprefix("exactly one of ")
    if choice != body:
        return alternatives(choice.split(", "))
    if " or " in body:
        paths = body.split(" or ")
        common = paths[0].rpartition(".")[0]
        if common and all(path.rpartition(".")[0] == common for path in paths):
            return [Required(common)]
        return alternatives(paths)
    return [found for path in spread(body) for found in with_remark(path, remark)]


def with_remark(path: str, remark: str) -> list[Required]:
    if remark.startswith(">="):
        more = int(remark[2:]) > 1
        return [Required(path), *([Required(path, f"at least {remark[2:]} items")] if more else [])]
    if "posted directly" in remark or "direct post" in remark:
        return [Required(path, DIRECT)]
    if "not in the required list" in remark:
        return [Required(path, PRACTICE)]
    if remark == "nested rule":
        return [Required(path, f"when {path.rpartition('.')[0]} is sent")]
    if remark.startswith("may be omitted"):
        return [Required(path, remark)]
    return [Required(path)]


def conditional(words: str) -> list[Required]:
    """One sentence of `requiredConditional`. What names no path stays in the source's notes."""
    found: list[Required] = []
    for sentence in words.split("; "):
        found += _conditional(re.sub(r" \((oneOf|description|only id|GB)[^)]*\)", "", sentence))
    return found


def _conditional(words: str) -> list[Required]:
    choice = re.match(rf"(?:exactly one of|either) ({PATH}),? (?:or )?({PATH})$", words)
    if choice:
        return alternatives([choice[1], choice[2]])
    either = re.match(rf"({PATH}) or ({PATH})(?: \(.*)?$", words)
    if either:
        return alternatives([either[1], either[2]])
    practice = re.match(rf"({PATH}): not in the required list", words)
    if practice:
        return [Required(practice[1], PRACTICE)]
    direct = re.match(rf"({PATH}) when posted directly", words)
    if direct:
        return [Required(direct[1], DIRECT)]
    rate = re.match(r"(?:an )?exchangeRate when (.*)", words)
    if rate:
        return [Required("currency.exchangeRate", f"when {rate[1]}")]
    every = re.match(rf"every details\[\] item needs ({PATH}), and ({PATH}) when its (\w+) group is sent$", words)
    if every:
        when = f"when its {every[3]} group is sent"
        return [Required(f"details[].{every[1]}"), Required(f"details[].{every[2]}", when)]
    least = re.match(rf"({PATH}) at least one when sent$", words)
    if least:
        return [Required(least[1], "at least 1 item when sent")]
    each = re.match(rf"({PATH}) and ({PATH}) for every detail sent$", words)
    if each:
        return [Required(each[1]), Required(each[2])]
    plain = re.match(rf"({PATH}(?:(?:,? and |, )\.?{PATH})*) when (.*)$", words)
    if plain:
        return [Required(path, f"when {plain[2]}") for path in spread(plain[1])]
    return []
