//! Texts that are registered with India's telecom operators (DLT), with a tag in each place that is filled.
//!
//! The operators compare every message with its registered text and drop what differs, so what is filled in is held to the kind of its tag here,
//! where somebody can still put it right.

/// The most that is filled into a place for text or a number, in characters.
const MOST_TEXT: usize = 30;
/// The most that is filled into a place for an address of a page or a person.
const MOST_ADDRESS: usize = 100;

/// What may be filled into a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Up to 30 characters: `{#var#}` or `{#alphanumeric#}`.
    Text,
    /// A number of up to 30 characters: `{#numeric#}`.
    Number,
    /// The address of a page: `{#url#}` or `{#urlott#}`.
    Url,
    /// A number to call: `{#cbn#}`.
    Phone,
    /// An e-mail address: `{#email#}`.
    Email,
}

/// A registered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DltTemplate {
    /// The id of its registration.
    pub id: String,
    /// The registered sender, such as `PAYAID`.
    pub header: String,
    /// The id of the business that registered it.
    pub entity: String,
    /// The text with its tags.
    pub body: String,
    /// What each place is called and what may be filled in, in the order of the tags.
    pub variables: Vec<(String, Kind)>,
    /// What MSG91 calls it.
    pub msg91: Option<String>,
    /// What Fast2SMS calls it.
    pub fast2sms: Option<String>,
}

/// A text divided at its tags: what stands before each, and what each lets in; `None` for `{#var#}`, which lets anything in.
type Parts<'b> = (Vec<(&'b str, Option<Kind>)>, &'b str);

/// Divides a text at its tags.
///
/// # Errors
/// A sentence about a tag that there is not.
fn parts(body: &str) -> Result<Parts<'_>, String> {
    let (mut found, mut rest) = (Vec::new(), body);
    while let Some((before, behind)) = rest.split_once("{#") {
        let Some((tag, after)) = behind.split_once("#}") else {
            return Err("A tag begins with `{#` and ends with `#}`; this text has one without its end.".to_owned());
        };
        let kind = match tag.trim() {
            "var" => None,
            "alphanumeric" => Some(Kind::Text),
            "numeric" => Some(Kind::Number),
            "url" | "urlott" => Some(Kind::Url),
            "cbn" => Some(Kind::Phone),
            "email" => Some(Kind::Email),
            _ => {
                return Err(
                    "There is a tag that the operators do not know; they know var, alphanumeric, numeric, url, urlott, cbn and email.".to_owned()
                );
            }
        };
        found.push((before, kind));
        rest = after;
    }
    Ok((found, rest))
}

/// Checks a text against the variables that are to fill it.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn check(body: &str, kinds: &[Kind]) -> Result<(), String> {
    let (parts, _) = parts(body)?;
    if parts.len() != kinds.len() {
        return Err(format!("The text has {} tags, and there are {} variables: name one for each tag, in their order.", parts.len(), kinds.len()));
    }
    match parts.iter().zip(kinds).position(|((_, tag), kind)| tag.is_some_and(|tag| tag != *kind)) {
        None => Ok(()),
        Some(place) => Err(format!("Tag number {} of the text is of another kind than its variable.", place.saturating_add(1))),
    }
}

impl Kind {
    /// Checks what is to be filled in.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn check(self, value: &str) -> Result<(), String> {
        let (length, most) = (value.chars().count(), if matches!(self, Self::Url | Self::Email) { MOST_ADDRESS } else { MOST_TEXT });
        if length == 0 || length > most {
            return Err(format!("The operators let 1 to {most} characters through here; this has {length}."));
        }
        // One provider takes the values divided by this character.
        if value.chars().any(char::is_control) || value.contains('|') {
            return Err("This must be one line without control characters and without `|`.".to_owned());
        }
        let of = |allowed: &dyn Fn(char) -> bool| value.chars().all(allowed) && value.chars().any(|c| c.is_ascii_digit());
        match self {
            Self::Text => Ok(()),
            Self::Number if of(&|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '-')) => Ok(()),
            Self::Number => Err("This must be a number.".to_owned()),
            Self::Phone if of(&|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ')) => Ok(()),
            Self::Phone => Err("This must be a number to call.".to_owned()),
            Self::Url if is_url(value) => Ok(()),
            Self::Url => Err("This must be the address of a page, such as https://example.in/pay.".to_owned()),
            Self::Email => crate::base::email::parse(value).map(|_| ()),
        }
    }
}

fn is_url(value: &str) -> bool {
    let address = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")).unwrap_or(value);
    let host = address.split(['/', '?', '#']).next().unwrap_or_default();
    host.contains('.') && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':')) && !value.contains(char::is_whitespace)
}

impl DltTemplate {
    /// Checks what is to be filled in and puts it into the order of the places.
    ///
    /// # Errors
    /// What is wrong with which variable, as sentences for the person who typed it.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<Vec<String>, Vec<(String, String)>> {
        let (mut values, mut wrong) = (Vec::new(), Vec::new());
        for (name, kind) in &self.variables {
            match value(name).map(str::trim) {
                None => wrong.push((name.clone(), "This variable of the template has no value.".to_owned())),
                Some(value) => match kind.check(value) {
                    Ok(()) => values.push(value.to_owned()),
                    Err(message) => wrong.push((name.clone(), message)),
                },
            }
        }
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }

    /// The text with these values in its places.
    #[must_use]
    pub fn text(&self, values: &[String]) -> String {
        let Ok((parts, rest)) = parts(&self.body) else { return self.body.clone() };
        let mut values = values.iter();
        let mut text = String::new();
        for (before, _) in parts {
            text.push_str(before);
            text.push_str(values.next().map_or("", String::as_str));
        }
        text.push_str(rest);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(body: &str, variables: &[(&str, Kind)]) -> DltTemplate {
        let variables = variables.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let text = |text: &str| text.to_owned();
        DltTemplate { id: text("1107"), header: text("PAYAID"), entity: text("1101"), body: text(body), variables, msg91: None, fast2sms: None }
    }

    #[test]
    fn values_stand_in_the_places_of_their_tags() {
        let due =
            template("Dear {#var#}, Rs {#numeric#} is due: {#url#} - Sharma", &[("name", Kind::Text), ("sum", Kind::Number), ("link", Kind::Url)]);
        let given = |name: &str| {
            Some(match name {
                "name" => "Asha {#var#}",
                "sum" => "1,250.00",
                _ => "https://s.in/p/1",
            })
        };
        let values = due.fill(given).unwrap();
        assert_eq!(due.text(&values), "Dear Asha {#var#}, Rs 1,250.00 is due: https://s.in/p/1 - Sharma");
        let wrong = due.fill(|name| (name != "link").then_some("soon")).unwrap_err();
        assert_eq!(wrong.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["sum", "link"]);
    }

    #[test]
    fn a_text_and_its_variables_belong_together() {
        assert_eq!(check("Dear {#var#}", &[Kind::Number]), Ok(()));
        assert_eq!(check("Call {#cbn#}", &[Kind::Phone]), Ok(()));
        for (body, kinds) in [
            ("Dear {#var#}", &[][..]),
            ("Dear", &[Kind::Text]),
            ("Call {#cbn#}", &[Kind::Text]),
            ("Dear {#var", &[Kind::Text]),
            ("{#name#}", &[Kind::Text]),
        ] {
            assert!(check(body, kinds).is_err(), "{body}");
        }
    }

    #[test]
    fn each_kind_lets_in_what_the_operators_do() {
        let long = "अ".repeat(31);
        for (kind, good, bad) in [
            (Kind::Text, "Asha Rao & Co.", long.as_str()),
            (Kind::Text, "अनुपमा", "a|b"),
            (Kind::Number, "1,250.00", "Rs 5"),
            (Kind::Number, "42", "-"),
            (Kind::Url, "https://s.in/p?x=1", "javascript:alert(1)"),
            (Kind::Url, "s.in/p", "not a page"),
            (Kind::Phone, "+91 98765 43210", "call me"),
            (Kind::Email, "a@b.example", "a@b"),
            (Kind::Text, "a", ""),
            (Kind::Text, "b", "a\nb"),
        ] {
            assert_eq!(kind.check(good), Ok(()), "{good}");
            assert!(kind.check(bad).is_err(), "{bad}");
        }
    }
}
