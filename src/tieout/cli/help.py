"""How `tieout COMMAND --help` looks: arguments first, the command's own options, then those every command takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.core import TyperCommand

from tieout.cli import directory

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter, Parameter

COMMON = ("project", "json", "quiet", "help")
"""Names of the parameters that every command has."""


class Command(TyperCommand):
    """A command whose usage reads `tieout query OBJECT [OPTIONS]`."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Arguments, in brackets where they can be left out, then `[OPTIONS]`."""
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return [*(_label(param) if param.required else f"[{_label(param)}]" for param in arguments), "[OPTIONS]"]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Writes one section each for arguments, own options and common options."""
        arguments: list[tuple[str, str]] = []
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                arguments.append((_label(param), getattr(param, "help", None) or ""))
            else:
                (common if param.name in COMMON else own).append(record)
        for title, records in (("Arguments", arguments), ("Options", own), ("As with every command", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if parts := directory.parts(self.name or ""):
            with formatter.section("Commands of its own"):
                formatter.write_dl([(f"tieout {part.name}", part.summary) for part in parts])


def _label(param: Parameter) -> str:
    return param.metavar or (param.name or "").upper()
