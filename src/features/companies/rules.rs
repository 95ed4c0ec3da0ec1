//! What must hold of a company's values, without input or output.

use crate::base::{gstin, state};

/// The state of a company: that of its GSTIN, which a state that is given must agree with. A GSTIN of the Centre's jurisdiction (99) has no state.
///
/// # Errors
/// A sentence for the person who typed them.
pub fn settled_state(gstin: Option<&str>, given: Option<&str>) -> Result<Option<String>, String> {
    let registered = gstin.and_then(gstin::state_code).filter(|code| state::name(code).is_some());
    match (registered, given) {
        (Some(registered), Some(given)) if registered != given => {
            let name = state::name(registered).unwrap_or_default();
            Err(format!("The GSTIN is registered in {name} ({registered}), and this says {given}."))
        }
        _ => Ok(registered.or(given).map(str::to_owned)),
    }
}

/// Checks an address on the web: `http` or `https`, a host with a dot, no user name, at most 500 characters.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn website(text: &str) -> Result<String, String> {
    let wrong = || "A website begins with http:// or https://, such as https://example.in.".to_owned();
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let host_is_good = host.contains('.') && host.split('.').all(is_label);
    let port_is_good = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let text_is_good = text.chars().count() <= 500 && !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    if matches!(scheme.as_str(), "http" | "https") && host_is_good && port_is_good && text_is_good {
        return Ok(format!("{scheme}://{rest}"));
    }
    Err(wrong())
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(|c| c.is_alphanumeric() || c == '-' || !c.is_ascii())
}

/// Checks a six-digit postal index number of India, with or without a space in its middle.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn pin(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    if digits.len() == 6 && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(digits);
    }
    Err("A PIN code has six digits and does not begin with 0, such as 411001.".to_owned())
}

/// Checks a country's two letters.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn country(text: &str) -> Result<String, String> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code);
    }
    Err("A country is given by its two letters (ISO 3166-1), such as IN.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_that_of_the_gstin() {
        let maharashtra = Some("27AAPFU0939F1ZV");
        assert_eq!(settled_state(maharashtra, None), Ok(Some("27".to_owned())));
        assert_eq!(settled_state(maharashtra, Some("27")), Ok(Some("27".to_owned())));
        assert!(settled_state(maharashtra, Some("29")).unwrap_err().contains("Maharashtra (27)"));
        assert_eq!(settled_state(None, Some("29")), Ok(Some("29".to_owned())));
        assert_eq!(settled_state(None, None), Ok(None));
        assert_eq!(settled_state(Some("9917AAB12345OSB"), Some("29")), Ok(Some("29".to_owned())));
    }

    #[test]
    fn websites_have_a_scheme_and_a_host() {
        for (typed, stored) in [
            (" HTTPS://example.in ", "https://example.in"),
            ("http://shop.example.co.in:8080/a?b=c#d", "http://shop.example.co.in:8080/a?b=c#d"),
            ("https://उदाहरण.भारत/", "https://उदाहरण.भारत/"),
        ] {
            assert_eq!(website(typed).as_deref(), Ok(stored));
        }
        for bad in
            ["", "example.in", "javascript://example.in/%0aalert(1)", "https://", "https://localhost", "https://a b.in", "https://user@example.in", "https://example.in:0", "https://-a.in", "https://example.in/\0", "https://example.in/\"><script>"]
        {
            assert!(website(bad).is_err(), "{bad:?}");
        }
        assert!(website(&format!("https://example.in/{}", "a".repeat(500))).is_err());
    }

    #[test]
    fn pins_and_countries_have_their_form() {
        assert_eq!(pin("411 001").as_deref(), Ok("411001"));
        for bad in ["", "011001", "41100", "4110011", "41100a", "४११००१"] {
            assert!(pin(bad).is_err(), "{bad}");
        }
        assert_eq!(country("in").as_deref(), Ok("IN"));
        for bad in ["", "IND", "1N", "भा"] {
            assert!(country(bad).is_err(), "{bad}");
        }
    }
}
