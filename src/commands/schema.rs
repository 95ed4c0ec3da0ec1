//! `payaid schema`: the GraphQL schema as text, and whether the committed `schema.graphql` still says the same.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;

use crate::features;

/// Prints the schema.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Instead of printing, fail when `schema.graphql` is not what this binary serves.
    #[arg(long)]
    pub check: bool,
}

/// Prints or checks the schema.
///
/// # Errors
/// When the file has drifted or cannot be read.
pub fn run(args: &SchemaArgs) -> anyhow::Result<()> {
    let sdl = text()?;
    if !args.check {
        return Ok(std::io::stdout().lock().write_all(sdl.as_bytes())?);
    }
    let path = Path::new("schema.graphql");
    let committed =
        std::fs::read_to_string(path).context("schema.graphql cannot be read: run this in the project's folder, or write it by `make schema`")?;
    if committed != sdl {
        bail!("schema.graphql is not the schema that this binary serves: write it anew by `make schema` and look at the difference");
    }
    Ok(())
}

/// The schema's text, the same for the same sources.
///
/// # Errors
/// As [`features::build`].
pub fn text() -> anyhow::Result<String> {
    let mut sdl = features::build()?.schema().sdl();
    if !sdl.ends_with('\n') {
        sdl.push('\n');
    }
    Ok(sdl)
}
