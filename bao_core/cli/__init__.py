"""The command line: parse, call the session, map errors to exit codes."""
