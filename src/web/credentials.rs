//! By what a caller shows who she is: an access token or an API key, in a header or in the first message of a socket.

use axum::http::{HeaderMap, HeaderName, header};
use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value as Json};
use tokio::time::Instant;

use crate::App;
use crate::access::keys;
use crate::base::{Code, Error, Result};

/// The header of an API key, for clients that cannot set `Authorization`.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the headers of a request hold; `None` for an anonymous caller.
///
/// # Errors
/// `INVALID_TOKEN` for what is no token or key, `VALIDATION_ERROR` when there are two that differ: nobody shall wonder which of them counted.
pub fn of_headers(headers: &HeaderMap) -> Result<Option<SecretString>> {
    let authorization = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(bearer).ok_or_else(no_bearer)?),
    };
    let key = match headers.get(X_API_KEY) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(api_key).ok_or_else(no_key)?),
    };
    match (authorization, key) {
        (Some(one), Some(other)) if one.expose_secret() != other.expose_secret() => {
            Err(Error::new(Code::ValidationError, "`Authorization` and `X-API-Key` hold different things: send one of them."))
        }
        (authorization, key) => Ok(authorization.or(key)),
    }
}

/// What the first message of a socket holds: `authorization: "Bearer <token or key>"`, `accessToken` or `apiKey`; `None` for an anonymous caller.
///
/// # Errors
/// As [`of_headers`].
pub fn of_message(payload: &Map<String, Json>) -> Result<Option<SecretString>> {
    let named = |name: &str| payload.get(name).filter(|value| !value.is_null());
    let text = |value: &Json, read: fn(&str) -> Option<SecretString>| value.as_str().and_then(read);
    let authorization = named("authorization").or_else(|| named("Authorization"));
    let token = match (authorization, named("accessToken")) {
        (None, None) => None,
        (Some(value), _) => Some(text(value, bearer).ok_or_else(no_bearer)?),
        (None, Some(value)) => Some(text(value, |token| Some(SecretString::from(token))).ok_or_else(no_bearer)?),
    };
    let key = match named("apiKey") {
        None => None,
        Some(value) => Some(text(value, api_key).ok_or_else(no_key)?),
    };
    match (token, key) {
        (Some(_), Some(_)) => Err(Error::new(Code::ValidationError, "Send either an access token or an API key.")),
        (token, key) => Ok(token.or(key)),
    }
}

/// When a token that was found valid ends, as it says itself; at most as long from now as tokens of this server live. Of an API key, `None`.
#[must_use]
pub fn ends_at(app: &App, token: &SecretString) -> Option<Instant> {
    if keys::is_key(token.expose_secret()) {
        return None;
    }
    let longest = app.config.auth.access_token_ttl;
    let left = expires(token.expose_secret()).map(|end| (end - app.services.clock.now()).to_std().unwrap_or_default());
    Some(Instant::now() + left.map_or(longest, |left| left.min(longest)))
}

/// The `exp` of a JWT. Its signature is not looked at.
fn expires(token: &str) -> Option<DateTime<Utc>> {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: Json = serde_json::from_slice(&claims).ok()?;
    DateTime::from_timestamp(claims.get("exp")?.as_i64()?, 0)
}

/// The token in `Bearer <token>`.
#[must_use]
pub fn bearer(value: &str) -> Option<SecretString> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| SecretString::from(token))
}

/// The key, without the space around it; an access token does not become one by its header.
fn api_key(value: &str) -> Option<SecretString> {
    let key = value.trim();
    keys::is_key(key).then(|| SecretString::from(key))
}

fn no_bearer() -> Error {
    Error::new(Code::InvalidToken, "The authorization must be `Bearer <access token>` or `Bearer <API key>`.")
}

fn no_key() -> Error {
    keys::invalid("what was sent as an API key is none")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent(headers: &[(&str, &str)]) -> Result<Option<String>, Code> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        of_headers(&map).map(|found| found.map(|found| found.expose_secret().to_owned())).map_err(|error| error.code)
    }

    #[test]
    fn a_key_comes_in_either_header_and_one_thing_counts() {
        assert_eq!(sent(&[]), Ok(None));
        assert_eq!(sent(&[("authorization", "Bearer pa_live_a")]), Ok(Some("pa_live_a".to_owned())));
        assert_eq!(sent(&[("x-api-key", " pa_live_a ")]), Ok(Some("pa_live_a".to_owned())));
        assert_eq!(sent(&[("authorization", "bearer pa_live_a"), ("x-api-key", "pa_live_a")]), Ok(Some("pa_live_a".to_owned())));
        assert_eq!(sent(&[("authorization", "Bearer pa_live_a"), ("x-api-key", "pa_live_b")]), Err(Code::ValidationError));
        assert_eq!(sent(&[("authorization", "Bearer token"), ("x-api-key", "pa_live_b")]), Err(Code::ValidationError));
        assert_eq!(sent(&[("x-api-key", "token")]), Err(Code::InvalidToken));
        assert_eq!(sent(&[("x-api-key", "")]), Err(Code::InvalidToken));
        assert_eq!(sent(&[("authorization", "Basic eDp5")]), Err(Code::InvalidToken));
    }

    #[test]
    fn the_end_of_a_token_is_read_from_its_claims() {
        let token = format!("head.{}.signature", BASE64URL_NOPAD.encode(br#"{"sub":"x","exp":1700000000}"#));
        assert_eq!(expires(&token).unwrap().timestamp(), 1_700_000_000);
        for other in ["", "opaque", "a.b.c", "a.e30.c"] {
            assert_eq!(expires(other), None, "{other}");
        }
    }

    #[test]
    fn a_socket_takes_the_same() {
        let sent = |payload: Json| {
            let found = of_message(payload.as_object().unwrap());
            found.map(|found| found.map(|found| found.expose_secret().to_owned())).map_err(|error| error.code)
        };
        assert_eq!(sent(json!({"apiKey": null})), Ok(None));
        for payload in [json!({"apiKey": "pa_live_a"}), json!({"authorization": "Bearer pa_live_a"}), json!({"Authorization": "Bearer pa_live_a"})] {
            assert_eq!(sent(payload), Ok(Some("pa_live_a".to_owned())));
        }
        assert_eq!(sent(json!({"accessToken": "token"})), Ok(Some("token".to_owned())));
        assert_eq!(sent(json!({"accessToken": "token", "apiKey": "pa_live_a"})), Err(Code::ValidationError));
        for payload in [json!({"apiKey": "token"}), json!({"apiKey": 7}), json!({"authorization": 7}), json!({"accessToken": {}})] {
            assert_eq!(sent(payload), Err(Code::InvalidToken));
        }
    }
}
