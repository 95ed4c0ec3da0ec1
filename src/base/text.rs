//! Free text that people type: trimmed, bounded, without the characters that PostgreSQL cannot keep.

/// A single line of 1 to `limit` characters.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn line(text: &str, limit: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("This must not be empty.".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("This must be one line without control characters.".to_owned());
    }
    bounded(text, limit)
}

/// Text of several lines, 1 to `limit` characters.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn block(text: &str, limit: usize) -> Result<String, String> {
    let text = text.trim_end();
    if text.is_empty() {
        return Err("This must not be empty.".to_owned());
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("This must not hold control characters.".to_owned());
    }
    bounded(text, limit)
}

/// Tags: at most 20 different ones of 1 to 40 characters, in lower case, in the order given.
///
/// # Errors
/// A sentence for the person who typed them.
pub fn tags(tags: &[String]) -> Result<Vec<String>, String> {
    if tags.len() > 20 {
        return Err("At most 20 tags can be kept.".to_owned());
    }
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        let tag = line(tag, 40)?.to_lowercase();
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    Ok(kept)
}

/// Free words as a text query of PostgreSQL in which each word may be the beginning of a longer one; `None` when there is no word at all.
///
/// Only letters and digits are let through, so that nothing of the query's own syntax can be typed.
///
/// # Errors
/// `VALIDATION_ERROR` beyond 200 characters or 10 words.
pub fn search_words(text: &str) -> crate::base::Result<Option<String>> {
    let wrong = |message: &str| crate::base::page::argument("search", message);
    if text.chars().count() > 200 {
        return Err(wrong("`search` takes at most 200 characters."));
    }
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && !is_mark(c))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| format!("'{}':*", word.to_lowercase()))
        .collect();
    if words.len() > 10 {
        return Err(wrong("`search` takes at most 10 words."));
    }
    Ok(if words.is_empty() { None } else { Some(words.join(" & ")) })
}

/// Vowel signs and viramas of Indian scripts, which are part of words without being letters.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0900}'..='\u{0DFF}' | '\u{200C}' | '\u{200D}')
}

fn bounded(text: &str, limit: usize) -> Result<String, String> {
    if text.chars().count() > limit {
        return Err(format!("This is longer than {limit} characters."));
    }
    Ok(text.to_owned())
}

/// The name of a field of the schema, as columns and methods are named: `createdAt` is `created_at`.
#[must_use]
pub fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_blocks_are_bounded_and_clean() {
        assert_eq!(line("  Asha ", 10).as_deref(), Ok("Asha"));
        assert!(line(" ", 10).is_err());
        assert!(line("a\0b", 10).is_err());
        assert!(line("a\nb", 10).is_err());
        assert!(line("अनुपमा", 3).is_err());
        assert_eq!(block("a\nb\n", 10).as_deref(), Ok("a\nb"));
        assert!(block("a\0", 10).is_err());
    }

    #[test]
    fn search_lets_nothing_but_words_through() {
        assert_eq!(search_words("Asha  Rao").unwrap().as_deref(), Some("'asha':* & 'rao':*"));
        assert_eq!(search_words("a'b | !c:*\0\\").unwrap().as_deref(), Some("'a':* & 'b':* & 'c':*"));
        assert_eq!(search_words("अनुपमा").unwrap().as_deref(), Some("'अनुपमा':*"));
        assert_eq!(search_words(" ,;' ").unwrap(), None);
        assert!(search_words(&"a ".repeat(11)).is_err());
        assert!(search_words(&"a".repeat(201)).is_err());
    }

    #[test]
    fn tags_are_lowered_and_unique() {
        assert_eq!(tags(&["VIP".into(), " vip ".into(), "gst".into()]), Ok(vec!["vip".to_owned(), "gst".to_owned()]));
        assert!(tags(&vec!["a".to_owned(); 21]).is_err());
    }
}
