//! Which files are written for people or a model to read.

/// True for Markdown and plain text, by the file's ending.
pub fn is_prose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "md" | "markdown" | "mdx" | "txt" | "rst" | "adoc" | "mdc")
}
