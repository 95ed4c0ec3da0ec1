//! Calls to addresses that users choose, such as those of webhooks: to the public internet and nowhere else.
//!
//! What must hold: nothing goes to an address inside, whatever a name resolves to and whenever it does, since each connection is made to an address that
//! was looked at for this very connection; nothing is followed elsewhere; no proxy of the environment stands in between; a call ends in its time; of an
//! answer no more is read than is kept.

pub mod address;
pub mod signature;

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::platform::config::WebhookConfig;
use address::Allowed;

/// So much of an answer is read.
const MOST_BODY: usize = 16 * 1024;
/// So many headers of an answer are kept, and so much of each.
const MOST_HEADERS: usize = 32;
const MOST_HEADER: usize = 512;
/// The longest address.
const MOST_URL: usize = 2048;
/// How long the system may take to find the addresses of a name when one is first named.
const RESOLVED_WITHIN: Duration = Duration::from_secs(5);

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, so many of them as are kept.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, as text.
    pub body: String,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Makes the calls; clones share their connections.
#[derive(Clone)]
pub struct Outgoing {
    client: Client,
    allowed: Arc<Allowed>,
    http: bool,
    within: Duration,
    /// The most endpoints of one organization.
    pub endpoints: i64,
}

impl Outgoing {
    /// Nothing is connected to yet.
    ///
    /// # Errors
    /// When the system's TLS cannot be used.
    pub fn new(config: &WebhookConfig) -> anyhow::Result<Self> {
        Self::calling(config, Allowed::new(config.webhook_allow_private.clone()))
    }

    fn calling(config: &WebhookConfig, allowed: Allowed) -> anyhow::Result<Self> {
        let allowed = Arc::new(allowed);
        let client = Client::builder()
            .dns_resolver(Looked(Arc::clone(&allowed)))
            .redirect(Policy::none())
            .no_proxy()
            .no_gzip()
            .referer(false)
            .https_only(!config.webhook_allow_http)
            .connect_timeout(config.webhook_timeout)
            .timeout(config.webhook_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(4)
            .user_agent(concat!("PayAid/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("calls to others cannot be made")?;
        Ok(Self { client, allowed, http: config.webhook_allow_http, within: config.webhook_timeout, endpoints: config.webhook_endpoints })
    }

    /// Reads an address as somebody typed it: its form alone, and the host where it is a number.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn parse(&self, text: &str) -> Result<Url, String> {
        let text = text.trim();
        if text.len() > MOST_URL {
            return Err(format!("This is longer than {MOST_URL} characters."));
        }
        let url = Url::from_str(text).map_err(|_| "This is not an address: write https://example.in/hooks.".to_owned())?;
        match url.scheme() {
            "https" => {}
            "http" if self.http => {}
            _ => return Err("Only https:// addresses are called, so that nobody on the way can read along.".to_owned()),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("Leave the name and password out of the address: what is sent is signed instead.".to_owned());
        }
        if url.fragment().is_some() {
            return Err("Leave out what follows the #: it is never sent.".to_owned());
        }
        let host = url.host_str().ok_or("The address names no host.")?;
        if let Some(number) = number(host) {
            self.allowed.check(number)?;
        }
        Ok(url)
    }

    /// Looks where an address leads at present, for the person who typed it. Each call looks again.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub async fn check(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        if number(host).is_some() {
            return Ok(());
        }
        let found = tokio::time::timeout(RESOLVED_WITHIN, self.allowed.resolve(host)).await;
        found.unwrap_or_else(|_| Err(format!("The name {host} could not be looked up in time; try again."))).map(drop)
    }

    /// Sends a body of JSON.
    ///
    /// # Errors
    /// Why there was no answer, for the log of the owner of the address.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: String) -> Result<Answer, String> {
        // Also numbers, which no resolver is asked about.
        let url = self.parse(url)?;
        let mut all = HeaderMap::new();
        all.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| "A header could not be written.".to_owned())?;
            all.insert(HeaderName::from_static(name), value);
        }
        let call = async { Ok(read(self.client.post(url).headers(all).body(body).send().await?).await) };
        match tokio::time::timeout(self.within, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.reason(&error)),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> String {
        format!("There was no answer within {} seconds.", self.within.as_secs_f64())
    }

    /// Why a call failed, without the address and without a library's words around it.
    fn reason(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            return self.too_slow();
        }
        let mut deepest: &dyn std::error::Error = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let what = if error.is_connect() { "could not be connected to" } else { "broke off" };
        let words: String = if error.source().is_some() { deepest.to_string() } else { "the request failed".to_owned() };
        format!("The receiver {what}: {}", words.chars().filter(|c| !c.is_control()).take(300).collect::<String>())
    }
}

async fn read(mut response: reqwest::Response) -> Answer {
    let kept = |value: &HeaderValue| clean(&String::from_utf8_lossy(value.as_bytes()), MOST_HEADER);
    let headers = response.headers().iter().take(MOST_HEADERS).map(|(name, value)| (name.as_str().to_owned(), kept(value))).collect();
    let (status, mut body) = (response.status().as_u16(), Vec::new());
    // A body that breaks off is as good as a short one: the status has come.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MOST_BODY.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Answer { status, headers, body: clean(&String::from_utf8_lossy(&body), MOST_BODY) }
}

/// Text as the database can keep it.
fn clean(text: &str, most: usize) -> String {
    text.chars().map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).take(most).collect()
}

/// The address that a host is, when it is no name.
fn number(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Finds the addresses of names for the HTTP client, and none that must not be called.
struct Looked(Arc<Allowed>);

impl Resolve for Looked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found = allowed.resolve(name.as_str()).await?;
            // The client puts the port of the address in.
            let addresses: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(adjust: impl FnOnce(&mut WebhookConfig)) -> Outgoing {
        let mut config = WebhookConfig::default();
        adjust(&mut config);
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Outgoing::new(&config).unwrap()
    }

    #[test]
    fn only_public_https_addresses_are_taken() {
        let strict = outgoing(|_| ());
        for right in ["https://example.in/hooks?a=1", " https://93.184.216.34:8443/ ", "https://[2606:4700::1111]/"] {
            assert!(strict.parse(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "example.in",
            "http://example.in/",
            "ftp://example.in/",
            "https://user@example.in/",
            "https://u:p@example.in/",
            "https://example.in/#part",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://017700000001/",
            "https://10.0.0.7/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1]/",
            "file:///etc/passwd",
        ] {
            assert!(strict.parse(wrong).is_err(), "{wrong}");
        }
        assert!(strict.parse(&format!("https://example.in/{}", "a".repeat(MOST_URL))).is_err());
        let loose = outgoing(|config| {
            config.webhook_allow_http = true;
            config.webhook_allow_private = vec!["127.0.0.0/8".parse().unwrap()];
        });
        assert!(loose.parse("http://127.0.0.1:9000/").is_ok());
        assert!(loose.parse("http://10.0.0.1:9000/").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_called() {
        let outgoing = outgoing(|config| config.webhook_allow_http = true);
        let url = outgoing.parse("http://localhost:9/").unwrap();
        assert!(outgoing.check(&url).await.unwrap_err().contains("not called"));
        assert!(outgoing.post("http://localhost:9/", &[], String::new()).await.unwrap_err().contains("not called"));
        assert!(outgoing.post("http://127.0.0.1:9/", &[], String::new()).await.unwrap_err().contains("not called"));
    }

    /// A name that leads to the public internet when it is looked at and inside when it is called, and one that turns inside between two calls.
    #[tokio::test]
    async fn a_name_that_changes_where_it_leads_is_looked_at_for_each_connection() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://changing.example:{}/", listener.local_addr().unwrap().port());
        let connected = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        let calls = |private: &[&str], answers: &[&str]| {
            let config = WebhookConfig { webhook_allow_http: true, ..WebhookConfig::default() };
            let answers: std::sync::Mutex<std::collections::VecDeque<IpAddr>> =
                std::sync::Mutex::new(answers.iter().map(|ip| ip.parse().unwrap()).collect());
            let names = move |_| {
                let next = answers.lock().unwrap().pop_front().unwrap();
                futures_util::FutureExt::boxed(std::future::ready(Ok(vec![next])))
            };
            let private = private.iter().map(|network| network.parse().unwrap()).collect();
            Outgoing::calling(&config, Allowed::with_names(private, Box::new(names))).unwrap()
        };
        let strict = calls(&[], &["93.184.216.34", "127.0.0.1"]);
        strict.check(&strict.parse(&url).unwrap()).await.unwrap();
        assert!(strict.post(&url, &[], String::new()).await.unwrap_err().contains("127.0.0.1 is this machine"));
        assert_eq!(connected.load(std::sync::atomic::Ordering::SeqCst), 0);
        let turning = calls(&["127.0.0.0/8"], &["127.0.0.1", "10.0.0.1"]);
        assert_eq!(turning.post(&url, &[], String::new()).await.unwrap().status, 200);
        assert!(turning.post(&url, &[], String::new()).await.unwrap_err().contains("10.0.0.1 is private"));
        assert_eq!(connected.load(std::sync::atomic::Ordering::SeqCst), 1);
    }
}
