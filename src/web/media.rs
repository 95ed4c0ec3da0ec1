//! Media types: what a client accepts and what it sends.

use axum::http::{HeaderMap, HeaderValue, header};

/// The two media types of a GraphQL response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`.
    GraphqlResponse,
    /// `application/json`, for clients that don't name the other one.
    Json,
}

impl Media {
    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> HeaderValue {
        match self {
            Self::GraphqlResponse => HeaderValue::from_static("application/graphql-response+json; charset=utf-8"),
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
        }
    }

    /// What to answer with, by the `Accept` headers; `None` when the client accepts neither.
    ///
    /// Clients that name neither type but take anything, such as curl, get `application/json`.
    #[must_use]
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        Accept::of(headers).media()
    }
}

/// What a client accepts, by its `Accept` headers.
pub struct Accept<'a> {
    ranges: Vec<Range<'a>>,
    /// Whether all headers could be read.
    is_read: bool,
}

impl<'a> Accept<'a> {
    /// Reads the headers.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut accept = Self { ranges: Vec::new(), is_read: true };
        for value in headers.get_all(header::ACCEPT) {
            match value.to_str() {
                Ok(text) => accept.ranges.extend(text.split(',').filter_map(Range::parse)),
                Err(_) => accept.is_read = false,
            }
        }
        accept
    }

    /// As [`Media::accepted`].
    #[must_use]
    pub fn media(&self) -> Option<Media> {
        if !self.is_read {
            return None;
        }
        if self.ranges.is_empty() {
            return Some(Media::Json);
        }
        let graphql = Preference::of("graphql-response+json", &self.ranges);
        let json = Preference::of("json", &self.ranges);
        match (graphql.quality > 0, json.quality > 0) {
            (false, false) => None,
            (false, true) => Some(Media::Json),
            (true, false) => Some(Media::GraphqlResponse),
            (true, true) => Some(if graphql >= json && graphql.precision == 2 { Media::GraphqlResponse } else { Media::Json }),
        }
    }

    /// Whether `text/event-stream` is named.
    #[must_use]
    pub fn events(&self) -> bool {
        let named = |range: &Range<'_>| range.kind.eq_ignore_ascii_case("text") && range.subtype.eq_ignore_ascii_case("event-stream");
        self.ranges.iter().any(|range| named(range) && range.quality > 0)
    }
}

/// One member of an `Accept` header.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// From 0 to 1000.
    quality: u16,
    utf8: bool,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, subtype, quality: 1000, utf8: true };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if name.trim().eq_ignore_ascii_case("q") {
                range.quality = quality(value.trim());
            } else if name.trim().eq_ignore_ascii_case("charset") {
                range.utf8 = is_utf8(value);
            }
        }
        Some(range)
    }

    /// How exactly the range names `application/<subtype>`: 2 by name, 0 by `*/*`.
    fn precision(&self, subtype: &str) -> Option<u8> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (kind, "*") if kind.eq_ignore_ascii_case("application") => Some(1),
            (kind, own) if kind.eq_ignore_ascii_case("application") && own.eq_ignore_ascii_case(subtype) => Some(2),
            _ => None,
        }
    }
}

/// How much a client wants a media type: by the most exact of the ranges that name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    quality: u16,
    precision: u8,
}

impl Preference {
    fn of(subtype: &str, ranges: &[Range<'_>]) -> Self {
        let named = ranges.iter().filter(|range| range.utf8).filter_map(|range| Some((range.precision(subtype)?, range.quality)));
        named.max().map_or_else(Self::default, |(precision, quality)| Self { quality, precision })
    }
}

/// A quality in thousandths; what cannot be read counts as 0.
fn quality(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u16>()) {
        ("1", Ok(_)) => 1000,
        ("0", Ok(thousandths)) => thousandths,
        _ => 0,
    }
}

fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim().trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// Whether a request's body is JSON in UTF-8, uncompressed.
///
/// Nothing else is read: other types can be sent by a page of any origin without asking first, and would open mutations to forged requests.
#[must_use]
pub fn is_json_body(headers: &HeaderMap) -> bool {
    let plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let charset = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    plain && json && charset.is_none_or(|(_, value)| is_utf8(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Media::accepted(&headers)
    }

    #[test]
    fn the_graphql_type_is_preferred_where_it_is_named() {
        assert_eq!(Media::accepted(&HeaderMap::new()), Some(Media::Json));
        for accept in [
            "application/graphql-response+json",
            "Application/GraphQL-Response+JSON; charset=utf-8",
            "application/graphql-response+json, application/json;q=0.9",
            "application/json, application/graphql-response+json",
            "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            "text/html, application/graphql-response+json;q=0.1",
            "*/*;q=0.1, application/graphql-response+json;q=0.5",
        ] {
            assert_eq!(accepted(accept), Some(Media::GraphqlResponse), "{accept}");
        }
    }

    #[test]
    fn json_is_for_those_who_do_not_name_the_graphql_type_or_want_it_less() {
        for accept in [
            "*/*",
            "application/*",
            "application/json",
            "application/json, */*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json;q=0.9, application/graphql-response+json;q=0.8",
            "application/graphql-response+json;q=0, */*",
            "application/graphql-response+json;charset=latin1, application/json",
        ] {
            assert_eq!(accepted(accept), Some(Media::Json), "{accept}");
        }
    }

    #[test]
    fn other_types_are_not_acceptable() {
        for accept in ["text/html", "application/xml", "application/json;q=0", "application/json; charset=utf-16", "*/*;q=0.000"] {
            assert_eq!(accepted(accept), None, "{accept}");
        }
    }

    #[test]
    fn only_json_bodies_are_read() {
        let is_json = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            is_json_body(&headers)
        };
        assert!(is_json("application/json"));
        assert!(is_json("Application/JSON; charset=\"UTF-8\""));
        for other in ["text/plain", "application/json; charset=utf-16", "application/graphql", "multipart/form-data", "application/jsonx", ""] {
            assert!(!is_json(other), "{other}");
        }
        assert!(!is_json_body(&HeaderMap::new()));
    }
}
