//! The `corsac` command: it reads its arguments, wires the engine together, prints, and ends with a documented exit code.

mod args;
mod ask;
mod demo;
mod doctor;
mod engine;
mod exit;
mod explain;
mod foretold;
mod home;
mod interrupt;
mod job;
mod models;
mod notice;
mod program;
mod progress;
mod report;
mod runs;
mod screen;
mod shell;
mod sim;
mod sql;
mod trace;
mod usage;
mod work;

use clap::Parser;
use corsac_dispatch::telemetry::{Telemetry, TelemetrySettings};

use crate::args::{Arguments, Command};
use crate::exit::Exit;

/// A sixth of the processor time of a call went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // nothing is left to do when even this cannot be printed
            let _ = error.print();
            return exit.into();
        }
    };
    // thousands of requests under way are thousands of sockets; the default limit is often 1024
    let _ = rlimit::increase_nofile_limit(65_536);
    let runtime = match threads(&arguments.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen::error(&format!("cannot start: {error}"));
            return Exit::Failure.into();
        }
    };
    let result = runtime.block_on(async {
        let telemetry = telemetry()?;
        let result = run(arguments.command).await;
        if let Some(telemetry) = telemetry
            && let Err(lost) = telemetry.end().await
        {
            screen::error(&lost.to_string());
        }
        result
    });
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(stop) => {
            if !stop.message.is_empty() {
                screen::error(&stop.message);
            }
            stop.exit.into()
        }
    }
}

/// Programs wait for models and do little else: on one thread a call wakes no other, which is a fifth of its processor time. Queries and
/// servers have work for several.
fn threads(command: &Command) -> tokio::runtime::Builder {
    match command {
        Command::Ask(_) | Command::Eval(_) | Command::Tune(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

/// Spans are gathered if the environment names a collector.
fn telemetry() -> Result<Option<Telemetry>, exit::Stop> {
    let settings = TelemetrySettings::read(|name| std::env::var(name).ok());
    let started = settings.and_then(|settings| settings.map(Telemetry::start).transpose());
    started.map_err(|error| exit::Stop::new(Exit::Configuration, error.to_string()))
}

async fn run(command: Command) -> Result<Exit, exit::Stop> {
    match command {
        Command::Sql(arguments) => sql::run(arguments).await,
        Command::Ask(arguments)
            if arguments.program.program.is_some()
                || arguments.program.signature.is_some()
                || program::is_signature(&arguments.question) =>
        {
            program::ask(arguments).await
        }
        Command::Ask(arguments) => ask::run(arguments).await,
        Command::Eval(arguments) => program::eval(arguments).await,
        Command::Tune(arguments) => program::tune(arguments).await,
        Command::Doctor(arguments) => doctor::run(arguments).await,
        Command::Usage(arguments) => usage::run(&arguments),
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Runs(arguments) => runs::run(arguments.command).await,
        Command::Models(arguments) => models::run(arguments).await,
        Command::Sim(arguments) => sim::run(arguments).await,
    }
}
