//! The HTTP side without a database: what is refused before one is needed, and what is said of one that is away.

mod http;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::App;
use crate::access::tokens::install_crypto;
use crate::app::DemoAccount;
use crate::base::clock::SystemClock;
use crate::platform::config::{DocumentConfig, HttpConfig, Introspection, ServerConfig};

/// A configuration whose database is not there.
fn config() -> ServerConfig {
    let mut http = HttpConfig::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    http.cors_origins = vec!["https://app.example.in".to_owned()];
    ServerConfig {
        http,
        documents: DocumentConfig { introspection: Introspection::Everybody, ..DocumentConfig::default() },
        ..ServerConfig::at("postgres://nobody@127.0.0.1:1/nothing", TEST_KEY)
    }
}

/// A key that signs nothing outside of these tests.
const TEST_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

fn app() -> Arc<App> {
    install_crypto();
    let account = DemoAccount { label: "Demo".to_owned(), email: "owner@demo.example".to_owned(), password: "demo".to_owned() };
    App::build_with_demo(config(), Arc::new(SystemClock), vec![account]).unwrap()
}

async fn send(request: Request<Body>) -> Response<Body> {
    super::router(app()).oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn json(response: Response<Body>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}
