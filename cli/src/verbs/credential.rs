//! `credential`: git's helper protocol. Answers `get` for kept addresses, and nothing else.

use std::io::Read;

use crate::args::CredentialArgs;
use crate::exit::Exit;
use crate::report::Failure;
use crate::store::Store;
use crate::ui::Ui;

/// Git's question is read up to this size, in bytes.
const QUESTION_BYTES_MAX: u64 = 64 << 10;

/// Runs the verb. Source: git-credential(1), "input/output format", and gitcredentials(7), "custom helpers".
///
/// # Errors
/// A question that is none. A token that is not there is no error: git asks others then.
pub fn run(arguments: &CredentialArgs, ui: &Ui) -> Result<Exit, Failure> {
    // `store` and `erase` are for helpers that learn; this one learns by `login`. Other words are of newer versions.
    if arguments.operation != "get" {
        return Ok(Exit::Yes);
    }
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(QUESTION_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| Failure::new(Exit::Usage, "could not read git's question").because(&error))?;
    let text = String::from_utf8_lossy(&text);
    let question = Question::parse(&text);
    let store = Store::of_person().map_err(|error| Failure::new(Exit::No, "no kept tokens").because(&error))?;
    let found = store
        .find(question.protocol, question.host, question.path)
        .map_err(|error| Failure::new(Exit::No, "could not read the kept tokens").because(&error))?;
    if let Some(login) = found {
        // A name that git already has must stay, else git takes the answer for another person's.
        let name = if question.username.is_empty() { login.member.as_str() } else { question.username };
        ui.data(&format!("username={name}\npassword={}\n", login.token));
    }
    Ok(Exit::Yes)
}

/// What git asks for.
#[derive(Default, PartialEq, Eq, Debug)]
struct Question<'a> {
    protocol: &'a str,
    host: &'a str,
    path: &'a str,
    username: &'a str,
}

impl<'a> Question<'a> {
    fn parse(text: &'a str) -> Self {
        let mut question = Self::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            match line.split_once('=') {
                Some(("protocol", value)) => question.protocol = value,
                Some(("host", value)) => question.host = value,
                Some(("path", value)) => question.path = value,
                Some(("username", value)) => question.username = value,
                _ => {}
            }
        }
        question
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_to_its_empty_line() {
        let text = "capability[]=authtype\nprotocol=https\nhost=x.example\npath=t/acme/git/a.git\n\nhost=other\n";
        let expected = Question { protocol: "https", host: "x.example", path: "t/acme/git/a.git", username: "" };
        assert_eq!(Question::parse(text), expected);
        assert_eq!(Question::parse(""), Question::default());
    }
}
