#!/usr/bin/env python3
"""Read-only MCP server for the SQLite files of one folder.

Speaks JSON-RPC over standard input and output, one message a line (MCP, transport stdio). Standard library only.
What it holds: files outside the folder cannot be opened; a connection can only read; time, rows and bytes are bounded.
"""

import argparse
import json
import os
import sqlite3
import sys
import time
from pathlib import Path

SERVER = {"name": "sqlite", "version": "1.0.0"}
PROTOCOLS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
MAGIC = b"SQLite format 3\x00"
MESSAGE_BYTES_MAX = 1024 * 1024
QUERY_SECONDS_MAX = 5.0
VALUE_BYTES_MAX = 16 * 1024 * 1024
ROWS_MAX = 200
CELL_CHARACTERS_MAX = 500
ANSWER_CHARACTERS_MAX = 60_000
FILES_MAX = 50
FOLDERS_VISITED_MAX = 2_000
SKIPPED_FOLDERS = {".git", "node_modules", "target", ".venv", "venv", "__pycache__"}

TOOLS = [
    {
        "name": "list_databases",
        "description": "Lists the SQLite files of the project folder with their size in bytes.",
        "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
    },
    {
        "name": "describe",
        "description": "Describes a SQLite file: tables and views with columns, keys, indexes and row counts "
                       "(counts stop at 1000000). Name a table to see only that one with its SQL.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "database": {"type": "string", "description": "path relative to the project folder"},
                "table": {"type": "string", "description": "only this table or view"},
            },
            "required": ["database"],
            "additionalProperties": False,
        },
    },
    {
        "name": "query",
        "description": "Runs one reading statement (SELECT, WITH, VALUES, EXPLAIN QUERY PLAN) and returns its rows as a "
                       "table, at most 200. Pass values as parameters.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "database": {"type": "string", "description": "path relative to the project folder"},
                "sql": {"type": "string", "description": "one statement; use ? for values"},
                "parameters": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]},
                               "description": "values for the question marks"},
            },
            "required": ["database", "sql"],
            "additionalProperties": False,
        },
    },
]


class Refused(Exception):
    """What the caller asked for is not possible; the message says what to do instead."""


def database_path(root, name):
    """Resolves a name to an SQLite file inside `root`, following links before the check."""
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise Refused(f"{name} is outside the project folder")
    if not path.is_file():
        raise Refused(f"{name} does not exist; list_databases shows what is there")
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Refused(f"{name} is not an SQLite file")
    return path


def only_reading(action, first, second, _database, _trigger):
    """The authorizer: reading and pure functions, nothing else. What `first` and `second` are depends on the action."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION:
        # `second` is the function's name; load_extension would run code.
        return sqlite3.SQLITE_DENY if second == "load_extension" else sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in ("table_xinfo", "index_list", "index_info", "foreign_key_list"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def connect(path):
    """Opens a file for reading, with the authorizer and a deadline."""
    connection = sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, timeout=1.0)
    connection.set_authorizer(only_reading)
    if hasattr(connection, "setlimit"):  # Python 3.11 and newer
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
    deadline = time.monotonic() + QUERY_SECONDS_MAX
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def quoted(name):
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def cell(value):
    """One value as text for a table."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    text = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\r", "").replace("\n", "\\n")
    return text if len(text) <= CELL_CHARACTERS_MAX else text[:CELL_CHARACTERS_MAX] + f"... ({len(text)} characters)"


def table(header, rows):
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(cell(name) for name in header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def list_databases(root, _arguments):
    found, visited = [], 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        visited += 1
        if visited > FOLDERS_VISITED_MAX or len(found) >= FILES_MAX:
            break
        for name in sorted(files):
            path = Path(folder, name)
            try:
                if path.is_symlink() or not path.is_file():
                    continue
                with open(path, "rb") as file:
                    if file.read(len(MAGIC)) == MAGIC:
                        found.append((str(path.relative_to(root)), path.stat().st_size))
            except OSError:
                continue
    if not found:
        return "No SQLite files in this folder."
    note = "\n(the search stopped early; name deeper files directly)" if visited > FOLDERS_VISITED_MAX else ""
    return table(("database", "bytes"), found[:FILES_MAX]) + note


def describe(root, arguments):
    connection = connect(database_path(root, arguments["database"]))
    try:
        wanted = arguments.get("table")
        objects = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
            "ESCAPE '\\' ORDER BY type, name").fetchall()
        if wanted is not None:
            objects = [entry for entry in objects if entry[1] == wanted]
            if not objects:
                raise Refused(f"there is no table or view {wanted}; describe without a table lists them")
        parts = []
        for kind, name, sql in objects[:100]:
            columns = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
            texts = [column[1] + (" " + column[2] if column[2] else "") + (" primary key" if column[5] else "")
                     + (" not null" if column[3] and not column[5] else "") for column in columns]
            # Counting a huge table costs a whole scan, so the count has an end.
            count = connection.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {quoted(name)} LIMIT 1000000)").fetchone()[0]
            parts.append(f"## {name} ({kind}, {'1000000 or more' if count == 1000000 else count} rows)\n"
                         + "\n".join("- " + text for text in texts))
            for key in connection.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchall():
                parts.append(f"- {key[3]} references {key[2]}({key[4] or 'primary key'})")
            for index in connection.execute(f"PRAGMA index_list({quoted(name)})").fetchall():
                fields = connection.execute(f"PRAGMA index_info({quoted(index[1])})").fetchall()
                parts.append(f"- {'unique ' if index[2] else ''}index {index[1]} on "
                             + ", ".join(field[2] or "an expression" for field in fields))
            if wanted is not None and sql:
                parts.append(f"\n{sql}")
        if len(objects) > 100:
            parts.append(f"... {len(objects) - 100} more; name one")
        return "\n".join(parts) or "The file has no tables."
    finally:
        connection.close()


def query(root, arguments):
    parameters = arguments.get("parameters") or []
    if not isinstance(parameters, list) or any(isinstance(value, (list, dict)) for value in parameters):
        raise Refused("parameters is a list of plain values")
    connection = connect(database_path(root, arguments["database"]))
    try:
        cursor = connection.execute(arguments["sql"], parameters)
        if cursor.description is None:
            raise Refused("the statement returns no rows; this server only reads")
        rows = cursor.fetchmany(ROWS_MAX + 1)
        text = table([column[0] for column in cursor.description], rows[:ROWS_MAX])
        if len(rows) > ROWS_MAX:
            text += f"\n(first {ROWS_MAX} rows; add LIMIT, a condition or an aggregate)"
        return text
    finally:
        connection.close()


CALLS = {"list_databases": list_databases, "describe": describe, "query": query}


def call_tool(root, parameters):
    """Runs one tool. What went wrong is part of the answer, so that the model can mend it."""
    name, arguments = parameters.get("name"), parameters.get("arguments") or {}
    tool = next((tool for tool in TOOLS if tool["name"] == name), None)
    if tool is None:
        return answer(f"there is no tool {name}", failed=True)
    schema = tool["inputSchema"]
    if not isinstance(arguments, dict):
        return answer("arguments must be an object", failed=True)
    unknown = sorted(set(arguments) - set(schema["properties"]))
    missing = sorted(set(schema.get("required", [])) - set(arguments))
    if unknown or missing:
        return answer(f"unknown arguments {unknown}, missing arguments {missing}", failed=True)
    for key, value in arguments.items():
        if schema["properties"][key]["type"] == "string" and not isinstance(value, str):
            return answer(f"{key} must be a string", failed=True)
    try:
        return answer(CALLS[name](root, arguments))
    except Refused as refused:
        return answer(str(refused), failed=True)
    except sqlite3.DatabaseError as error:
        reason = str(error)
        if "interrupted" in reason:
            return answer(f"stopped after {QUERY_SECONDS_MAX:.0f} seconds; narrow the query", failed=True)
        if any(word in reason for word in ("not authorized", "prohibited", "denied")):
            return answer(f"refused, this server only reads ({reason})", failed=True)
        return answer(f"SQLite: {reason}", failed=True)
    except (sqlite3.Warning, OSError, ValueError, OverflowError) as error:
        return answer(f"{type(error).__name__}: {error}", failed=True)


def answer(text, failed=False):
    if len(text) > ANSWER_CHARACTERS_MAX:
        text = text[:ANSWER_CHARACTERS_MAX] + "\n(cut; ask for fewer columns or rows)"
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def handle(root, message):
    """Answers one message, or returns None for a notification."""
    if not isinstance(message, dict):
        return failure(None, -32600, "a message is a JSON object")
    method, identifier = message.get("method"), message.get("id")
    if identifier is None:
        return None
    if not isinstance(method, str):
        return failure(identifier, -32600, "method is missing")
    parameters = message.get("params")
    parameters = parameters if isinstance(parameters, dict) else {}
    if method == "initialize":
        asked = parameters.get("protocolVersion")
        result = {"protocolVersion": asked if asked in PROTOCOLS else PROTOCOLS[0],
                  "capabilities": {"tools": {}}, "serverInfo": SERVER,
                  "instructions": "Reads the SQLite files of the project folder. Start with list_databases."}
    elif method == "ping":
        result = {}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        result = call_tool(root, parameters)
    else:
        return failure(identifier, -32601, f"method {method} is not supported")
    return {"jsonrpc": "2.0", "id": identifier, "result": result}


def failure(identifier, code, text):
    return {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": text}}


def main():
    parser = argparse.ArgumentParser(prog="sqlite_server.py", description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.environ.get("CLAUDE_PROJECT_DIR") or ".",
                        help="folder whose files may be read (default: the project folder)")
    root = Path(parser.parse_args().root).resolve()
    if not root.is_dir():
        parser.error(f"{root} is not a folder")
    while line := sys.stdin.buffer.readline(MESSAGE_BYTES_MAX + 1):
        if len(line) > MESSAGE_BYTES_MAX:
            reply = failure(None, -32600, "the message is over 1 MiB")
            while line and not line.endswith(b"\n"):
                line = sys.stdin.buffer.readline(MESSAGE_BYTES_MAX)
        elif not line.strip():
            continue
        else:
            try:
                reply = handle(root, json.loads(line))
            except (ValueError, RecursionError) as error:
                reply = failure(None, -32700, f"not JSON: {error}")
        if reply is not None:
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
