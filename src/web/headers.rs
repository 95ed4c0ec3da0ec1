//! Headers that keep browsers from doing more with an answer than it is meant for, and those that every answer of the API begins with.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::web::media::Media;

const FIXED: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Two years, which is what lists of sites that are never called without TLS ask for.
const HSTS: &str = "max-age=63072000; includeSubDomains";

/// What all answers of the API have, made once: copying them takes a fraction of inserting them.
static OF_ANSWERS: LazyLock<[HeaderMap; 2]> = LazyLock::new(|| {
    [Media::GraphqlResponse, Media::Json].map(|media| {
        let mut headers = HeaderMap::with_capacity(24);
        add(&mut headers);
        headers.insert(header::CONTENT_TYPE, media.content_type());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        headers
    })
});

/// The headers of an answer of the API, as far as they are the same for all.
#[must_use]
pub fn of_answer(media: Media) -> HeaderMap {
    let [graphql, json] = &*OF_ANSWERS;
    if media == Media::Json { json.clone() } else { graphql.clone() }
}

/// Adds the headers. A policy that the answer has already, such as the explorer's, is kept.
pub fn secure(headers: &mut HeaderMap, hsts: bool) {
    // An answer of the API has all of them.
    if !headers.contains_key(header::X_CONTENT_TYPE_OPTIONS) {
        add(headers);
    }
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
}

fn add(headers: &mut HeaderMap) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_api_begin_with_all_that_others_get() {
        let mut others = HeaderMap::new();
        secure(&mut others, true);
        for media in [Media::GraphqlResponse, Media::Json] {
            let mut answer = of_answer(media);
            secure(&mut answer, true);
            assert_eq!(answer[header::CONTENT_TYPE], media.content_type());
            assert!(others.iter().all(|(name, value)| answer.get(name) == Some(value)), "{answer:?}");
            assert_eq!(answer.len(), others.len() + 3);
        }
    }

    #[test]
    fn a_policy_of_its_own_is_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        secure(&mut headers, false);
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert_eq!(headers.get(header::STRICT_TRANSPORT_SECURITY), None);
    }
}
