//! Programs of others that take part in building a release.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Where the first of these stands that is installed, links followed: some look for their libraries beside themselves.
pub fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let mut places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.find_map(|place| place.canonicalize().ok())
}

/// What a command says, which must succeed.
pub fn done(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().skip(said.lines().count().saturating_sub(20)).collect();
    ensure!(output.status.success(), "{} failed: {}", command.get_program().display(), last.join("\n"));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
