"""Clones with dulwich, releases the next version, pushes, and prints the new commit's id.

usage: dulwich_roundtrip.py URL FOLDER USER TOKEN VERSION
"""

import json
import pathlib
import sys

from dulwich import porcelain

url, folder, user, token, version = sys.argv[1:]
repository = porcelain.clone(url, folder, username=user, password=token, errstream=open("/dev/null", "wb"))
root = pathlib.Path(folder)

manifest = json.loads((root / ".claude-plugin/plugin.json").read_text())
manifest["version"] = version
(root / ".claude-plugin/plugin.json").write_text(json.dumps(manifest, indent=2) + "\n")
tool = root / "tools" / "dulwich.sh"
tool.parent.mkdir(exist_ok=True)
tool.write_text("#!/bin/sh\necho dulwich\n")
tool.chmod(0o755)

porcelain.add(repository, [str(root / ".claude-plugin/plugin.json"), str(tool)])
identity = b"Ana <ana@example.org>"
commit = porcelain.commit(repository, message=b"release by dulwich", author=identity, committer=identity)
porcelain.push(repository, url, b"refs/heads/main", username=user, password=token,
               outstream=open("/dev/null", "wb"), errstream=sys.stderr.buffer)
print(commit.decode())
