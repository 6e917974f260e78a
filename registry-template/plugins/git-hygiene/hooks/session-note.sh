#!/bin/sh
# SessionStart hook: tells the session in at most six lines where the work tree stands.
# Reads only, asks no network, and always exits with 0: a note must never hold a session up.

case "${1-}" in
    -h | --help)
        cat <<'USAGE'
usage: session-note.sh < event.json

Prints the state of the git work tree in the current folder, at most six lines: branch and upstream, uncommitted files,
unfinished operation, stashes. Prints nothing outside a repository. Always exits with 0.
USAGE
        exit 0
        ;;
esac

# The event on stdin is not needed; the hook runs in the session's folder.
[ -n "${CLAUDE_PROJECT_DIR-}" ] && cd "$CLAUDE_PROJECT_DIR" 2>/dev/null

# A huge work tree or a slow disk must not delay the session.
if command -v timeout >/dev/null 2>&1; then limit="timeout 2"; else limit=""; fi
# Optional locks would make a running git command of the user's fail; a status without them is good enough for a note.
GIT_OPTIONAL_LOCKS=0
export GIT_OPTIONAL_LOCKS

status=$($limit git status --porcelain=v2 --branch --untracked-files=normal 2>/dev/null) || exit 0
folder=$(git rev-parse --git-dir 2>/dev/null) || exit 0

printf '%s\n' "$status" | awk '
    $1 == "#" && $2 == "branch.head" { head = $3 }
    $1 == "#" && $2 == "branch.upstream" { upstream = $3 }
    $1 == "#" && $2 == "branch.ab" { ahead = substr($3, 2) + 0; behind = substr($4, 2) + 0; counted = 1 }
    $1 == "1" || $1 == "2" {
        if (substr($2, 1, 1) != ".") staged++
        if (substr($2, 2, 1) != ".") changed++
    }
    $1 == "u" { conflicted++ }
    $1 == "?" { untracked++ }
    END {
        if (head == "(detached)") print "git: detached HEAD; commits made here belong to no branch"
        else {
            line = "git: on branch " head
            if (upstream == "") line = line ", no upstream"
            else if (!counted) line = line ", upstream " upstream " is gone"
            else if (ahead || behind) line = line ", " ahead " ahead and " behind " behind " upstream " (as last fetched)"
            else line = line ", level with " upstream " (as last fetched)"
            print line
        }
        if (conflicted) print "git: " conflicted " files with conflicts"
        if (staged || changed || untracked) print "git: uncommitted: " staged + 0 " staged, " changed + 0 " changed, " untracked + 0 " untracked"
    }
'

for operation in rebase-merge:rebase rebase-apply:rebase MERGE_HEAD:merge CHERRY_PICK_HEAD:cherry-pick REVERT_HEAD:revert BISECT_LOG:bisect; do
    if [ -e "$folder/${operation%%:*}" ]; then
        echo "git: an unfinished ${operation##*:} is in progress"
        break
    fi
done

stashes=$(git rev-list --walk-reflogs --count refs/stash 2>/dev/null)
[ "${stashes:-0}" -gt 0 ] && echo "git: $stashes stashed change sets"
exit 0
