//! The texts of mails, in English and Hindi, as text and as HTML around one layout. They are part of the binary.
//!
//! What must hold: whatever a value is, it is text in the HTML; and a value that is missing is an error, never a gap in a mail.

use std::sync::LazyLock;

use clap::ValueEnum;
use include_dir::{Dir, include_dir};
use minijinja::value::{Serde, Value};
use minijinja::{Environment, HtmlEscape, UndefinedBehavior};
use serde_json::json;

use crate::base::{Error, Result};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/platform/mail/templates");
static ENVIRONMENT: LazyLock<std::result::Result<Environment<'static>, String>> = LazyLock::new(environment);

/// The mails that there are.
const NAMES: [&str; 3] = ["invitation", "message", "webhook_disabled"];

/// The language of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Hindi.
    Hi,
}

impl Language {
    /// The language of a code such as `hi` or `hi-IN`; English where there is no other.
    #[must_use]
    pub fn of(code: &str) -> Self {
        let primary = code.split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("hi") { Self::Hi } else { Self::En }
    }

    /// Its code (RFC 5646).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Hi => "hi",
        }
    }
}

/// A mail's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The HTML.
    pub html: String,
}

/// The names of the mails that there are.
#[must_use]
pub fn names() -> &'static [&'static str] {
    &NAMES
}

/// The words of a mail with these values. `unsubscribe` may be left out, or be a link for people to click on.
///
/// # Errors
/// `INTERNAL_ERROR` when there is no such mail, or a value is missing.
pub fn render(name: &str, language: Language, values: &serde_json::Value) -> Result<Rendered> {
    let environment = ENVIRONMENT.as_ref().map_err(|error| Error::internal(format!("the mails' templates: {error}")))?;
    let render = |kind: &str, subject: Option<&str>| {
        let template = format!("{}/{name}.{kind}", language.code());
        let mut all = values.clone();
        if let Some(fields) = all.as_object_mut() {
            fields.insert("language".to_owned(), json!(language.code()));
            if let Some(subject) = subject {
                fields.insert("subject".to_owned(), json!(subject));
            }
        }
        let rendered = environment.get_template(&template).and_then(|template| template.render(Serde(&all)));
        rendered.map(|text| text.trim().to_owned()).map_err(|error| Error::internal(format!("{template}: {error:#}")))
    };
    let subject = render("subject", None)?;
    Ok(Rendered { text: format!("{}\n", render("txt", Some(&subject))?), html: format!("{}\n", render("html", Some(&subject))?), subject })
}

/// Values to look at a mail with.
#[must_use]
pub fn sample(name: &str, language: Language) -> serde_json::Value {
    let (person, organization, text) = match language {
        Language::En => ("Asha Rao", "Sharma & Sons <Traders>", "Dear customer,\n\nyour order is ready.\nThank you!"),
        Language::Hi => ("आशा राव", "शर्मा एंड संस", "प्रिय ग्राहक,\n\nआपका ऑर्डर तैयार है।\nधन्यवाद!"),
    };
    let link = "https://app.example.in/somewhere?a=1&b=2";
    match name {
        "invitation" => json!({"inviter": person, "organization": organization, "role": "MEMBER", "expires": "29 Nov 2026", "link": link}),
        "message" => json!({"subject": organization, "organization": organization, "text": text, "unsubscribe": link}),
        _ => {
            json!({"name": person, "organization": organization, "host": "hooks.example.in", "since": "17 Nov 2026", "reason": "503 <busy>", "link": link})
        }
    }
}

fn environment() -> std::result::Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("lines", lines);
    let folders = FOLDER.dirs().flat_map(Dir::files);
    for file in FOLDER.files().chain(folders) {
        let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8()) else {
            return Err(format!("{} is no text", file.path().display()));
        };
        environment.add_template(name, text).map_err(|error| format!("{error:#}"))?;
    }
    Ok(environment)
}

/// Text with its line breaks, as HTML.
fn lines(text: &str) -> Value {
    let lines: Vec<String> = text.lines().map(|line| HtmlEscape(line).to_string()).collect();
    Value::from_safe_string(lines.join("<br>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_is_there_in_both_languages_and_asks_for_nothing_but_its_values() {
        for name in names() {
            for language in [Language::En, Language::Hi] {
                let values = sample(name, language);
                let Rendered { subject, text, html } = render(name, language, &values).unwrap_or_else(|error| panic!("{name}: {:?}", error.internal));
                assert!(!subject.is_empty() && !subject.contains('\n'), "{subject}");
                assert!(!text.contains("{{") && !text.contains("{%") && !html.contains("{{"), "{text}");
                assert!(!html.contains("<Traders>") && !html.contains("<busy>"), "{html}");
                assert!(html.contains(&format!("lang=\"{}\"", language.code())));
                assert!(!text.contains("&amp;") && !subject.contains("&amp;"), "{text}");
                assert!(language == Language::En || text.contains(['न', 'ग']), "{text}");
                for (field, value) in values.as_object().unwrap() {
                    assert!(
                        text.contains(value.as_str().unwrap()) || subject.contains(value.as_str().unwrap()),
                        "{name} does not show {field}: {text}"
                    );
                    let mut fewer = values.clone();
                    fewer.as_object_mut().unwrap().remove(field);
                    assert!(field == "unsubscribe" || render(name, language, &fewer).is_err(), "{name} does without {field}");
                }
            }
        }
    }

    #[test]
    fn every_file_is_a_part_of_a_mail() {
        let stems = |dir: &Dir<'_>| dir.files().map(|file| file.path().file_stem().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>();
        for folder in FOLDER.dirs() {
            let strange: Vec<String> = stems(folder).into_iter().filter(|stem| stem != "base" && !NAMES.contains(&stem.as_str())).collect();
            assert!(strange.is_empty(), "{strange:?}");
        }
    }

    #[test]
    fn what_people_write_stays_text() {
        let values = json!({"subject": "A <b>", "organization": "O", "text": "1 < 2\n<script>alert(1)</script> {{ organization }}", "unsubscribe": "https://x/?a=\"><script>"});
        let Rendered { subject, text, html } = render("message", Language::En, &values).unwrap();
        assert_eq!(subject, "A <b>");
        assert!(text.contains("<script>alert(1)</script> {{ organization }}"));
        assert!(html.contains("1 &lt; 2<br>\n&lt;script&gt;") && !html.contains("<script>"), "{html}");
        assert!(render("nothing", Language::En, &json!({})).is_err() && render("../layout", Language::En, &json!({})).is_err());
    }

    #[test]
    fn languages_are_found_by_their_codes() {
        assert_eq!(["hi", "hi-IN", "HI_in", "en", "ta", ""].map(Language::of).map(Language::code), ["hi", "hi", "hi", "en", "en", "en"]);
    }
}
