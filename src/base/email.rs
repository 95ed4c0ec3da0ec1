//! E-mail addresses as they are stored: checked (RFC 5321, 5322) and in lower case, so that one person is one row.

use std::str::FromStr;

use email_address::EmailAddress;

/// Reads an address as typed.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    match EmailAddress::from_str(text) {
        Ok(address) if plain && text.len() <= 254 && address.domain().contains('.') => Ok(text.to_lowercase()),
        _ => Err("This is not an e-mail address; it should look like asha@example.in.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn addresses_are_checked_and_lowered() {
        assert_eq!(parse(" Asha.Rao@Example.IN ").as_deref(), Ok("asha.rao@example.in"));
        for bad in ["", "asha", "asha@", "@example.in", "asha@localhost", "a b@example.in", "Asha <asha@example.in>", "asha@example.in\0"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
