//! A mail as bytes: its headers, its text and HTML, and its signature.
//!
//! What must hold: whatever the values are, the mail has one recipient and no header that is not written here.

use std::time::SystemTime;

use anyhow::{Context, bail};
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart, header::ContentType};
use uuid::Uuid;

use crate::base::SharedClock;
use crate::platform::config::MailConfig;
use crate::platform::mail::dkim::Signer;
use crate::platform::mail::{Email, Unsent, UnsentKind};

/// The header that comes back in bounces.
pub const REFERENCE_HEADER: &str = "X-PayAid-Reference";
/// The most letters of a subject, and of a name.
const LONGEST_SUBJECT: usize = 200;
const LONGEST_NAME: usize = 80;
/// The longest address that unsubscribes; a line has at most 998 bytes.
const LONGEST_LINK: usize = 900;

/// A mail that is ready to go.
pub struct Letter {
    /// Which mail it is.
    pub id: Uuid,
    /// Where bounces go.
    pub envelope: Address,
    /// Whom it is from.
    pub from: Mailbox,
    /// Whom it goes to.
    pub to: Mailbox,
    /// Where answers go.
    pub reply_to: Option<Mailbox>,
    /// The subject, without anything that ends a line.
    pub subject: String,
    /// The `Message-ID`, in its brackets.
    pub message_id: String,
    /// The address that unsubscribes, where receivers may call it.
    pub unsubscribe: Option<String>,
    /// All of it, signed.
    pub raw: Vec<u8>,
}

/// Makes mails ready to go.
pub struct Composer {
    from: Mailbox,
    bounces: Option<Address>,
    signer: Option<Signer>,
    clock: SharedClock,
}

impl Composer {
    /// The composer of a configuration; `sends` says that mail leaves this machine.
    ///
    /// # Errors
    /// When the sender is missing, or an address or the signing key cannot be understood.
    pub fn new(config: &MailConfig, sends: bool, clock: SharedClock) -> anyhow::Result<Self> {
        let from = match &config.mail_from {
            Some(from) => from.parse().context("MAIL_FROM is no sender; it should look like PayAid <no-reply@example.in>")?,
            None if sends => bail!("MAIL_FROM is missing: set it to the sender, such as PayAid <no-reply@example.in>"),
            None => Mailbox::new(Some("PayAid".to_owned()), Address::new("payaid", "localhost").context("the sender")?),
        };
        let bounces = config.mail_bounces.as_deref().map(str::parse).transpose();
        let bounces = bounces.context("MAIL_BOUNCES is no address; it should look like bounces@example.in")?;
        let signer = match (&config.dkim_domain, &config.dkim_key) {
            (Some(domain), Some(key)) => Some(Signer::open(domain, &config.dkim_selector, key)?),
            (None, None) => None,
            _ => bail!("DKIM_DOMAIN and DKIM_KEY belong together: set both, or none"),
        };
        Ok(Self { from, bounces, signer, clock })
    }

    /// A mail made ready.
    ///
    /// # Errors
    /// `BadAddress` when the recipient is no address; `Refused` when another part is not what it must be.
    pub fn letter(&self, email: &Email) -> Result<Letter, Unsent> {
        let refused = |reason: &str| Unsent { provider: "payaid", reason: reason.to_owned(), kind: UnsentKind::Refused };
        let bad_address = |_| Unsent { kind: UnsentKind::BadAddress, ..refused("The recipient is no e-mail address.") };
        if email.reference.is_empty()
            || email.reference.len() > 64
            || !email.reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        {
            return Err(refused("The reference of a mail has 1 to 64 letters, digits, - and _."));
        }
        if email.unsubscribe.as_deref().is_some_and(|link| !is_link(link)) {
            return Err(refused("The address that unsubscribes is no web address."));
        }
        let unsubscribe = email.unsubscribe.clone().filter(|link| link.starts_with("https://"));
        let to = Mailbox::new(email.to_name.as_deref().and_then(name), email.to.parse().map_err(bad_address)?);
        let reply_to = email.reply_to.as_deref().map(|text| text.parse().map(|address| Mailbox::new(None, address))).transpose();
        let reply_to = reply_to.map_err(|_| refused("The address for answers is no e-mail address."))?;
        let from = Mailbox::new(email.from_name.as_deref().and_then(name).or_else(|| self.from.name.clone()), self.from.email.clone());
        let mut letter = Letter {
            id: email.id,
            envelope: self.envelope(&email.reference).ok_or_else(|| refused("The address for bounces is too long."))?,
            message_id: format!("<{}@{}>", email.id, from.email.domain()),
            from,
            to,
            reply_to,
            subject: one_line(&email.subject, LONGEST_SUBJECT),
            unsubscribe,
            raw: Vec::new(),
        };
        letter.raw = self.raw(email, &letter).map_err(|error| refused(&format!("The mail cannot be composed: {error:#}")))?;
        Ok(letter)
    }

    fn envelope(&self, reference: &str) -> Option<Address> {
        match &self.bounces {
            None => Some(self.from.email.clone()),
            Some(bounces) => Address::new(format!("{}+{reference}", bounces.user()), bounces.domain()).ok(),
        }
    }

    fn raw(&self, email: &Email, letter: &Letter) -> anyhow::Result<Vec<u8>> {
        let now = self.clock.now();
        let mut builder = Message::builder().from(letter.from.clone()).to(letter.to.clone()).subject(&letter.subject);
        builder = builder.date(SystemTime::from(now)).message_id(Some(letter.message_id.clone()));
        if let Some(reply_to) = &letter.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        let text = part(ContentType::TEXT_PLAIN, &email.text)?;
        let mut message = match &email.html {
            Some(html) => builder.multipart(MultiPart::alternative().singlepart(text).singlepart(part(ContentType::TEXT_HTML, html)?))?,
            None => builder.singlepart(text)?,
        };
        for (name, value) in self.own_headers(email, letter) {
            message.headers_mut().insert_raw(HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value));
        }
        let mut raw = message.formatted();
        if let Some(signer) = &self.signer {
            let header = signer.header(&raw, now)?;
            raw.splice(0..0, header.into_bytes());
        }
        Ok(raw)
    }

    /// Headers whose values have nothing to encode: each was looked at before.
    fn own_headers(&self, email: &Email, letter: &Letter) -> Vec<(&'static str, String)> {
        let mut headers = vec![(REFERENCE_HEADER, email.reference.clone())];
        headers.extend(letter.unsubscribe.iter().flat_map(|link| unsubscribing(link)));
        if letter.reply_to.is_none() {
            // Nobody reads what answering machines would say (RFC 3834).
            headers.push(("Auto-Submitted", "auto-generated".to_owned()));
        }
        headers
    }
}

/// The headers by which a receiver unsubscribes with one click (RFC 8058).
pub fn unsubscribing(link: &str) -> [(&'static str, String); 2] {
    [("List-Unsubscribe", format!("<{link}>")), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())]
}

fn part(kind: ContentType, text: &str) -> anyhow::Result<SinglePart> {
    // Quoted-printable whatever the text is: no line is too long, and no server on the way has a reason to change a byte that is signed.
    let encoding = if text.is_ascii() { ContentTransferEncoding::QuotedPrintable } else { ContentTransferEncoding::Base64 };
    let body = Body::new_with_encoding(text.to_owned(), encoding).map_err(|_| anyhow::anyhow!("the text cannot be encoded"))?;
    Ok(SinglePart::builder().header(kind).body(body))
}

/// A text as one line: what would end it, and whatever else is not seen, becomes a space.
fn one_line(text: &str, longest: usize) -> String {
    let unseen = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().map(|c| if unseen(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(longest).collect()
}

fn name(text: &str) -> Option<String> {
    Some(one_line(text, LONGEST_NAME)).filter(|name| !name.is_empty())
}

fn is_link(link: &str) -> bool {
    let plain = link.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\",\\".contains(&byte));
    plain && (link.starts_with("https://") || link.starts_with("http://")) && link.len() <= LONGEST_LINK
}
