//! The `lanboot` program.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use lanboot::commands::{doctor, export, inspect, machine};
use lanboot::config::args::Command;
use lanboot::config::{self, Refusal};
use lanboot::get;
use lanboot::server;
use lanboot_core::text;

/// Seconds that what unwinds after a panic may take.
const PATIENCE: u32 = 5;

fn main() -> ExitCode {
    end_after_panic();
    let done = match config::read(std::env::args_os()) {
        Ok(command) => run(command),
        Err(Refusal::Usage(error)) => refuse(&error),
        Err(Refusal::Config(error)) => Err(error),
    };
    done.unwrap_or_else(|error| {
        eprintln!("lanboot: {}", text::lines(&format!("{error:#}")));
        ExitCode::FAILURE
    })
}

/// Ends the program soon after a panic of the main thread: what unwinds may wait for threads that
/// never end, and a supervisor would wait with it.
fn end_after_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if std::thread::current().name() == Some("main") {
            nix::unistd::alarm::set(PATIENCE);
        }
    }));
}

/// Ends the program over what was typed, or with the help that was asked for.
fn refuse(error: &clap::Error) -> ! {
    let plain = error.render().to_string();
    let shown = text::lines(&plain);
    if shown == plain {
        // In colour where that can be shown.
        error.exit();
    }
    eprint!("{shown}");
    std::process::exit(error.exit_code())
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(settings) => server::run(&settings)?,
        Command::Inspect(flags) => print(&inspect::run(&flags)?)?,
        Command::Export(flags) => print(&export::run(*flags)?)?,
        Command::Machine(flags) => print(&machine::run(&flags)?)?,
        Command::Get(flags) => return get::run(&flags),
        Command::Doctor(flags) => {
            let found = doctor::run(&flags)?;
            return print(&found.text).map(|()| u8::from(!found.usable).into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints to the standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            anyhow::bail!("standard output: {error}")
        }
        _ => Ok(()),
    }
}
