//! The `lanboot` program.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use lanboot::cli::{Cli, Command};
use lanboot::settings::Settings;
use lanboot::{doctor, export, inspect, serve};

fn main() -> ExitCode {
    let cli = Cli::of(std::env::args_os()).unwrap_or_else(|error| error.exit());
    run(cli.command).unwrap_or_else(|error| {
        eprintln!("lanboot: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(flags) => serve::run(&Settings::new(*flags)?)?,
        Command::Inspect(flags) => print(&inspect::run(&flags)?)?,
        Command::Export(flags) => print(&export::run(*flags)?)?,
        Command::Doctor(flags) => {
            let found = doctor::run(&flags)?;
            return print(&found.text).map(|()| u8::from(!found.usable).into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// To the standard output; a reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            anyhow::bail!("standard output: {error}")
        }
        _ => Ok(()),
    }
}
