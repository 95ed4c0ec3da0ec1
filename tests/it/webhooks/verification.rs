//! What a receiver does, as the page for receivers says it, in every language that stands there.

use std::process::Stdio;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::receiver::{Call, Receiver};
use super::{endpoint, work};
use crate::harness::TestApp;

const PAGE: &str = include_str!("../../../docs/webhooks.md");

fn verify(secret: &str, id: &str, timestamp: &str, signatures: &str, body: &str) -> bool {
    let decode = |text: &str, prefix: &str| BASE64.decode(text.trim_start_matches(prefix).as_bytes()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &decode(secret, "whsec_"));
    let signed = format!("{id}.{timestamp}.{body}");
    signatures.split(' ').any(|given| hmac::verify(&key, signed.as_bytes(), &decode(given, "v1,")).is_ok())
}

/// The code of a language on the page.
fn code(language: &str) -> &'static str {
    PAGE.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_else(|| panic!("no {language}"))
}

/// What a program says of a call that came with this body.
async fn says(program: &str, arguments: &[&str], secret: &str, call: &Call, body: &str) -> String {
    let headers: serde_json::Map<String, Value> =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().map(|name| (name.to_owned(), json!(call.header(name)))).collect();
    let asked = json!({"secret": secret, "headers": headers, "body": body}).to_string();
    let mut child = tokio::process::Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.as_bytes()).await.unwrap();
    String::from_utf8(child.wait_with_output().await.unwrap().stdout).unwrap().trim().to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_verifies_as_the_page_says() {
    let app = TestApp::start().await;
    let owner = app.sign_up("Sharma", "owner@sharma.example").await;
    let receiver = Receiver::start(&[]).await;
    let (id, secret) = endpoint(&owner, json!({"url": receiver.url, "events": ["*"]})).await;
    owner.done("webhookTest", json!({"endpointId": id}), "webhookDelivery { id }").await;
    work(&app).await;
    let call = receiver.calls().pop().unwrap();
    let changed = call.body.replace("webhook", "Webhook");

    assert!(include_str!("verification.rs").contains(code("rust").trim()), "the Rust on the page is not what is tried here");
    let of = |body: &str| verify(&secret, call.header("webhook-id"), call.header("webhook-timestamp"), call.header("webhook-signature"), body);
    assert!(of(&call.body) && !of(&changed));

    let python = format!(
        "{}\nimport json, sys\nasked = json.load(sys.stdin)\nprint(verify(asked['secret'], asked['headers'], asked['body'].encode()))",
        code("python")
    );
    let javascript = format!(
        "{}\nimport {{ readFileSync }} from 'node:fs';\nconst asked = JSON.parse(readFileSync(0, 'utf8'));\nconsole.log(verify(asked.secret, asked.headers, asked.body));",
        code("javascript")
    );
    for (program, arguments) in [("python3", vec!["-c", &python]), ("node", vec!["--input-type=module", "-e", &javascript])] {
        assert_eq!(says(program, &arguments, &secret, &call, &call.body).await, "true", "{program}");
        assert_eq!(says(program, &arguments, &secret, &call, &changed).await, "false", "{program}");
        assert_eq!(says(program, &arguments, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &call, &call.body).await, "false", "{program}");
    }
}
