//! Signatures, checked as a receiver does: by the public key and the standard (RFC 6376), without the code that made them.

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};
use data_encoding::{BASE64, BASE64_MIME};
use payaid::platform::config::MailConfig;

use crate::harness::exim::Exim;
use crate::harness::process::Folder;
use crate::mail::{email, mailer, through};

/// The signature's header with its parts, and what it was made of.
struct Signed {
    tags: HashMap<String, String>,
    data: Vec<u8>,
    body: Vec<u8>,
}

/// Takes a mail apart that begins with whatever servers have put before the signature.
fn signed(mail: &[u8]) -> Signed {
    let text = String::from_utf8(mail.to_vec()).unwrap().replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap();
    let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
    let headers: Vec<(String, String)> =
        unfolded.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_lowercase(), words(value))).collect();
    let signature = &headers.iter().find(|(name, _)| name == "dkim-signature").expect("a signature").1;
    let tags: HashMap<String, String> =
        signature.split(';').filter_map(|tag| tag.split_once('=')).map(|(name, value)| (name.trim().to_owned(), value.replace(' ', ""))).collect();
    let mut left = headers.clone();
    let mut data = String::new();
    for name in tags["h"].split(':') {
        // From the last to the first; one that is not there counts as empty.
        if let Some(at) = left.iter().rposition(|(own, _)| own == name) {
            let (name, value) = left.remove(at);
            data.push_str(&format!("{name}:{value}\r\n"));
        }
    }
    let (before, _) = signature.rsplit_once("b=").unwrap();
    data.push_str(&format!("dkim-signature:{before}b="));
    let lines: Vec<String> = body
        .lines()
        .map(|line| {
            line.split([' ', '\t'])
                .filter(|word| !word.is_empty())
                .fold(String::new(), |line, word| if line.is_empty() { word.to_owned() } else { format!("{line} {word}") })
        })
        .collect();
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    Signed { tags, data: data.into_bytes(), body: lines[..last].iter().map(|line| format!("{line}\r\n")).collect::<String>().into_bytes() }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Signed {
    /// Whether body and headers are those that were signed by this key.
    fn is_genuine(&self, algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> bool {
        let hash = BASE64.encode(digest(&SHA256, &self.body).as_ref());
        let hashed = digest(&SHA256, &self.data);
        let data = if self.tags["a"] == "ed25519-sha256" { hashed.as_ref() } else { &self.data };
        let signature = BASE64.decode(self.tags["b"].as_bytes()).unwrap();
        hash == self.tags["bh"] && UnparsedPublicKey::new(algorithm, key).verify(data, &signature).is_ok()
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_MIME.encode(der).trim_end())
}

fn signing(config: MailConfig, folder: &Path, pem: &str) -> MailConfig {
    let file = folder.join("dkim.pem");
    std::fs::write(&file, pem).unwrap();
    MailConfig { dkim_domain: Some("example.in".to_owned()), dkim_key: Some(file), ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_can_check_who_signed_what() {
    let (exim, folder) = (Exim::start().await, Folder::create());
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mailer = mailer(&signing(through(&exim), folder.path(), &pem(AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&rsa).unwrap().as_ref())));
    let mut mail = email("asha@example.org");
    mail.subject = "आपका ऑर्डर तैयार है ".repeat(8);
    mail.html = Some("<p>  तैयार   है </p>\n\n\n".to_owned());
    mail.unsubscribe = Some(format!("https://api.example.in/unsubscribe/{}", "x".repeat(300)));
    mailer.send(&mail).await.unwrap();
    let delivered = exim.delivered(1).await.remove(0);
    let signed = super::dkim::signed(&delivered);
    let key = rsa.public_key().as_ref();
    assert!(signed.is_genuine(&RSA_PKCS1_2048_8192_SHA256, key), "{}", String::from_utf8_lossy(&delivered));
    assert_eq!((signed.tags["d"].as_str(), signed.tags["s"].as_str(), signed.tags["c"].as_str()), ("example.in", "payaid", "relaxed/relaxed"));
    let named: Vec<&str> = signed.tags["h"].split(':').collect();
    for name in ["from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post", "content-type"] {
        assert!(named.contains(&name), "{name} is not signed");
    }
    let text = String::from_utf8(delivered).unwrap();
    let changes = [
        ("List-Unsubscribe-Post: List", "List-Unsubscribe-Post: Lost"),
        ("From: ", "From: Somebody <else@example.in>\nFrom: "),
        ("To: asha", "To: isha"),
        ("Content-Transfer-Encoding: base64\n\n", "Content-Transfer-Encoding: base64\n\nAAAA"),
    ];
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        assert!(!super::dkim::signed(text.replacen(from, to, 1).as_bytes()).is_genuine(&RSA_PKCS1_2048_8192_SHA256, key), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shorter_kind_of_key_signs_as_well() {
    let (exim, folder) = (Exim::start().await, Folder::create());
    let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
    let mailer = mailer(&signing(through(&exim), folder.path(), &pem(der.as_ref())));
    mailer.send(&email("asha@example.org")).await.unwrap();
    let signed = signed(&exim.delivered(1).await[0]);
    assert!(signed.is_genuine(&ED25519, key.public_key().as_ref()));
}

#[test]
fn a_key_that_cannot_sign_is_said_at_the_start() {
    payaid::access::tokens::install_crypto();
    let folder = Folder::create();
    let refusal = |config: MailConfig| {
        let refused = payaid::platform::mail::Mailer::new(&config, std::sync::Arc::new(payaid::base::clock::SystemClock)).err().expect("a refusal");
        format!("{refused:#}")
    };
    let broken = signing(super::config(), folder.path(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(refusal(broken).contains("mail is signed by RSA keys"));
    let missing = MailConfig { dkim_domain: Some("example.in".to_owned()), dkim_key: Some("/nonexistent".into()), ..super::config() };
    assert!(refusal(missing).contains("/nonexistent cannot be read"));
    assert!(refusal(MailConfig { dkim_domain: Some("example.in".to_owned()), ..super::config() }).contains("set both, or none"));
}
