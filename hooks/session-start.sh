#!/bin/sh
# SessionStart hook for Claude Code: tells the person when a skill-pool registry has other plugin versions than those that
# are installed, or does not answer. A session must never wait for it or fail by it:
#   - it always exits with 0 (Claude Code takes 2 as a block), and its work is stopped after two seconds;
#   - when something is wrong with the hook itself (a tool is missing, a file cannot be read) it prints nothing;
#   - what it prints is one JSON object with a systemMessage, which the person sees and the model does not.

SECONDS_MAX=2

usage() {
    cat <<'USAGE'
usage: session-start.sh [--text] [MARKETPLACE]...

Compares the plugins that Claude Code has installed from skill-pool registries with what their catalogs offer now.
Without names: all marketplaces that were added by an address of a skill-pool registry.

  --text   print plain lines instead of the JSON that Claude Code expects of a hook

Reads known_marketplaces.json and installed_plugins.json of Claude Code and writes nothing there. Needs git (for catalogs
added by git), curl (for catalogs added by URL), and timeout or perl. Always exits with 0.
USAGE
}

# Prints `path<TAB>value` for every value of a JSON file; the parts of a path are separated by byte 31.
flatten() {
    awk '
        function element() { if (depth > 0 && kind[depth] == "[") number[depth]++ }
        function scalar(text,   i, path) {
            element()
            for (i = 1; i <= depth; i++) path = path (i > 1 ? "\037" : "") (kind[i] == "{" ? key[i] : number[i])
            print path "\t" text
        }
        # Quotation marks separate records, so that strings and structure alternate and no text is copied twice.
        BEGIN { RS = "\"" }
        !inside {
            word = ""
            for (i = 1; i <= length($0); i++) {
                c = substr($0, i, 1)
                if (c ~ /[A-Za-z0-9+.-]/) { word = word c; continue }
                if (word != "") { scalar(word); word = "" }
                if (c == "{" || c == "[") {
                    element()
                    if (++depth > 64) exit 1
                    kind[depth] = c; number[depth] = -1; is_key = (c == "{")
                }
                else if (c == "}" || c == "]") { if (--depth < 0) exit 1 }
                else if (c == ",") is_key = (kind[depth] == "{")
                else if (c == ":") is_key = 0
            }
            if (word != "") scalar(word)
            inside = 1; text = ""
            next
        }
        {
            text = text $0
            # An odd number of backslashes at the end means that the quotation mark belongs to the string.
            if (match(text, /\\+$/) && RLENGTH % 2 == 1) { text = text "\""; next }
            inside = 0
            if (is_key) key[depth] = text
            else scalar(text)
        }
    ' "$1"
}

# The value at a path; parts are given as arguments.
value() { # FILE PART...
    file=$1
    shift
    wanted=$1
    shift
    for part in "$@"; do wanted=$wanted$(printf '\037')$part; done
    awk -F '\t' -v wanted="$wanted" '$1 == wanted { print $2; exit }' "$file"
}

# Prints the catalog of one marketplace; the exit code says what is wrong: 1 no answer, 3 not allowed, 4 not possible here.
catalog() { # KNOWN NAME FOLDER
    kind=$(value "$1" "$2" source source)
    url=$(value "$1" "$2" source url)
    case "$url" in *[\\\ ]* | -* | '') return 4 ;; esac
    if [ "$kind" = git ]; then
        command -v git >/dev/null 2>&1 || return 4
        ref=$(value "$1" "$2" source ref)
        # Exactly the credentials that Claude Code itself could use, and never a question.
        export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS='' SSH_ASKPASS=''
        git init --quiet --bare "$3/repository" &&
            git -C "$3/repository" -c credential.interactive=false -c core.askPass= -c protocol.allow=never \
                -c protocol.https.allow=always -c protocol.http.allow=always -c protocol.ssh.allow=always \
                fetch --quiet --depth 1 --no-tags -- "$url" "${ref:-HEAD}" 2>"$3/error" || {
            grep -qiE 'authentication failed|could not read (username|password)|unable to get password|error: 40[13]' "$3/error" && return 3
            return 1
        }
        git -C "$3/repository" cat-file blob FETCH_HEAD:.claude-plugin/marketplace.json
    else
        command -v curl >/dev/null 2>&1 || return 4
        header=$(value "$1" "$2" source headers Authorization)
        case "$header" in *[\\\"]*) return 4 ;; esac
        # The credential goes in by standard input: arguments can be read by everybody on the machine.
        status=$(printf '%s' "${header:+header = \"Authorization: $header\"}" |
            curl --silent --config - --max-filesize 5242880 --output "$3/body" --write-out '%{http_code}' -- "$url") || return 1
        case "$status" in
            200) cat "$3/body" ;;
            401 | 403 | 404) return 3 ;;
            *) return 1 ;;
        esac
    fi
}

# Prints what one marketplace has to say, at most one line.
compare() { # KNOWN INSTALLED NAME FOLDER
    catalog "$1" "$3" "$4" >"$4/catalog.json"
    case $? in
        0) ;;
        1) echo "$3: the registry does not answer; what is installed keeps working"; return ;;
        3) echo "$3: the registry does not accept the stored credential; renew it with git credential approve"; return ;;
        *) return ;;
    esac
    flatten "$4/catalog.json" >"$4/catalog" || return
    awk -F '\t' -v market="$3" '
        function parts(path) { return split(path, part, "\037") }
        # Names and versions come from files that others wrote; what is not plain is left out.
        $2 !~ /^[A-Za-z0-9][A-Za-z0-9._+-]*$/ { next }
        FILENAME ~ /catalog$/ {
            if (parts($1) == 3 && part[1] == "plugins") {
                if (part[3] == "name") name[part[2]] = $2
                if (part[3] == "version") version[part[2]] = $2
            }
            next
        }
        parts($1) == 4 && part[1] == "plugins" && part[4] == "version" {
            at = length(part[2]) - length(market)
            if (at > 1 && substr(part[2], at) == "@" market) have[substr(part[2], 1, at - 1)] = $2
        }
        END {
            for (i in name) offered[name[i]] = version[i]
            for (plugin in have) {
                if (plugin !~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/) continue
                if (!(plugin in offered)) { gone = gone " " plugin; continue }
                if (offered[plugin] != "" && offered[plugin] != have[plugin]) {
                    list = list (count++ ? ", " : "") plugin " " have[plugin] " -> " offered[plugin]
                    one = plugin
                }
            }
            if (count) line = (count > 1 ? count " plugins have other versions: " : "") list "; update with: claude plugin update " (count > 1 ? "<plugin>@" : one "@") market
            if (gone != "") line = line (line == "" ? "" : ". ") "no longer in the catalog:" gone
            if (line != "") print market ": " line
        }
    ' "$4/catalog" "$2"
}

# All the work, in a process of its own that the caller bounds in time.
work() { # MARKETPLACE...
    plugins=${CLAUDE_CODE_PLUGIN_CACHE_DIR:-${CLAUDE_CONFIG_DIR:-$HOME/.claude}/plugins}
    [ -r "$plugins/known_marketplaces.json" ] && [ -r "$plugins/installed_plugins.json" ] || return 0
    folder=$(mktemp -d "${TMPDIR:-/tmp}/skill-pool-hook.XXXXXX") || return 0
    trap 'rm -rf "$folder"' EXIT
    trap 'exit 1' TERM INT HUP
    flatten "$plugins/known_marketplaces.json" >"$folder/known" || return 0
    flatten "$plugins/installed_plugins.json" >"$folder/installed" || return 0
    if [ $# -eq 0 ]; then
        set -- $(awk -F '\t' '
            split($1, part, "\037") == 3 && part[2] == "source" && part[3] == "url" && part[1] ~ /^[A-Za-z0-9][A-Za-z0-9._-]*$/ &&
                $2 ~ /^https?:\/\/.*(\/git\/marketplace\.git|\/t\/[a-z0-9-]+\/?|\/t\/[a-z0-9-]+\/\.claude-plugin\/marketplace\.json)$/ { print part[1] }
        ' "$folder/known")
    fi
    for name in "$@"; do
        mkdir "$folder/$name" && compare "$folder/known" "$folder/installed" "$name" "$folder/$name"
    done
}

form=json
case "${1-}" in
    -h | --help) usage; exit 0 ;;
    --text) form=text; shift ;;
    --work) shift; work "$@"; exit 0 ;;
esac
for name in "$@"; do
    case "$name" in *[!A-Za-z0-9._-]* | .* | -*) exit 0 ;; esac
done

# A whole process group is bounded, so that no git or curl stays behind.
if command -v timeout >/dev/null 2>&1; then
    lines=$(timeout -k 1 "$SECONDS_MAX" sh "$0" --work "$@" 2>/dev/null </dev/null)
    code=$?
elif command -v perl >/dev/null 2>&1; then
    lines=$(perl -e 'setpgrp; $SIG{ALRM} = sub { $SIG{TERM} = "IGNORE"; kill TERM => -$$; exit 124 };
        alarm shift; $pid = fork; exec @ARGV if !$pid; waitpid $pid, 0; exit $? >> 8' \
        "$SECONDS_MAX" sh "$0" --work "$@" 2>/dev/null </dev/null)
    code=$?
else
    exit 0
fi
[ "$code" -eq 124 ] && lines=${lines:+$lines
}"the registry did not answer within $SECONDS_MAX seconds; what is installed keeps working"
[ -n "$lines" ] || exit 0

if [ "$form" = text ]; then
    printf '%s\n' "$lines" | sed 's/^/skill-pool: /'
else
    # The lines hold nothing but what was let through above, so that only line ends need care.
    printf '%s\n' "$lines" | tr -d '"\\' | awk '{ text = text (NR > 1 ? "\\n" : "") "skill-pool: " $0 } END { printf "{\"systemMessage\":\"%s\"}\n", text }'
fi
exit 0
