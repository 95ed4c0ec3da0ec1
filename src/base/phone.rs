//! Telephone numbers as they are stored: E.164, such as `+919876543210`.

use phonenumber::country;

/// Reads a number as typed; without a country code it is taken as Indian.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse(text: &str) -> Result<String, String> {
    let wrong = || "This is not a telephone number; write it as +91 98765 43210.".to_owned();
    if text.len() > 40 || text.chars().any(char::is_control) {
        return Err(wrong());
    }
    let number = phonenumber::parse(Some(country::IN), text.trim()).map_err(|_| wrong())?;
    if !number.is_valid() || number.extension().is_some() {
        return Err(wrong());
    }
    // As the library's formatter has it, which looks for the format of the country first.
    Ok(format!("+{}{}", number.code().value(), number.national()))
}

/// Reads the numbering plans of all countries, which otherwise the first number waits for.
pub fn prepare() {
    let _ = parse("+91 98765 43210");
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_become_e164() {
        for (typed, stored) in [
            ("98765 43210", "+919876543210"),
            ("+91-98765-43210", "+919876543210"),
            ("09876543210", "+919876543210"),
            ("+44 20 7946 0958", "+442079460958"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(stored), "{typed}");
        }
        for bad in ["", "12345", "+91 12345", "abc", "+999 1234567", "98765 43210\0"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
