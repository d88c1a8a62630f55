"""Asks a person at a terminal. Questions go to standard error, so that a result stays clean."""

from __future__ import annotations

import sys

import typer

from tieout.errors import ConfigurationError


def can_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def asked(label: str, default: str | None = None) -> str:
    """An answer; `default` where none is typed, and without a default it is asked again."""
    answer = typer.prompt(label, default=default, err=True, show_default=bool(default))
    return str(answer).strip()


def asked_secret(label: str, variable: str, *, empty: bool = False) -> str:
    """A secret, typed unseen; '' only where it may be `empty`.

    Raises ConfigurationError naming the variable that brings it where nobody sits there."""
    if not can_ask():
        raise ConfigurationError(
            f"The {label[0].lower()}{label[1:]} is missing.",
            advice=f"Set {variable} in the environment or in .env, or run this in a terminal to be asked. It is never "
            "an argument: those show in process lists.",
        )
    default = "" if empty else None
    return str(typer.prompt(label, hide_input=True, err=True, default=default, show_default=False))


def confirmed(question: str) -> bool:
    """Yes or no; no where only Enter is pressed."""
    return bool(typer.confirm(question, default=False, err=True))


def chosen(label: str, choices: tuple[str, ...], default: str | None = None) -> str:
    """One of `choices`: its number, its word, or as many letters of it as tell it from the others."""
    while True:
        answer = asked(label, default).lower()
        if answer.isdigit() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        fitting = [choice for choice in choices if answer and choice.startswith(answer)]
        if len(fitting) == 1 or answer in choices:
            return answer if answer in choices else fitting[0]
        typer.echo(f"Please answer {' or '.join(choices)}.", err=True)
