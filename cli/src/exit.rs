//! Exit codes: the answer, so that scripts need no prose.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0: yes, done.
    Yes,
    /// 1: no: refused, not found, not valid.
    No,
    /// 2: the line was wrong.
    Usage,
    /// 3: not reachable; trying again may help.
    Unreachable,
    /// 4: not allowed.
    NotAllowed,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotAllowed => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
