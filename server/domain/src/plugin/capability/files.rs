//! What files can do by being there: scripts, binaries, links, hidden text, comments, pictures, downloads.

use super::fetch::{self, Reading};
use super::list::{Collector, fetch_says};
use super::{Class, markdown};
use crate::plugin::Plugin;
use crate::plugin::hidden;
use crate::plugin::json::JSON_BYTES_MAX;
use crate::plugin::source::{Positions, Text, text};
use crate::tree::{Mode, Shown, Tree, TreeFile};

/// So many places of one kind are listed per file; the last one says how many more there are.
const PLACES_MAX: usize = 200;

/// Walks the files of the tree.
pub(super) fn collect(tree: &Tree, plugin: &Plugin, out: &mut Collector) {
    let by_client: Vec<&str> = plugin
        .components
        .files
        .iter()
        .map(|(_, file)| file.path.as_str())
        .chain(plugin.manifest.iter().map(|manifest| manifest.file.path.as_str()))
        .collect();
    for file in tree.files() {
        let path = Shown(&file.path).to_string();
        match file.mode {
            Mode::Link => {
                let target = Shown(file.content.as_deref().unwrap_or_default()).to_string();
                out.add(Class::Text, "tree.symlink", &path, None, &target, format!("is a link to `{target}`"));
            }
            Mode::File | Mode::Executable => regular(file, &path, by_client.contains(&path.as_str()), out),
            Mode::Other(_) => {}
        }
    }
    values(plugin, out);
}

fn regular(file: &TreeFile, path: &str, by_client: bool, out: &mut Collector) {
    let content = file.content.as_deref().unwrap_or_default();
    if let Some(why) = script_because(file, path, content) {
        out.add(Class::Scripts, "file.script", path, None, &why, format!("is a script ({why})"));
    }
    let read = match text(file) {
        Text::Read { text, .. } if !text.contains('\0') => text,
        Text::Read { .. } | Text::NotUtf8(_) => {
            let kind = magic(content);
            return out.add(
                Class::Scripts,
                "file.binary",
                path,
                None,
                kind,
                format!("is no text ({kind}), so nobody can read it"),
            );
        }
        Text::TooLarge => {
            return out.note(
                "file.unread",
                path,
                None,
                &format!("{} bytes", file.size_bytes),
                "is too large to be looked at",
            );
        }
        Text::NotAFile => return,
    };
    hidden_text(read, path, out);
    let markdown_file = is_markdown(path);
    if markdown_file {
        let mut positions = Positions::new(read);
        for place in bounded(markdown::comments(read)) {
            let at = Some(positions.of(place.at));
            out.add(
                Class::Text,
                "text.html_comment",
                path,
                at,
                &place.what,
                "holds a comment that no page shows and a model reads",
            );
        }
        let mut positions = Positions::new(read);
        for place in bounded(markdown::remote_images(read)) {
            let at = Some(positions.of(place.at));
            out.add(
                Class::Text,
                "text.remote_image",
                path,
                at,
                &place.what,
                "shows a picture from elsewhere, which tells who looks at it",
            );
        }
    }
    // In the client's own files commands and arguments stand apart; they are read as values.
    if !by_client {
        let prose = markdown_file || crate::plugin::prose::is_prose(path);
        let reading = if prose { Reading::Markdown } else { Reading::Code };
        let mut positions = Positions::new(read);
        for found in bounded(fetch::scan(read, reading)) {
            let at = Some(positions.of(found.at));
            out.add(Class::Scripts, "fetch.unpinned", path, at, &found.what, fetch_says(&found.what));
        }
    }
}

fn bounded<T>(places: Vec<T>) -> impl Iterator<Item = T> {
    places.into_iter().take(PLACES_MAX)
}

fn hidden_text(read: &str, path: &str, out: &mut Collector) {
    let mut count = 0usize;
    let mut first = None;
    let mut kinds: Vec<char> = Vec::new();
    for found in hidden::scan(read) {
        count += 1;
        first.get_or_insert(found.at);
        if kinds.len() < 8 && !kinds.contains(&found.character) {
            kinds.push(found.character);
        }
    }
    if let Some(at) = first {
        let codes: Vec<String> = kinds.iter().map(|c| format!("U+{:04X}", u32::from(*c))).collect();
        let at = Some(Positions::new(read).of(at));
        let detail = format!("{count} of {}", codes.join(" "));
        out.add(
            Class::Text,
            "text.hidden_unicode",
            path,
            at,
            &detail,
            "holds characters that a person does not see and a model reads",
        );
    }
}

/// Text values of the client's own files and of front matter, where escapes can hide what the bytes do not show.
fn values(plugin: &Plugin, out: &mut Collector) {
    let files = plugin
        .components
        .files
        .iter()
        .map(|(_, file)| file)
        .chain(plugin.manifest.iter().map(|manifest| &manifest.file));
    for file in files {
        let mut hidden_told = out.capabilities.iter().any(|c| c.id == "text.hidden_unicode" && c.path == file.path);
        let Some(root) = file.root() else { continue };
        let mut fetched = 0;
        for (value, at) in root.texts() {
            if !hidden_told && let Some(found) = hidden::scan(value).next() {
                hidden_told = true;
                let detail = format!("U+{:04X}", u32::from(found.character));
                out.add(
                    Class::Text,
                    "text.hidden_unicode",
                    &file.path,
                    Some(at),
                    &detail,
                    "holds characters that a person does not see and a model reads",
                );
            }
            if value.len() > JSON_BYTES_MAX || fetched >= PLACES_MAX {
                continue;
            }
            for found in fetch::scan(value, Reading::Markdown) {
                fetched += 1;
                // A handler's command line was listed where it was read.
                let known = out
                    .capabilities
                    .iter()
                    .rev()
                    .take(PLACES_MAX * 4)
                    .any(|c| c.id == "fetch.unpinned" && c.path == file.path && c.detail == found.what);
                if !known {
                    out.add(
                        Class::Scripts,
                        "fetch.unpinned",
                        &file.path,
                        Some(at),
                        &found.what,
                        fetch_says(&found.what),
                    );
                }
            }
        }
    }
    for item in &plugin.components.items {
        let told =
            |out: &Collector| out.capabilities.iter().any(|c| c.id == "text.hidden_unicode" && c.path == item.path);
        let found = item.front.fields.as_ref().and_then(|fields| {
            fields
                .texts()
                .into_iter()
                .find_map(|(value, at)| hidden::scan(value).next().map(|found| (found.character, at)))
        });
        if let Some((character, at)) = found
            && !told(out)
        {
            let detail = format!("U+{:04X}", u32::from(character));
            out.add(
                Class::Text,
                "text.hidden_unicode",
                &item.path,
                Some(at),
                &detail,
                "holds characters that a person does not see and a model reads",
            );
        }
    }
}

/// Why a file is a script: its ending, its first line, or its execute bit.
fn script_because(file: &TreeFile, path: &str, content: &[u8]) -> Option<String> {
    const EXTENSIONS: &[&str] = &[
        "sh",
        "bash",
        "zsh",
        "fish",
        "ksh",
        "csh",
        "ps1",
        "psm1",
        "bat",
        "cmd",
        "py",
        "pyw",
        "rb",
        "pl",
        "pm",
        "php",
        "js",
        "mjs",
        "cjs",
        "jsx",
        "ts",
        "mts",
        "cts",
        "tsx",
        "lua",
        "r",
        "awk",
        "sed",
        "tcl",
        "vbs",
        "vbe",
        "wsf",
        "jse",
        "applescript",
        "scpt",
        "groovy",
    ];
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    if let Some((_, extension)) = name.rsplit_once('.')
        && EXTENSIONS.contains(&extension)
    {
        return Some(format!("its name ends in .{extension}"));
    }
    let start = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    if let Some(line) = start.strip_prefix(b"#!") {
        let line = &line[..line.iter().position(|b| *b == b'\n').unwrap_or(line.len()).min(80)];
        return Some(format!("#!{}", Shown(line).to_string().trim()));
    }
    (file.mode == Mode::Executable).then(|| "it may be executed".to_owned())
}

fn magic(content: &[u8]) -> &'static str {
    const KINDS: &[(&[u8], &str)] = &[
        (b"\x7fELF", "ELF program"),
        (b"MZ", "Windows program"),
        (b"\xfe\xed\xfa", "Mach-O program"),
        (b"\xcf\xfa\xed\xfe", "Mach-O program"),
        (b"\xce\xfa\xed\xfe", "Mach-O program"),
        (b"\xca\xfe\xba\xbe", "Java class or Mach-O program"),
        (b"\0asm", "WebAssembly"),
        (b"PK\x03\x04", "zip archive"),
        (b"\x1f\x8b", "gzip archive"),
        (b"BZh", "bzip2 archive"),
        (b"\xfd7zXZ", "xz archive"),
        (b"\x28\xb5\x2f\xfd", "zstd archive"),
        (b"7z\xbc\xaf", "7z archive"),
        (b"Rar!", "rar archive"),
        (b"\x89PNG", "PNG picture"),
        (b"\xff\xd8\xff", "JPEG picture"),
        (b"GIF8", "GIF picture"),
        (b"RIFF", "RIFF media"),
        (b"%PDF", "PDF document"),
        (b"SQLite format 3", "SQLite database"),
        (b"\0\0\x01\0", "icon"),
        (b"wOF", "font"),
    ];
    let known = KINDS.iter().find(|(magic, _)| content.starts_with(magic)).map(|(_, kind)| *kind);
    // A compiled Python file begins with its version and this.
    let python = content.get(2..4) == Some(b"\r\n");
    known.unwrap_or(if python { "compiled Python" } else { "unknown bytes" })
}

fn is_markdown(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| matches!(extension, "md" | "markdown" | "mdx" | "mdc"))
}
