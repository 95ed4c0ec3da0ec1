//! The program: hands the command line over and says in one sentence what went wrong.

use std::process::ExitCode;

use clap::Parser;
use payaid::commands::cli::{Cli, start};
use payaid::commands::output;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            output::note(format!("payaid: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
