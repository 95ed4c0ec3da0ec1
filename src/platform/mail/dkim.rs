//! The signature by which receivers see that a mail is from this domain and was not changed on its way (RFC 6376, RFC 8463).
//!
//! What is signed are the bytes that are sent, and it is done here and not by the mail library: that one reads no PKCS#8, takes the machine's clock,
//! and goes one level deeper for each letter of the headers.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

/// What is signed of a mail's headers. Those of the first line are named once more than they are there, so that nobody can add another one.
const ALWAYS: [&str; 5] = ["from", "to", "subject", "date", "reply-to"];
const WHERE_THERE: [&str; 6] =
    ["message-id", "mime-version", "content-type", "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post"];

/// The shortest RSA key that receivers accept, in bytes.
const SHORTEST: usize = 128;

/// Signs for a domain.
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// A signer with the key of a file.
    ///
    /// # Errors
    /// When the file cannot be read or has no private key that mail is signed with.
    pub fn open(domain: &str, selector: &str, file: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(file).with_context(|| format!("DKIM_KEY: {} cannot be read", file.display()))?;
        let key = Key::read(&pem).with_context(|| format!("DKIM_KEY: {}", file.display()))?;
        let word =
            |text: &str| !text.is_empty() && text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !word(domain) || !word(selector) {
            bail!("DKIM_DOMAIN is a name such as example.in, and DKIM_SELECTOR a word such as payaid");
        }
        Ok(Self { domain: domain.to_owned(), selector: selector.to_owned(), key })
    }

    /// The header that signs a mail, to be put before it.
    ///
    /// # Errors
    /// When the system cannot sign.
    pub fn header(&self, mail: &[u8], now: DateTime<Utc>) -> anyhow::Result<String> {
        let (headers, body) = split(mail);
        let fields = fields(headers);
        let (names, signed) = chosen(&fields);
        let (algorithm, domain, selector) = (self.key.algorithm(), &self.domain, &self.selector);
        let hash = BASE64.encode(digest(&SHA256, &relaxed_body(body)).as_ref());
        let mut header = format!("v=1; a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector};\r\n t={};", now.timestamp());
        let _ = write!(header, "\r\n h={};\r\n bh={hash};\r\n b=", names.join(":\r\n  "));
        let mut data = signed;
        data.push_str(&relaxed_header("dkim-signature", &header));
        let signature = BASE64.encode(&self.key.sign(data.as_bytes())?);
        let mut rest = signature.as_str();
        while let Some((line, after)) = rest.split_at_checked(72) {
            header.push_str(line);
            header.push_str("\r\n  ");
            rest = after;
        }
        header.push_str(rest);
        Ok(format!("DKIM-Signature: {}\r\n", header.trim_end()))
    }
}

impl Key {
    fn read(pem: &[u8]) -> anyhow::Result<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| anyhow!("this is no private key as PEM; `openssl genrsa 2048` makes one"))?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => match Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der()) {
                Ok(key) => return Ok(Self::Ed25519(key)),
                Err(_) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            },
            _ => bail!("mail is signed by RSA or Ed25519 keys"),
        };
        let rsa = rsa.map_err(|_| anyhow!("mail is signed by RSA keys of 2048 bits, or by Ed25519 keys"))?;
        if rsa.public_modulus_len() < SHORTEST {
            bail!("this key is too short; make one of 2048 bits by `openssl genrsa 2048`");
        }
        Ok(Self::Rsa(Box::new(rsa)))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    fn sign(&self, data: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).map_err(|_| anyhow!("the mail cannot be signed"))?;
                Ok(signature)
            }
            // RFC 8463 signs the hash.
            Self::Ed25519(key) => Ok(key.sign(digest(&SHA256, data).as_ref()).as_ref().to_vec()),
        }
    }
}

/// The headers of a mail and its body.
fn split(mail: &[u8]) -> (&[u8], &[u8]) {
    let end = mail.windows(4).position(|four| four == b"\r\n\r\n");
    end.and_then(|end| Some((mail.get(..end)?, mail.get(end.saturating_add(4)..)?))).unwrap_or((mail, b""))
}

/// The names and values of headers, folded as they are.
fn fields(headers: &[u8]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(headers).split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push_str("\r\n");
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim_end().to_ascii_lowercase(), value.to_owned()));
        }
    }
    fields
}

/// The names of the headers to sign, and what is signed of them.
fn chosen(fields: &[(String, String)]) -> (Vec<&'static str>, String) {
    let (mut names, mut signed) = (Vec::new(), String::new());
    for name in ALWAYS.into_iter().chain(WHERE_THERE) {
        // The last one first, as the standard counts them.
        for (_, value) in fields.iter().rev().filter(|(own, _)| own == name) {
            names.push(name);
            signed.push_str(&relaxed_header(name, value));
            signed.push_str("\r\n");
        }
        if ALWAYS.contains(&name) {
            names.push(name);
        }
    }
    (names, signed)
}

/// A header in the form that is signed, without the end of its line.
fn relaxed_header(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
    format!("{name}:{}", words.join(" "))
}

/// A body in the form that is signed.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut ends = 0_usize;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(last) = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')) else {
            ends = ends.saturating_add(1);
            continue;
        };
        (0..ends).for_each(|_| out.extend_from_slice(b"\r\n"));
        ends = 1;
        let mut spaced = false;
        for byte in line.iter().take(last.saturating_add(1)) {
            let space = matches!(byte, b' ' | b'\t');
            if !(space && spaced) {
                out.push(if space { b' ' } else { *byte });
            }
            spaced = space;
        }
    }
    if !out.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_and_headers_have_the_form_of_the_standard() {
        // RFC 6376, 3.4.5.
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b"\r\n\r\na\r\n\r\nb"), b"\r\n\r\na\r\n\r\nb\r\n");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        let fields = fields(b"A: X\r\nB : Y\t\r\n\tZ  ");
        let shown: Vec<String> = fields.iter().map(|(name, value)| relaxed_header(name, value)).collect();
        assert_eq!(shown, ["a:X", "b:Y Z"]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for pem in
            ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            assert!(Key::read(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
