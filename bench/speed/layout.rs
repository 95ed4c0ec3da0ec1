//! Lays programs out for the paths through them that are taken often, by BOLT (<https://github.com/llvm/llvm-project/tree/main/bolt>): what runs one
//! after the other stands side by side, and what hardly ever runs stands apart.
//!
//! A request takes thousands of small steps through a program of 40 MB, each of them once, and waits for the caches more than it computes. Which steps
//! these are is found out by [`training`]: with copies of the programs that count. What must hold: the programs that come of it do what Cargo built and
//! nothing else, and are asked all of it once before they are given out; both sides of the benchmark are laid out alike.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::Programs;
use crate::tools::{done, find};
use crate::training::{self, Train};

/// How programs are laid out.
#[derive(clap::Args)]
pub struct LayOut {
    /// Where the programs are put.
    #[arg(long)]
    out: PathBuf,
    /// What is needed meanwhile.
    #[arg(long)]
    meanwhile: PathBuf,
    #[command(flatten)]
    train: Train,
}

/// What the tool is called; on Debian each version has a package and a name of its own. The first is the one that is installed where there is none.
const TOOLS: [&str; 4] = ["llvm-bolt-22", "llvm-bolt-21", "llvm-bolt-20", "llvm-bolt"];

const HOW: [&str; 5] = ["-reorder-blocks=ext-tsp", "-reorder-functions=cdsort", "-split-functions", "-split-all-cold", "-split-eh"];

/// Functions that were written in assembler for the processor at hand, and say of themselves what BOLT takes amiss.
const LEFT_ALONE: &str = "-skip-funcs=ring_core_.*,aws_lc_.*";

/// Lays out the server and the handler by hand, unless that was done since they were built.
pub async fn lay_out(options: LayOut) -> Result<()> {
    let (built, laid_out) = (Programs::built()?, Programs::within(&options.out));
    if built.are_older_than(&[&laid_out.product, &laid_out.plain]) {
        println!("{} is laid out already.", laid_out.product.display());
        return Ok(());
    }
    let tool = find(&TOOLS).context("BOLT is missing: install it (on Debian: `apt-get install bolt-22`), then try again")?;
    let folder = &options.meanwhile;
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)?;
    std::fs::create_dir_all(&options.out)?;
    let counting = Programs::within(folder);
    for (program, counting) in built.pairs(&counting) {
        println!("Having {} count", program.display());
        with_short_names(program, &short(counting))?;
        let counts = std::path::absolute(counting)?;
        let how = ["-instrument", "--instrumentation-file-append-pid", &format!("--instrumentation-file={}", counts.display())];
        bolt(&tool, &short(counting), counting, &how)?;
    }
    training::train(&options.train, counting.clone()).await?;
    for (counting, laid_out) in counting.pairs(&laid_out) {
        println!("Laying out {} with {}", laid_out.display(), tool.display());
        let counts = format!("-data={}", counts(counting)?.display());
        let parts = counting.with_extension("parts");
        bolt(&tool, &short(counting), &parts, &[&[counts.as_str()], HOW.as_slice()].concat())?;
        // Written from end to end, as wherever it is installed: of a file that was written in parts Linux maps some MB more than is used.
        std::fs::copy(&parts, counting)?;
    }
    println!("Seeing that what was laid out answers");
    training::examine(counting.clone()).await?;
    for (counting, laid_out) in counting.pairs(&laid_out) {
        let fresh = laid_out.with_extension("new");
        std::fs::copy(counting, &fresh)?;
        std::fs::rename(&fresh, laid_out)?;
    }
    std::fs::remove_dir_all(folder)?;
    println!("{} is laid out for the paths that are taken often.", laid_out.product.display());
    Ok(())
}

fn bolt(tool: &Path, program: &Path, out: &Path, how: &[&str]) -> Result<()> {
    done(Command::new(tool).arg(program).arg("-o").arg(out).arg(LEFT_ALONE).args(how))?;
    Ok(())
}

/// What is counted is written by the names of two functions in a line, for which BOLT has room of 10 KB; those of Diesel's types have up to 8.
const LONGEST_NAME: usize = 1_000;

/// Copies a program, and shortens the names in it that are too long.
fn with_short_names(program: &Path, out: &Path) -> Result<()> {
    let names = done(Command::new("nm").arg(program))?;
    let long = names.lines().filter_map(|line| line.rsplit(' ').next()).filter(|name| name.len() > LONGEST_NAME);
    let long: BTreeSet<&str> = long.collect();
    let shortened = long.iter().enumerate().map(|(number, name)| format!("{name} {}_{number}\n", name.get(..100).unwrap_or("long")));
    let list = out.with_extension("names");
    std::fs::write(&list, shortened.collect::<String>())?;
    done(Command::new("objcopy").arg("--redefine-syms").arg(&list).arg(program).arg(out))?;
    Ok(())
}

/// Where the copy with short names stands.
fn short(counting: &Path) -> PathBuf {
    counting.with_extension("short")
}

/// What a program wrote down when it ended: beside it, by its process.
fn counts(program: &Path) -> Result<PathBuf> {
    let name = program.file_name().and_then(|name| name.to_str()).context("no name")?;
    let folder = std::fs::read_dir(program.parent().context("no folder")?)?;
    let mut found = folder.flatten().map(|entry| entry.path()).filter(|path| {
        let is_its =
            path.file_name().and_then(|file| file.to_str()).is_some_and(|file| file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
        is_its && path.extension().is_some_and(|extension| extension == "fdata")
    });
    match (found.next(), found.next()) {
        (Some(counts), None) => Ok(counts),
        (None, _) => bail!("{} has counted nothing", program.display()),
        (Some(_), Some(_)) => bail!("{} has counted more than once", program.display()),
    }
}
