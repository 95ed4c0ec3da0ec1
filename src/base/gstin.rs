//! The Goods and Services Tax Identification Number: 15 characters, the last a check character.
//!
//! Layout (Rule 10 of the CGST Rules, 2017): two digits state code, ten characters PAN, one registration character, one letter (`Z` for ordinary
//! taxpayers, `C` for collectors and `D` for deductors of tax at source), one check character. The check character: digits and letters count 0 to
//! 35; the first 14 are weighted 1, 2, 1, 2, ... from the left; each product p adds p/36 (whole) + p mod 36; the check is (36 - sum mod 36) mod 36.

use crate::base::state;

const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Reads a GSTIN as typed, upper-cases it and verifies its layout and check character.
///
/// # Errors
/// A sentence that says which part is wrong.
pub fn parse(text: &str) -> Result<String, String> {
    let gstin = text.trim().to_ascii_uppercase();
    let bytes = gstin.as_bytes();
    if bytes.len() != 15 || !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return Err("A GSTIN has 15 letters and digits, such as 27AAPFU0939F1ZV.".to_owned());
    }
    let known_state = gstin.get(..2).is_some_and(|code| state::name(code).is_some() || code == "99");
    if !known_state {
        return Err("The first two digits of this GSTIN are no state code.".to_owned());
    }
    if !has_layout(bytes) {
        return Err("This GSTIN does not follow the layout: state code, PAN, registration, letter, check.".to_owned());
    }
    let (body, check) = bytes.split_at(14);
    if check.first().copied() != check_character(body) {
        return Err("The last character of this GSTIN does not match the others: one of them is mistyped.".to_owned());
    }
    Ok(gstin)
}

/// The two-digit state code of a verified GSTIN.
#[must_use]
pub fn state_code(gstin: &str) -> Option<&str> {
    gstin.get(..2)
}

/// Completes the first 14 characters with their check character.
#[must_use]
pub fn complete(body: &str) -> Option<String> {
    let check = check_character(body.as_bytes())?;
    Some(format!("{body}{}", char::from(check)))
}

/// Ordinary registrations carry a PAN in characters 3 to 12; those of deductors and collectors may carry a TAN instead (four letters, five digits,
/// a letter), and UN bodies or non-residents other forms, so beyond ordinary ones only the letter and digit classes are checked by length.
fn has_layout(bytes: &[u8]) -> bool {
    let class = |index: usize| bytes.get(index).copied().unwrap_or_default();
    let ordinary = class(13) == b'Z';
    let pan = (2..7).all(|i| class(i).is_ascii_uppercase()) && (7..11).all(|i| class(i).is_ascii_digit()) && class(11).is_ascii_uppercase();
    let state = class(0).is_ascii_digit() && class(1).is_ascii_digit();
    let registration = class(12) != b'0';
    state && if ordinary { pan && registration } else { class(13).is_ascii_uppercase() }
}

fn check_character(body: &[u8]) -> Option<u8> {
    if body.len() != 14 {
        return None;
    }
    let mut sum = 0;
    for (position, byte) in body.iter().enumerate() {
        let value = ALPHABET.iter().position(|letter| letter == byte)?;
        let product = value * if position % 2 == 0 { 1 } else { 2 };
        sum += product / 36 + product % 36;
    }
    ALPHABET.get((36 - sum % 36) % 36).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_pass() {
        for good in ["27AAPFU0939F1ZV", "29AAGCB7383J1Z4", " 27aapfu0939f1zv "] {
            assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
        }
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        let good = "27AAPFU0939F1ZV";
        for position in 2..15 {
            let mut bytes = good.as_bytes().to_vec();
            bytes[position] = match bytes[position] {
                b'9' => b'8',
                digit if digit.is_ascii_digit() => digit + 1,
                b'Z' => b'Y',
                letter => letter + 1,
            };
            let bad = String::from_utf8(bytes).unwrap();
            assert!(parse(&bad).is_err(), "{bad}");
        }
        for bad in ["", "27AAPFU0939F1Z", "28AAPFU0939F1ZV", "27AAPFU0939F1ZVX", "27AAPFU0939F1Z₹"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_is_completed() {
        assert_eq!(complete("27AAPFU0939F1Z").as_deref(), Some("27AAPFU0939F1ZV"));
    }
}
