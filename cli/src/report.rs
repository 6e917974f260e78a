//! Failures as words: what failed, why, and what to do. Every error of the verbs ends here.

use serde_json::json;
use skill_pool_domain::gate::render::visible;

use crate::exit::Exit;
use crate::ui::{Tone, Ui, toned};

/// A verb that could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// The answer to the shell.
    pub exit: Exit,
    /// What failed, one sentence without a full stop.
    pub message: String,
    /// Why, outermost cause first.
    pub causes: Vec<String>,
    /// A command or sentence that mends it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a cause beneath it.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// The same with the chain of `error` as its cause.
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self.causes.dedup();
        self
    }

    /// The same with what to do about it.
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it: as words on stderr, and with `json` also as one object on stdout.
    pub fn print(&self, ui: &Ui, json: bool) {
        if json {
            let object = json!({"error": {"message": self.message, "causes": self.causes, "hint": self.hint, "exit": self.exit.code()}});
            ui.data(&format!("{object}\n"));
        }
        ui.say(&format!("{}: {}", toned("error", Tone::Bad), visible(&self.message)));
        for cause in &self.causes {
            ui.say(&format!("  caused by: {}", visible(cause)));
        }
        if let Some(hint) = &self.hint {
            ui.say(&format!("{}: {}", toned("hint", Tone::Warning), visible(hint)));
        }
    }
}
