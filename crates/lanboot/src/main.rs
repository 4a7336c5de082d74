//! The `lanboot` program.

use std::process::ExitCode;

use lanboot::cli::{Cli, Command};
use lanboot::settings::Settings;
use lanboot::{doctor, export, inspect, serve};

fn main() -> ExitCode {
    let cli = Cli::of(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Serve(flags) => Settings::new(*flags).and_then(|settings| serve::run(&settings)),
        Command::Inspect(flags) => inspect::run(&flags).map(|text| print!("{text}")),
        Command::Export(flags) => export::run(*flags).map(|text| print!("{text}")),
        Command::Doctor(flags) => match doctor::run(&flags) {
            Ok(found) => {
                print!("{}", found.text);
                return ExitCode::from(u8::from(!found.usable));
            }
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lanboot: {error:#}");
            ExitCode::FAILURE
        }
    }
}
