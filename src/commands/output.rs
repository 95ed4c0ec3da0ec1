//! What commands tell the person at the terminal: on standard output, and quietly nowhere when that is closed.

use std::io::Write;

/// Writes one line.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes one line about an error or the progress of the work, which is not the command's result.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
