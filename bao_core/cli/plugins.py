"""`bao plugins`: what is installed, what it offers, and what is broken."""

from __future__ import annotations

from bao_core.cli.opening import opened_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from bao_core.cli.commands import PluginsArguments
    from bao_core.cli.options import Invocation
    from bao_core.cli.terminal import Terminal
    from bao_core.plugins.status import PluginInfo


def plugins(invocation: Invocation, terminal: Terminal, environ: Mapping[str, str]) -> int:
    """List plugins; returns the exit code. All of them are tried, to find out which are broken."""
    arguments: PluginsArguments = invocation.arguments
    with opened_host(invocation.directory, environ, terminal) as host:
        host.try_all()
        found = host.plugins()
    if arguments.json:
        terminal.json({"version": 1, "plugins": found})
        return 0
    for plugin in found:
        _print(plugin, terminal)
    return 0


def _print(plugin: PluginInfo, terminal: Terminal) -> None:
    from bao_core.cli.terminal import BOLD, RED, shown

    status = terminal.style(plugin.status, RED) if plugin.status == "failed" else plugin.status
    name = terminal.style(shown(plugin.name), BOLD)
    terminal.line(f"{name}  {shown(plugin.distribution)} {shown(plugin.version)}  {status}")
    for hook, names in plugin.offers.items():
        words = hook.removeprefix("bao_").replace("_", " ")
        terminal.line(f"    {words}: {', '.join(map(shown, names))}")
    for backend, variable in plugin.tier_variables.items():
        terminal.line(
            f"    a cache tier without configuration: {shown(variable)} ({shown(backend)})"
        )
    for text in (*plugin.remarks, *filter(None, [plugin.error])):
        terminal.line(f"    {shown(text)}")
