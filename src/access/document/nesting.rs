//! How deep the brackets of a text are nested, found out before it is parsed: the parser goes down into the values of arguments without a limit, one call
//! in another, and a short text of brackets would end the process.

use crate::base::{Code, Error, Result};

/// The deepest nesting of brackets, those of selections, arguments, lists and objects together.
const MAX_BRACKETS: usize = 100;

/// Refuses a text whose brackets are nested too deep. Those in strings and comments are none.
///
/// # Errors
/// `DOCUMENT_TOO_COMPLEX`.
pub fn check(text: &str) -> Result<()> {
    let (mut rest, mut depth) = (text, 0_usize);
    while let Some(at) = rest.find(['{', '}', '(', ')', '[', ']', '"', '#']) {
        let (_, from) = rest.split_at(at);
        let mut letters = from.chars();
        match letters.next() {
            Some('#') => rest = from.split_once(['\n', '\r']).map_or("", |(_, after)| after),
            Some('"') => rest = after_string(from),
            Some('{' | '(' | '[') => {
                depth += 1;
                rest = letters.as_str();
            }
            _ => {
                depth = depth.saturating_sub(1);
                rest = letters.as_str();
            }
        }
        if depth > MAX_BRACKETS {
            let message = format!("The document nests brackets more than {MAX_BRACKETS} deep. Send values as variables, and ask for less at once.");
            return Err(Error::new(Code::DocumentTooComplex, message));
        }
    }
    Ok(())
}

/// What follows the string that a text begins with; nothing when it does not end.
fn after_string(text: &str) -> &str {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut rest = block;
        while let Some((before, after)) = rest.split_once("\"\"\"") {
            if !before.ends_with('\\') {
                return after;
            }
            rest = after;
        }
        return "";
    }
    let mut letters = text.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return letters.as_str(),
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(text: &str) -> bool {
        check(text).is_err_and(|error| error.code == Code::DocumentTooComplex)
    }

    #[test]
    fn brackets_that_are_nested_too_deep_are_refused() {
        for (open, close) in [("[", "]"), ("{a:", "}"), ("(", ")"), ("{", "}")] {
            let nested = |depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
            assert!(!is_refused(&nested(MAX_BRACKETS)) && is_refused(&nested(MAX_BRACKETS + 1)), "{open}");
        }
        assert!(!is_refused(&"{ a { b } }".repeat(500)));
    }

    #[test]
    fn brackets_in_strings_and_comments_neither_nest_nor_end_a_nesting() {
        for harmless in ["\"[[\"", "\"\\\"[\"", "\"\"\"[ \\\"\"\" [\" [\"\"\"", "#[[\n", "\"\"", "\"\"\"\"\"\""] {
            assert!(!is_refused(&harmless.repeat(200)), "{harmless}");
        }
        for hidden in ["[\"]\"", "[#]\n", "[#]\r", "[\"\"\"]\"\"\"", "[\"\\\"]\"", "[\"\"\"\\\"\"\"]\"\"\"", "[\"\""] {
            assert!(is_refused(&hidden.repeat(200)), "{hidden}");
        }
    }
}
