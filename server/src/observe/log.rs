//! The log: on stderr, as lines for people or as one JSON object a line.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("[log] level = \"{level}\" is not understood; write info, or info,skill_pool_server::web=debug")]
    Level {
        /// The filter.
        level: String,
        /// The cause.
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Reads a filter such as `info` or `info,skill_pool_server::web=debug`.
///
/// # Errors
/// [`LogError::Level`].
pub fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|source| LogError::Level { level: level.to_owned(), source })
}

/// Starts the log of this process. A second call changes nothing.
///
/// # Errors
/// [`LogError::Level`].
pub fn start(form: Form, level: &str) -> Result<(), LogError> {
    use std::io::IsTerminal;
    let filter = filter(level)?;
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let registry = tracing_subscriber::registry().with(filter);
    // A log that cannot be written, as on a full disk or a closed pipe, must stop nothing.
    let _ = match form {
        Form::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(colour)
                    .log_internal_errors(false),
            )
            .try_init(),
        Form::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr)
                    .log_internal_errors(false),
            )
            .try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn filters_are_read_or_refused_in_words() {
        assert!(super::filter("info,skill_pool_server::web=debug").is_ok());
        let error = super::filter("loud=please").expect_err("no level").to_string();
        assert!(error.starts_with("[log] level = \"loud=please\" is not understood"), "{error}");
    }
}
