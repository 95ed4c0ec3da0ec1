//! Finds out for the compiler which paths through the programs are taken how often
//! (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>): it then puts together what belongs together, and takes the usual for the usual.
//!
//! What must hold: the programs that are asked were built with `-Cprofile-generate`, and from the sources that are built with the profile afterwards.
//! What they are asked is [`training`]: the server none of what is measured, the handler by hand just that. The profile has the counts of both, because
//! both are built in one go; so what both use of libraries is built for both.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::Programs;
use crate::tools::{done, find};
use crate::training::{self, Train};

/// How it is found out.
#[derive(clap::Args)]
pub struct Profile {
    /// Where the programs write what they counted, each when it ends: the folder of `-Cprofile-generate`.
    #[arg(long)]
    counts: PathBuf,
    /// Where the profile is written.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    train: Train,
}

/// What the tool is called; on Debian each version has a package and a name of its own. It must not be older than the LLVM of the compiler.
const TOOLS: [&str; 2] = ["llvm-profdata-22", "llvm-profdata"];

/// Writes the profile of the programs that run this, unless that was done since they were built.
pub async fn profile(options: Profile) -> Result<()> {
    let built = Programs::built()?;
    if built.are_older_than(&[&options.out]) {
        println!("{} is there already.", options.out.display());
        return Ok(());
    }
    let tool = find(&TOOLS).context("llvm-profdata is missing: install it (on Debian: `apt-get install llvm-22`), then try again")?;
    let _ = std::fs::remove_dir_all(&options.counts);
    training::train(&options.train, built).await?;
    let counted = written(&options.counts)?;
    // The server and the handler by hand; this program has not ended yet.
    ensure!(counted.len() == 2, "two programs were to count, and {} have: were they built with -Cprofile-generate?", counted.len());
    let fresh = options.out.with_extension("new");
    done(Command::new(tool).arg("merge").arg("-o").arg(&fresh).args(&counted))?;
    std::fs::rename(&fresh, &options.out)?;
    println!("{} says what is done how often.", options.out.display());
    Ok(())
}

/// What is in the folder.
fn written(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("nothing was counted in {}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "profraw")).collect())
}
