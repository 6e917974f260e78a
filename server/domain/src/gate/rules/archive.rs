//! Files that nobody can review: archives, programs, office files with macros, pointers to files elsewhere.

use super::{Findings, Rule, Seen};
use crate::tree::{Mode, Shown, TreeFile};

const ARCHIVE: Rule = Rule::refuse(
    "archive-file",
    "archive",
    "an archive, program or macro file of a type that the policy does not allow",
);
const LFS: Rule = Rule::refuse("lfs-pointer", "archive", "a pointer of Git LFS instead of the file");

pub(super) const RULES: &[&Rule] = &[&ARCHIVE, &LFS];

/// Endings of files that hold other files, or machine code.
const TYPES: &[(&str, &str)] = &[
    ("zip", "an archive"),
    ("tar", "an archive"),
    ("gz", "an archive"),
    ("tgz", "an archive"),
    ("bz2", "an archive"),
    ("tbz2", "an archive"),
    ("xz", "an archive"),
    ("txz", "an archive"),
    ("zst", "an archive"),
    ("lz4", "an archive"),
    ("7z", "an archive"),
    ("rar", "an archive"),
    ("jar", "an archive"),
    ("war", "an archive"),
    ("cab", "an archive"),
    ("iso", "a disk image"),
    ("dmg", "a disk image"),
    ("deb", "a package"),
    ("rpm", "a package"),
    ("apk", "a package"),
    ("msi", "a package"),
    ("pkg", "a package"),
    ("whl", "a package"),
    ("mcpb", "a bundle"),
    ("dxt", "a bundle"),
    ("exe", "a program"),
    ("dll", "a program"),
    ("so", "a program"),
    ("dylib", "a program"),
    ("com", "a program"),
    ("scr", "a program"),
    ("docm", "an office file with macros"),
    ("dotm", "an office file with macros"),
    ("xlsm", "an office file with macros"),
    ("xltm", "an office file with macros"),
    ("xlam", "an office file with macros"),
    ("pptm", "an office file with macros"),
    ("potm", "an office file with macros"),
    ("ppam", "an office file with macros"),
];

/// First bytes that tell the same whatever the file is called.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"\x7fELF", "elf", "a program for Linux"),
    (b"\xfe\xed\xfa\xce", "macho", "a program for macOS"),
    (b"\xfe\xed\xfa\xcf", "macho", "a program for macOS"),
    (b"\xce\xfa\xed\xfe", "macho", "a program for macOS"),
    (b"\xcf\xfa\xed\xfe", "macho", "a program for macOS"),
    (b"PK\x03\x04", "zip", "a zip archive"),
    (b"PK\x05\x06", "zip", "a zip archive"),
    (b"\x1f\x8b", "gz", "a gzip archive"),
    (b"BZh", "bz2", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "xz", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "zst", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive"),
    (b"Rar!\x1a\x07", "rar", "a rar archive"),
    (b"!<arch>\n", "ar", "an archive of ar"),
];

/// Zip files that are documents. With macros in them they are refused all the same.
const DOCUMENTS: &[&str] =
    &["docx", "xlsx", "pptx", "dotx", "xltx", "potx", "odt", "ods", "odp", "odg", "epub", "drawio", "sketch"];

pub(super) fn check(seen: &Seen<'_>, findings: &mut Findings<'_>) {
    let allowed = &seen.policy.allow.file_types;
    for file in seen.tree.files().iter().filter(|file| matches!(file.mode, Mode::File | Mode::Executable)) {
        let path = Shown(&file.path).to_string();
        if file
            .content
            .as_deref()
            .is_some_and(|content| content.starts_with(b"version https://git-lfs.github.com/spec/"))
        {
            let message = "a pointer of Git LFS: what people install is the pointer, not the file";
            findings.add(
                &LFS,
                &path,
                None,
                message,
                format!("git lfs untrack '{path}' && git add --renormalize '{path}'"),
            );
            continue;
        }
        if let Some((kind, words)) = opaque(file, &path)
            && !allowed.iter().any(|allowed| allowed == kind)
        {
            let message = format!("{words}: nobody can review what is in it");
            let fix = format!(
                "commit its contents instead, or have an admin allow \"{kind}\" in policy.toml under [allow] file_types"
            );
            findings.add(&ARCHIVE, &path, None, message, fix);
        }
    }
}

/// The type of an opaque file and its words.
fn opaque(file: &TreeFile, path: &str) -> Option<(&'static str, &'static str)> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let content = file.content.as_deref().unwrap_or_default();
    let binary = content.is_empty() || content.contains(&0) || std::str::from_utf8(content).is_err();
    if let Some((kind, words)) = TYPES.iter().find(|(kind, _)| *kind == extension)
        && (binary || matches!(extension, "mcpb" | "dxt"))
    {
        return Some((kind, words));
    }
    if let Some((_, kind, words)) = MAGIC.iter().find(|(magic, _, _)| content.starts_with(magic))
        && binary
    {
        if *kind == "zip" && DOCUMENTS.contains(&extension) {
            let macros = content.windows(14).any(|window| window == b"vbaProject.bin");
            return macros.then_some(("macros", "an office file with macros"));
        }
        return Some((kind, words));
    }
    // `MZ` alone begins ordinary words too; the header's place is fixed.
    let header = content.get(0x3c..0x40).map(|at| u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize);
    let portable =
        content.starts_with(b"MZ") && header.and_then(|at| content.get(at..at.checked_add(4)?)) == Some(b"PE\0\0");
    if portable {
        return Some(("exe", "a program for Windows"));
    }
    // Java classes and universal programs of macOS share their first bytes.
    (content.starts_with(b"\xca\xfe\xba\xbe") && binary).then_some(("class", "a compiled program"))
}

#[cfg(test)]
mod tests {
    use crate::gate::samples::{file, rules_of_tree};
    use crate::gate::{Policy, judge_format};
    use crate::tree::{Mode, Tree};

    fn tree(path: &str, content: &[u8]) -> Tree {
        Tree::new(vec![file(path, Mode::File, content)])
    }

    #[test]
    fn opaque_files_are_refused_by_name_and_by_content() {
        for (path, content) in [
            ("a.zip", &b"PK\x03\x04\0"[..]),
            ("data.bin", b"PK\x03\x04\0"),
            ("x", b"\x7fELF\x02\x01\0"),
            ("a.tar.gz", b"\x1f\x8b\x08\0"),
            ("a.jar", b"PK\x03\x04\0"),
            ("a.xlsm", b"PK\x03\x04\0"),
            ("a.docx", b"PK\x03\x04\0 word/vbaProject.bin"),
            ("a.mcpb", b"text"),
            ("A.class", b"\xca\xfe\xba\xbe\0"),
            ("tool.exe", b"MZ\0\xff"),
        ] {
            assert_eq!(rules_of_tree(&tree(path, content)), ["archive-file"], "{path}");
        }
        for (path, content) in [
            ("a.docx", &b"PK\x03\x04\0"[..]),
            ("pic.png", b"\x89PNG\r\n\0"),
            ("notes.com", b"plain text"),
            ("MZ.md", b"MZ is two letters"),
            ("BZh.md", b"BZh text"),
            ("lib.so", b"a text file\n"),
        ] {
            assert_eq!(rules_of_tree(&tree(path, content)), [""; 0], "{path}");
        }
        assert_eq!(
            rules_of_tree(&tree("a.bin", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")),
            ["lfs-pointer"]
        );
    }

    #[test]
    fn a_policy_may_allow_a_type() {
        let policy = Policy::parse("[allow]\nfile_types = [\"zip\"]\n").expect("a policy");
        assert!(judge_format(&tree("a.zip", b"PK\x03\x04\0"), &policy).findings.is_empty());
        assert!(!judge_format(&tree("a", b"\x7fELF\0"), &policy).findings.is_empty());
    }
}
