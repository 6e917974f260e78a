//! The server's binary: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;
use skill_pool_domain::refusal::Refusal;
use skill_pool_server::admin::Verb;
use skill_pool_server::admin::args::{Cli, Command, ConfigArgs, ConfigVerb, DemoArgs, PlaceArgs};
use skill_pool_server::admin::outcome::{DONE, Outcome, REFUSED, UNREACHABLE, USAGE};
use skill_pool_server::admin::socket::{Asked, ask};
use skill_pool_server::admin::verbs::TenantVerb;
use skill_pool_server::app::lock::LockError;
use skill_pool_server::app::{App, StartError, StopSignals, raise_file_limit};
use skill_pool_server::config::{Config, ConfigErrors, LogFormat, Sources};
use skill_pool_server::demo::{self, Demo};
use skill_pool_server::observe::log;
use skill_pool_server::store::DataFolder;
use tokio::task::block_in_place;

/// Threads for work that blocks: disk, packs, judging pushes. More would only compete for the same disk and processors.
const BLOCKING_THREADS_MAX: usize = 64;

fn main() -> ExitCode {
    // Whoever comes second finds it set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    raise_file_limit();
    ExitCode::from(match Cli::parse().command {
        Command::Serve(arguments) => serve(&arguments.sources()),
        Command::Demo(arguments) => run_demo(&arguments),
        Command::Config(ConfigArgs { verb: ConfigVerb::Check(place) }) => check(&place),
        Command::Config(ConfigArgs { verb: ConfigVerb::Print(place) }) => print(&place),
        Command::Tenant(arguments) => verb(&arguments.place, &Verb::Tenant(arguments.verb)),
        Command::Member(arguments) => verb(&arguments.place, &Verb::Member(arguments.verb)),
        Command::Token(arguments) => verb(&arguments.place, &Verb::Token(arguments.verb)),
        Command::Yank(arguments) => verb(&arguments.place, &Verb::Yank(arguments.verb)),
    })
}

/// Reads the configuration and starts the log; the exit code when that fails.
fn configure(sources: &Sources) -> Result<Config, u8> {
    let config = Config::load(sources).map_err(|errors| wrong_configuration(&errors))?;
    let form = match config.log.format {
        LogFormat::Text => log::Form::Text,
        LogFormat::Json => log::Form::Json,
    };
    log::start(form, &config.log.level).map_err(|error| complain(USAGE, &error.to_string()))?;
    Ok(config)
}

fn serve(sources: &Sources) -> u8 {
    let config = match configure(sources) {
        Ok(config) => config,
        Err(code) => return code,
    };
    in_runtime(async {
        // From here on a signal waits for the server to be up instead of ending it half-way.
        let mut signals = stop_signals()?;
        let mut app = block_in_place(|| App::open(config, "serve"))?;
        let listener = app.bind()?;
        app.serve(listener, async move { signals.next().await }, || {}).await
    })
}

fn run_demo(arguments: &DemoArgs) -> u8 {
    let config = match configure(&arguments.sources(demo::defaults())) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let json = arguments.json;
    let public = arguments.public;
    in_runtime(async move {
        let mut signals = stop_signals()?;
        let mut app = block_in_place(|| App::open(config, "demo"))?;
        let listener = app.bind()?;
        let demo = block_in_place(|| Demo::prepare(&app, public))?;
        let show = move || demo.show(json);
        app.serve(listener, async move { signals.next().await }, show).await
    })
}

fn stop_signals() -> Result<StopSignals, StartError> {
    StopSignals::take().map_err(|source| StartError::System { what: "take over SIGTERM and Ctrl-C", source })
}

fn in_runtime(work: impl Future<Output = Result<(), StartError>>) -> u8 {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(source) => Err(StartError::System { what: "start threads", source }),
    };
    match done {
        Ok(()) => DONE,
        Err(error) => complain(if error.may_pass() { UNREACHABLE } else { REFUSED }, &error.chain()),
    }
}

fn check(place: &PlaceArgs) -> u8 {
    match Config::load(&place.sources()).map(|config| log::filter(&config.log.level).map(|_| config)) {
        Ok(Ok(config)) => {
            let json = serde_json::json!({ "sound": true, "problems": [] });
            let text = format!(
                "The configuration is sound: {} with data in {}.\n",
                config.origin(),
                config.server.data.display()
            );
            Outcome::done(json, text).print(place.form())
        }
        Ok(Err(error)) => unsound(place, &[error.to_string()]),
        Err(ConfigErrors(problems)) => unsound(place, &problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
    }
}

fn unsound(place: &PlaceArgs, problems: &[String]) -> u8 {
    let words = problems.iter().map(|problem| format!("error: {problem}\n")).collect();
    let json = serde_json::json!({ "sound": false, "problems": problems });
    Outcome { exit_code: USAGE, json, text: String::new(), words }.print(place.form())
}

fn print(place: &PlaceArgs) -> u8 {
    match Config::load(&place.sources()) {
        Ok(config) => Outcome::done(config.json(), config.print()).print(place.form()),
        Err(errors) => wrong_configuration(&errors),
    }
}

/// Carries a verb out: through the running server, else alone.
fn verb(place: &PlaceArgs, verb: &Verb) -> u8 {
    // Verbs say what they have to say themselves; the log is for what nobody foresaw.
    let mut defaults = place.sources();
    defaults.defaults.log.level = "warn".to_owned();
    let config = match configure(&defaults) {
        Ok(config) => config,
        Err(code) => return code,
    };
    carry_out(config, verb).print(place.form())
}

fn carry_out(config: Config, verb: &Verb) -> Outcome {
    let data = DataFolder::new(&config.server.data);
    if let Asked::Answered(outcome) = ask(&data.admin(), verb) {
        return outcome;
    }
    let makes = matches!(verb, Verb::Tenant(TenantVerb::Create { .. }));
    if !makes && !data.database().exists() {
        let shown = data.root().display();
        let remedy = "name the folder with --data DIR, or make the first tenant: skill-pool-server tenant create";
        return Outcome::refused(&Refusal::new("no-data", format!("{shown} holds no data of a registry"), remedy));
    }
    match App::open(config, "a verb") {
        Ok(app) => app.run(verb),
        Err(StartError::Folder(LockError::Taken { folder, owner })) => {
            let message = format!(
                "the data folder {} belongs to {owner}, and its admin socket does not answer",
                folder.display()
            );
            let remedy = "try again in a moment, or stop that process first";
            Outcome::failed(UNREACHABLE, &Refusal::new("unreachable", message, remedy))
        }
        Err(error) => {
            let remedy = "see the message above; nothing was changed";
            Outcome::refused(&Refusal::new("not-opened", error.chain(), remedy))
        }
    }
}

fn wrong_configuration(errors: &ConfigErrors) -> u8 {
    for problem in &errors.0 {
        complain(USAGE, &problem.to_string());
    }
    USAGE
}

/// Says on stderr what went wrong.
fn complain(code: u8, words: &str) -> u8 {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "error: {words}");
    code
}
