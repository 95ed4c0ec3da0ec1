//! Tokens are issued and verified; whatever is wrong with one is refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::base::Clock;

struct Held(Mutex<DateTime<Utc>>);

impl Clock for Held {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

fn held() -> Arc<Held> {
    install_crypto();
    Arc::new(Held(Mutex::new("2026-04-01T09:30:00Z".parse().unwrap())))
}

fn tokens(config: &AuthConfig, clock: &Arc<Held>) -> Tokens {
    Tokens::new(config, Arc::<Held>::clone(clock)).unwrap()
}

fn pass(clock: &Held, seconds: i64) {
    *clock.0.lock().unwrap() += TimeDelta::seconds(seconds);
}

fn issue(tokens: &Tokens) -> String {
    tokens.issue(Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)).unwrap().token
}

#[test]
fn a_token_says_who_asks_until_it_ends() {
    let clock = held();
    let tokens = tokens(&AuthConfig::with_key(generate_key().unwrap()), &clock);
    let token = issue(&tokens);
    let verified = tokens.verify(&token).unwrap();
    assert_eq!((verified.user, verified.organization, verified.session), (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)));
    pass(&clock, 904);
    assert!(tokens.verify(&token).is_ok(), "the leeway");
    pass(&clock, 1);
    assert_eq!(tokens.verify(&token).unwrap_err().code, Code::InvalidToken, "remembered, and over all the same");
    pass(&clock, -915);
    assert!(tokens.verify(&token).is_err(), "not in force yet");
}

#[test]
fn another_key_issuer_audience_type_or_algorithm_is_refused() {
    let clock = held();
    let config = AuthConfig::with_key(generate_key().unwrap());
    let own = tokens(&config, &clock);
    let other_key = tokens(&AuthConfig::with_key(generate_key().unwrap()), &clock);
    let other_issuer = tokens(&AuthConfig { jwt_issuer: "other".into(), ..config.clone() }, &clock);
    let other_audience = tokens(&AuthConfig { jwt_audience: "other".into(), ..config.clone() }, &clock);
    let mut other_type = tokens(&config, &clock);
    other_type.header.typ = Some("JWT".into());
    for foreign in [&other_key, &other_issuer, &other_audience, &other_type] {
        assert_eq!(own.verify(&issue(foreign)).unwrap_err().code, Code::InvalidToken);
    }
    // The classical forgeries: signed with the public key as an HMAC secret, or not at all.
    let public = own.accepted.values().next().unwrap().try_get_as_bytes().unwrap().to_vec();
    let header = Header { alg: Algorithm::HS256, ..own.header.clone() };
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(issue(&own)).unwrap();
    let forged = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
    assert!(own.verify(&forged).is_err());
    let token = issue(&own);
    let body = token.split('.').nth(1).unwrap();
    let none = BASE64URL_NOPAD.encode(format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{}"}}"#, own.header.kid.as_deref().unwrap()).as_bytes());
    for broken in [format!("{none}.{body}."), token[..token.len() - 4].to_owned(), String::new(), "a.b.c".into(), "x".repeat(5000)] {
        assert_eq!(own.verify(&broken).unwrap_err().code, Code::InvalidToken, "{broken}");
    }
}

#[test]
fn tokens_of_the_previous_key_stay_good() {
    let clock = held();
    let old_pem = generate_key().unwrap();
    let old = tokens(&AuthConfig::with_key(old_pem), &clock);
    let public = old.accepted.values().next().unwrap().try_get_as_bytes().unwrap().to_vec();
    let frame = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", BASE64_MIME.encode(&[frame.as_slice(), &public].concat()));
    let config = AuthConfig {
        jwt_previous_public_keys: Some(format!("{pem}{pem}")),
        access_token_ttl: Duration::from_secs(60),
        ..AuthConfig::with_key(generate_key().unwrap())
    };
    assert!(tokens(&config, &clock).verify(&issue(&old)).is_ok());
    assert!(Tokens::new(&AuthConfig::with_key("rubbish".to_owned()), clock).is_err());
}
