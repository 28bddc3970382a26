"""Compiles every script of this folder, without running or writing anything."""

import pathlib
import sys

for script in sorted(pathlib.Path(__file__).resolve().parent.glob("*.py")):
    try:
        compile(script.read_text(), str(script), "exec")
    except SyntaxError as error:
        sys.exit(f"{script}: {error}")
