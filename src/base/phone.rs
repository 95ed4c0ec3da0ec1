//! Telephone numbers as they are stored: E.164, such as `+919876543210`.

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

/// Reads a number as typed; without a country code it is taken as Indian. The first one waits some 50 ms for the numbering plans of all countries.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse(text: &str) -> Result<String, String> {
    let wrong = || "This is not a telephone number; write it as +91 98765 43210.".to_owned();
    if text.len() > 40 || text.chars().any(char::is_control) {
        return Err(wrong());
    }
    let number = PHONE_NUMBER_UTIL.parse(text.trim(), Some(Region::IN)).map_err(|_| wrong())?;
    if !number.is_valid() || number.extension.is_some() {
        return Err(wrong());
    }
    Ok(number.to_string())
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
            ("+39 06 698 12345", "+390669812345"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(stored), "{typed}");
        }
        for bad in ["", "12345", "+91 12345", "abc", "+999 1234567", "98765 43210\0", "98765 43210 ext. 5"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
