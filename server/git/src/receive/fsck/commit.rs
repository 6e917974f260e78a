//! Commits: headers in git's order, sound identities and dates, no NUL.

use gix_hash::ObjectId;

use super::header::{Header, REWRITE, check_identity};
use super::{Fault, parse_id};
use crate::receive::text::quote_bytes;

/// More parents than any merge has.
const PARENTS_MAX: usize = 64;

/// What a commit names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitLinks {
    /// Its tree.
    pub tree: ObjectId,
    /// Its parents, in order.
    pub parents: Vec<ObjectId>,
    /// The committer's date, in seconds since 1970; 0 when it cannot be read.
    pub seconds: u64,
}

/// Reads what a commit names. `None` for what is no commit.
pub fn commit_links(content: &[u8]) -> Option<CommitLinks> {
    let (mut header, _) = Header::split(content, REWRITE).ok()?;
    let tree = parse_id(header.take("tree")?)?;
    let mut parents = Vec::new();
    while let Some(line) = header.take("parent") {
        parents.push(parse_id(line)?);
    }
    while header.next_key() == b"author" {
        header.skip();
    }
    let committer = header.take("committer").unwrap_or_default();
    let mut words = committer.rsplit(|byte| *byte == b' ').skip(1);
    let seconds = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or(0);
    Some(CommitLinks { tree, parents, seconds })
}

/// Reports all that is wrong with a commit.
pub(super) fn check(content: &[u8], mut report: impl FnMut(Fault)) {
    let (header, message) = match Header::split(content, REWRITE) {
        Ok(parts) => parts,
        Err(fault) => return report(fault),
    };
    if let Err(fault) = check_header(header) {
        report(fault);
    }
    if message.contains(&0) {
        report(Fault::new("nul-in-commit", "there is a NUL in its message", REWRITE));
    }
}

fn check_header(mut header: Header<'_>) -> Result<(), Fault> {
    let fault = |code, message: String| Err(Fault::new(code, message, REWRITE));
    let Some(tree) = header.take("tree") else {
        return fault("missing-tree", "it does not begin with a `tree` line".into());
    };
    if parse_id(tree).is_none() {
        return fault("bad-tree-sha1", format!("its tree {} is not an id", quote_bytes(tree)));
    }
    let mut parents = 0;
    while let Some(parent) = header.take("parent") {
        parents += 1;
        if parse_id(parent).is_none() {
            return fault("bad-parent-sha1", format!("its parent {} is not an id", quote_bytes(parent)));
        }
    }
    if parents > PARENTS_MAX {
        return fault("too-many-parents", format!("it has {parents} parents; at most {PARENTS_MAX} are allowed"));
    }
    let Some(author) = header.take("author") else {
        return fault("missing-author", "there is no `author` line behind tree and parents".into());
    };
    check_identity("author", author, REWRITE)?;
    if header.next_key() == b"author" {
        return fault("multiple-authors", "it has two `author` lines".into());
    }
    let Some(committer) = header.take("committer") else {
        return fault("missing-committer", "there is no `committer` line behind the author".into());
    };
    check_identity("committer", committer, REWRITE)?;
    loop {
        let key = header.next_key();
        // Programs that read headers by name would find another value than those that read them by place.
        if matches!(key, b"tree" | b"parent" | b"author" | b"committer") {
            return fault("repeated-header", format!("it has a second {} line", quote_bytes(key)));
        }
        if !header.skip() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const WHO: &str = "author A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000001 -0130\n";

    fn codes(content: impl AsRef<[u8]>) -> Vec<&'static str> {
        let mut out = Vec::new();
        check(content.as_ref(), |fault| out.push(fault.code));
        out
    }

    fn author(line: &str) -> Vec<&'static str> {
        codes(format!("{TREE}author {line}\ncommitter A <a@example.com> 1700000000 +0000\n\nm\n"))
    }

    #[test]
    fn ordinary_and_odd_commits_pass() {
        let parent = "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
        for more in ["", "encoding ISO-8859-1\n", "gpgsig -----BEGIN\n line\n -----END\n", "x y\nfuture\n"] {
            assert_eq!(codes(format!("{TREE}{parent}{parent}{WHO}{more}\nmessage")), [""; 0]);
        }
        assert_eq!(codes(format!("{TREE}{WHO}\n")), [""; 0]);
        assert_eq!(codes([format!("{TREE}{WHO}\n").as_bytes(), b"\xff"].concat()), [""; 0]);
        for line in ["A <> 0 +0000", " <a> 1 +9999", "A\u{fc} <a> 253402300799 -0000"] {
            assert_eq!(author(line), [""; 0], "{line}");
        }
        let links = commit_links(format!("{TREE}{parent}{WHO}\nm").as_bytes()).expect("a commit");
        assert_eq!((links.parents.len(), links.seconds), (1, 1_700_000_001));
    }

    #[test]
    fn each_broken_commit_is_named_as_git_does() {
        let rest = format!("{WHO}\nm");
        assert_eq!(codes(""), ["unterminated-header"]);
        assert_eq!(codes("\n"), ["missing-tree"]);
        assert_eq!(codes(format!("{TREE}{WHO}m")), ["unterminated-header"]);
        assert_eq!(codes(format!("{TREE}{}", WHO.replace("author A", "author \0A")) + "\nm"), ["nul-in-header"]);
        assert_eq!(codes(format!("{TREE}{WHO}\nm\0")), ["nul-in-commit"]);
        assert_eq!(codes(&rest), ["missing-tree"]);
        assert_eq!(codes(format!("{TREE}{TREE}{rest}")), ["missing-author"]);
        assert_eq!(codes(format!("{}{rest}", TREE.replace("4b", "4B"))), ["bad-tree-sha1"]);
        assert_eq!(codes(format!("{}{rest}", TREE.replace("4b8", "4b"))), ["bad-tree-sha1"]);
        assert_eq!(codes(format!("tree {}\n{rest}", "0".repeat(40))), ["bad-tree-sha1"]);
        assert_eq!(codes(format!("{TREE}{rest}").replace('\n', "\r\n")), ["unterminated-header"]);
        assert_eq!(codes(format!("{TREE}parent x\n{rest}")), ["bad-parent-sha1"]);
        assert_eq!(codes(format!("{TREE}parent {}\n{rest}", "0".repeat(40))), ["bad-parent-sha1"]);
        let many = "parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n".repeat(65);
        assert_eq!(codes(format!("{TREE}{many}{rest}")), ["too-many-parents"]);
        assert_eq!(codes(format!("{TREE}committer A <a> 1 +0000\n\n")), ["missing-author"]);
        assert_eq!(codes(format!("{TREE}author A <a> 1 +0000\n\n")), ["missing-committer"]);
        assert_eq!(codes(format!("{TREE}author A <a> 1 +0000\n{rest}")), ["multiple-authors"]);
        assert_eq!(codes(format!("{TREE}{WHO}{TREE}\nm")), ["repeated-header"]);
        assert_eq!(codes(format!("{TREE}{WHO}parent x\n\nm")), ["repeated-header"]);
    }

    #[test]
    fn each_broken_identity_is_named_as_git_does() {
        for (line, code) in [
            ("<a@b> 1 +0000", "missing-name-before-email"),
            ("A 1 +0000", "missing-email"),
            ("A a@b> 1 +0000", "bad-name"),
            ("A>B <a@b> 1 +0000", "bad-name"),
            ("A\u{1b}[31m <a@b> 1 +0000", "bad-name"),
            ("A<a@b> 1 +0000", "missing-space-before-email"),
            ("A <<a@b> 1 +0000", "bad-email"),
            ("A <a@b 1 +0000", "bad-email"),
            ("A <a@b>1 +0000", "missing-space-before-date"),
            ("A <a@b>", "missing-space-before-date"),
            ("A <a@b> ", "bad-date"),
            ("A <a@b> -1 +0000", "bad-date"),
            ("A <a@b> now +0000", "bad-date"),
            ("A <a@b> 1.5 +0000", "bad-date"),
            ("A <a@b> 0x1 +0000", "bad-date"),
            ("A <a@b> 01 +0000", "zero-padded-date"),
            ("A <a@b> 99999999999999999999 +0000", "bad-date-overflow"),
            ("A <a@b> 253402300800 +0000", "bad-date-overflow"),
            ("A <a@b> 1", "bad-date"),
            ("A <a@b> 1 CET", "bad-timezone"),
            ("A <a@b> 1 0000", "bad-timezone"),
            ("A <a@b> 1 +1", "bad-timezone"),
            ("A <a@b> 1 +000000", "bad-timezone"),
            ("A <a@b> 1 +0000 ", "bad-timezone"),
        ] {
            assert_eq!(author(line), [code], "{line}");
        }
        assert_eq!(author(&format!("{} <a> 1 +0000", "x".repeat(5000))), ["bad-name"]);
    }
}
