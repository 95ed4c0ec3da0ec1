//! How providers are asked, and what is known when they do not answer as they should.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};

use super::{Unsent, UnsentKind};

/// How long connecting may take: what is not connected to has sent nothing.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// The most of an answer that is read, in bytes.
const MOST_READ: usize = 64 * 1024;
/// The most of a provider's own words that is kept, in characters.
const MOST_SAID: usize = 200;

/// Asks providers.
#[derive(Clone)]
pub struct Wire {
    http: Client,
    /// Where providers reach this server.
    public_url: Option<String>,
}

/// What a provider answered.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub text: String,
}

impl Wire {
    /// Asks with this time limit.
    pub fn new(timeout: Duration, public_url: &str) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(timeout).connect_timeout(CONNECTED_WITHIN.min(timeout)).redirect(redirect::Policy::none());
        let http = client.user_agent(concat!("payaid/", env!("CARGO_PKG_VERSION"))).build().context("the client for SMS providers")?;
        // Providers report to public addresses alone.
        let public_url = public_url.starts_with("https://").then(|| public_url.trim_end_matches('/').to_owned());
        Ok(Self { http, public_url })
    }

    /// A POST to an address of a provider.
    pub fn post(&self, base: &str, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", base.trim_end_matches('/')))
    }

    /// Where a provider shall report on a message; `None` where this server cannot be reached.
    pub fn callback(&self, provider: &str, reference: &str) -> Option<String> {
        self.public_url.as_ref().map(|base| format!("{base}/webhooks/{provider}?reference={reference}"))
    }

    /// Sends a request and reads the answer. An answer of which it is clear that nothing was sent comes as an error to be tried elsewhere.
    pub async fn ask(&self, provider: &'static str, request: RequestBuilder) -> Result<Answer, Unsent> {
        let unsent = |kind, reason: String| Unsent { provider, reason, kind };
        let unknown = |what: &str| unsent(UnsentKind::Unknown, format!("{provider} {what}, so the message may have been sent"));
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(unsent(UnsentKind::Later, format!("{provider} cannot be reached"))),
            Err(error) if error.is_builder() => {
                return Err(unsent(UnsentKind::Later, format!("{provider} cannot be asked: {}", error.without_url())));
            }
            Err(error) if error.is_timeout() => return Err(unknown("did not answer in time")),
            Err(_) => return Err(unknown("broke off")),
        };
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(part)) = response.chunk().await {
            body.extend_from_slice(&part);
            if body.len() > MOST_READ {
                break;
            }
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        match status.as_u16() {
            // Whoever stands in front of the provider has waited for it in vain.
            504 => Err(unknown("did not answer in time")),
            401 | 403 => Err(unsent(UnsentKind::Later, format!("{provider} does not accept its keys ({status})"))),
            429 => Err(unsent(UnsentKind::Later, format!("{provider} takes no more for now ({status})"))),
            500..=599 => Err(unsent(UnsentKind::Later, format!("{provider} has a fault ({status})"))),
            300..=399 => Err(unsent(UnsentKind::Later, format!("{provider} is not at its address ({status})"))),
            _ => Ok(Answer { status, text }),
        }
    }
}

/// An answer that was not understood: after a success the message may have been sent, after anything else it was not.
pub fn not_understood(provider: &'static str, status: StatusCode) -> Unsent {
    let kind = if status.is_success() { UnsentKind::Unknown } else { UnsentKind::Later };
    Unsent { provider, reason: format!("{provider} answered with {status} and nothing that can be understood"), kind }
}

/// What a provider says, short and in one line.
pub fn said(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_SAID).collect()
}

/// Pairs as the body of a form.
pub fn form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    let encoded = Url::parse_with_params("http://form/", pairs).ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default();
    request.header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded)
}
