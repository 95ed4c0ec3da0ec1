//! What a client asks for, read from the body of a POST, the address of a GET, or a message of a socket.

use std::fmt;

use async_graphql::{Value, Variables};
use axum::extract::Query;
use axum::http::Uri;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::access::consistency::Asked;
use crate::access::documents::{MAX_ID, TextHash, Wanted};
use crate::base::{Code, Error, Result};

/// A well-formed request for an operation.
#[derive(Debug, PartialEq)]
pub struct GraphqlRequest {
    /// Which document is meant.
    pub document: Wanted,
    /// Which of the document's operations to run; `None` for the only one.
    pub operation_name: Option<String>,
    /// The variables.
    pub variables: Variables,
    /// How fresh what is read has to be: `extensions.consistency` with `level` and `token`, for transports that have no headers.
    pub asked: Asked,
}

/// What stands in the body of a POST.
#[derive(Debug)]
pub enum Body {
    /// A request for one operation.
    One(GraphqlRequest),
    /// Requests for several operations, each of which may be malformed by itself.
    Batch(Vec<Result<GraphqlRequest>>),
}

impl Body {
    /// Reads a JSON object, or an array of at most so many.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the bytes are neither.
    pub fn read(body: &[u8], most: usize) -> Result<Self> {
        let no_json = |error| malformed(format!("The request's body is not JSON in UTF-8: {error}."));
        if body.trim_ascii_start().starts_with(b"{") {
            return GraphqlRequest::from_members(serde_json::from_slice(body).map_err(no_json)?).map(Self::One);
        }
        match serde_json::from_slice(body).map_err(no_json)? {
            Json::Array(requests) if most > 0 => {
                if requests.is_empty() {
                    return Err(malformed("The batch is empty: it must have at least one request."));
                }
                if requests.len() > most {
                    return Err(malformed(format!("The batch has {} requests; at most {most} are taken at once. Divide it.", requests.len())));
                }
                Ok(Self::Batch(requests.into_iter().map(GraphqlRequest::from_json).collect()))
            }
            one => GraphqlRequest::from_json(one).map(Self::One),
        }
    }
}

/// The members of a request that are looked at, `null` where they are not there, and the last of those that bear the same name.
#[derive(Default)]
struct Members {
    query: Json,
    document_id: Json,
    operation_name: Json,
    variables: Value,
    extensions: Json,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Member {
    Query,
    DocumentId,
    OperationName,
    Variables,
    Extensions,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(member) = map.next_key()? {
            match member {
                Member::Query => members.query = map.next_value()?,
                Member::DocumentId => members.document_id = map.next_value()?,
                Member::OperationName => members.operation_name = map.next_value()?,
                Member::Variables => members.variables = map.next_value()?,
                Member::Extensions => members.extensions = map.next_value()?,
                // Read all the same: it must be JSON.
                Member::Unknown => drop(map.next_value::<Json>()?),
            }
        }
        Ok(members)
    }
}

impl GraphqlRequest {
    /// Reads a JSON object. Members it does not know are ignored.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is no such object, or its text has not the hash that stands beside it.
    pub fn from_json(json: Json) -> Result<Self> {
        match json {
            Json::Object(_) => Self::from_members(Members::deserialize(json).map_err(|error| malformed(error.to_string()))?),
            Json::Array(_) => Err(malformed("Batches are not taken here: send one operation a request.")),
            _ => Err(malformed("The request must be a JSON object with a string `query`.")),
        }
    }

    fn from_members(members: Members) -> Result<Self> {
        let extensions = match members.extensions {
            Json::Null => None,
            Json::Object(extensions) => Some(extensions),
            _ => return Err(malformed("`extensions` must be an object.")),
        };
        let text = |name: &str, value| match value {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(text)),
            _ => Err(malformed(format!("`{name}` must be a string."))),
        };
        let (query, id) = (text("query", members.query)?, text("documentId", members.document_id)?);
        let operation_name = text("operationName", members.operation_name)?.filter(|name| !name.is_empty());
        let hash = extensions.as_ref().and_then(|extensions| extensions.get("persistedQuery")).filter(|value| !value.is_null());
        let document = wanted(query, id, hash.map(persisted).transpose()?)?;
        let variables = match members.variables {
            Value::Null => Variables::default(),
            object @ Value::Object(_) => Variables::from_value(object),
            _ => return Err(malformed("`variables` must be an object.")),
        };
        let asked = extensions.as_ref().and_then(|extensions| extensions.get("consistency")).map(asked).transpose()?.unwrap_or_default();
        Ok(Self { document, operation_name, variables, asked })
    }

    /// Reads the query of an address: `query` or `documentId`, and where they are there, `operationName`, and `variables` and `extensions` as JSON.
    ///
    /// # Errors
    /// As [`GraphqlRequest::from_json`].
    pub fn from_uri(uri: &Uri) -> Result<Self> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|error| malformed(error.to_string()))?;
        let mut members = serde_json::Map::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let value = match name.as_str() {
                "query" | "documentId" | "operationName" => Json::String(value),
                "variables" | "extensions" => serde_json::from_str(&value).map_err(|error| malformed(format!("`{name}` is not JSON: {error}.")))?,
                _ => continue,
            };
            members.insert(name, value);
        }
        Self::from_json(Json::Object(members))
    }
}

/// The one way in which a request says which document it means.
fn wanted(query: Option<String>, id: Option<String>, hash: Option<TextHash>) -> Result<Wanted> {
    match (query, id, hash) {
        (Some(text), None, None) => Ok(Wanted::Text(text)),
        (Some(text), None, Some(hash)) if TextHash::of(&text) == hash => Ok(Wanted::Proven(hash, text)),
        (Some(_), None, Some(_)) => {
            Err(malformed("`query` has another SHA-256 than `extensions.persistedQuery.sha256Hash`: send the hash of the text as it is sent."))
        }
        (None, None, Some(hash)) => Ok(Wanted::Hash(hash)),
        (None, Some(id), None) if (1..=MAX_ID).contains(&id.len()) => Ok(Wanted::Id(id)),
        (None, Some(_), None) => Err(malformed(format!("`documentId` must have 1 to {MAX_ID} bytes."))),
        (_, Some(_), _) => {
            Err(malformed("`documentId` stands for the document by itself: send neither `query` nor `extensions.persistedQuery` with it."))
        }
        (None, None, None) => Err(malformed("The request must have a string `query`, the text of a GraphQL document, or the `documentId` of one.")),
    }
}

/// The hash in `extensions.persistedQuery`.
fn persisted(persisted: &Json) -> Result<TextHash> {
    if persisted.get("version").and_then(Json::as_u64) != Some(1) {
        return Err(malformed("`extensions.persistedQuery.version` must be 1, with the text's SHA-256 in `sha256Hash`."));
    }
    let hash = persisted.get("sha256Hash").and_then(Json::as_str).and_then(TextHash::parse);
    hash.ok_or_else(|| malformed("`extensions.persistedQuery.sha256Hash` must be a SHA-256: 64 hexadecimal digits."))
}

fn asked(consistency: &Json) -> Result<Asked> {
    let text = |name: &str| match consistency.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(malformed(format!("`extensions.consistency.{name}` must be a string."))),
    };
    match consistency {
        Json::Null | Json::Object(_) => Asked::read(text("level")?, text("token")?),
        _ => Err(malformed("`extensions.consistency` must be an object with `level`, `token` or both.")),
    }
}

fn malformed(message: impl Into<String>) -> Error {
    Error::new(Code::ValidationError, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<GraphqlRequest> {
        match Body::read(body.as_bytes(), 10)? {
            Body::One(request) => Ok(request),
            Body::Batch(requests) => panic!("{requests:?}"),
        }
    }

    fn refused(body: &str) -> String {
        let error = read(body).unwrap_err();
        assert_eq!(error.code, Code::ValidationError, "{body}");
        error.message
    }

    fn text(query: &str) -> Wanted {
        Wanted::Text(query.to_owned())
    }

    #[test]
    fn a_body_is_an_object_with_a_query() {
        let request = read(r#"{"query":"{ a }","operationName":"","variables":{"n":1},"extensions":{},"more":[]}"#).unwrap();
        assert_eq!((&request.document, request.operation_name.as_deref()), (&text("{ a }"), None));
        assert_eq!(request.variables.len(), 1);
        assert!(read(r#"{"query":"{ a }","documentId":null,"operationName":null,"variables":null,"extensions":null}"#).is_ok());
    }

    #[test]
    fn of_members_with_the_same_name_the_last_counts() {
        let request =
            read(" \n{\"query\":\"{ a }\",\"qu\\u0065ry\":\"{ b }\",\"variables\":7,\"variables\":{\"n\":[1,{\"m\":null}]},\"x\":{\"query\":1}}")
                .unwrap();
        assert_eq!(request.document, text("{ b }"));
        assert_eq!(request.variables["n"], async_graphql::value!([1, {"m": null}]));
        assert!(refused(r#"{"query":"{ a }","variables":{"n":1},"variables":7}"#).contains("must be an object"));
        for more in [r#"} more"#, r#","x":1e999}"#, r#","x":"\ud800"}"#, &format!(r#","x":{}1{}}}"#, "[".repeat(200), "]".repeat(200))] {
            assert!(refused(&format!(r#"{{"query":"{{ a }}"{more}"#)).contains("not JSON"), "{more}");
        }
        assert!(refused(&format!(r#"{{"query":"{{ a }}","variables":{{"n":{}}}}}"#, "[".repeat(200))).contains("not JSON"));
    }

    #[test]
    fn a_document_is_named_in_one_way() {
        let hash = TextHash::of("{ a }");
        let persisted = format!(r#""extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}"#);
        let of = |members: String| read(&format!("{{{members}}}")).unwrap().document;
        assert_eq!(of(persisted.clone()), Wanted::Hash(hash));
        assert_eq!(of(persisted.replace(&hash.to_string(), &hash.to_string().to_uppercase())), Wanted::Hash(hash));
        assert_eq!(of(format!(r#""query":"{{ a }}",{persisted}"#)), Wanted::Proven(hash, "{ a }".to_owned()));
        assert_eq!(of(r#""query":"{ a }","extensions":{"persistedQuery":null}"#.to_owned()), text("{ a }"));
        assert_eq!(of(r#""documentId":"GetContacts""#.to_owned()), Wanted::Id("GetContacts".to_owned()));
        for (members, reason) in [
            (format!(r#""query":"{{ b }}",{persisted}"#), "another SHA-256"),
            (r#""query":"{ a }","documentId":"x""#.to_owned(), "send neither `query`"),
            (format!(r#""documentId":"x",{persisted}"#), "send neither `query`"),
            (r#""documentId":"""#.to_owned(), "1 to 256 bytes"),
            (format!(r#""documentId":"{}""#, "x".repeat(257)), "1 to 256 bytes"),
            (r#""documentId":7"#.to_owned(), "`documentId` must be a string"),
            (persisted.replace(":1,", ":2,"), "version` must be 1"),
            (persisted.replace(":1,", ":\"1\","), "version` must be 1"),
            (r#""extensions":{"persistedQuery":7}"#.to_owned(), "version` must be 1"),
            (r#""extensions":{"persistedQuery":{"version":1}}"#.to_owned(), "64 hexadecimal digits"),
            (r#""extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}"#.to_owned(), "64 hexadecimal digits"),
        ] {
            assert!(refused(&format!("{{{members}}}")).contains(reason), "{members}");
        }
    }

    #[test]
    fn malformed_bodies_are_refused_with_a_reason() {
        for (body, reason) in [
            ("", "not JSON"),
            ("{\"query\":", "not JSON"),
            ("7", "JSON object"),
            ("{}", "must have a string `query`"),
            ("{\"qeury\":\"{ a }\"}", "must have a string `query`"),
            ("{\"query\":1}", "`query` must"),
            ("{\"query\":\"{ a }\",\"variables\":[7]}", "`variables` must"),
            ("{\"query\":\"{ a }\",\"variables\":\"{}\"}", "`variables` must"),
            ("{\"query\":\"{ a }\",\"operationName\":{}}", "`operationName` must"),
            ("{\"query\":\"{ a }\",\"extensions\":7}", "`extensions` must"),
            ("{\"query\":\"{ a }\",\"extensions\":{\"consistency\":7}}", "`extensions.consistency` must"),
            ("{\"query\":\"{ a }\",\"extensions\":{\"consistency\":{\"token\":7}}}", "`extensions.consistency.token` must"),
            ("{\"query\":\"{ a }\",\"extensions\":{\"consistency\":{\"level\":\"never\"}}}", "`eventual`"),
        ] {
            assert!(refused(body).contains(reason), "{body}: {}", refused(body));
        }
        assert!(Body::read(b"{\"query\":\"\xff\"}", 10).unwrap_err().message.contains("UTF-8"));
    }

    #[test]
    fn a_batch_has_as_many_requests_as_are_allowed() {
        let batch = |count: usize| format!("[{}]", vec![r#"{"query":"{ a }"}"#; count].join(","));
        let count = |count: usize, most: usize| match Body::read(batch(count).as_bytes(), most) {
            Ok(Body::Batch(requests)) => Ok(requests.len()),
            Ok(Body::One(request)) => panic!("{request:?}"),
            Err(error) => Err(error.message),
        };
        assert_eq!((count(1, 10), count(10, 10)), (Ok(1), Ok(10)));
        assert!(count(0, 10).unwrap_err().contains("empty") && count(11, 10).unwrap_err().contains("at most 10"));
        assert!(count(1, 0).unwrap_err().contains("Batches are not taken"));
        let Ok(Body::Batch(requests)) = Body::read(br#"[{"query":"{ a }"}, 7, [], {"query":"{ b }"}]"#, 10) else { panic!("no batch") };
        assert_eq!(requests.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn an_address_is_read_like_a_body() {
        let read = |uri: &str| GraphqlRequest::from_uri(&uri.parse().unwrap());
        let request = read("/graphql?query=query+A%7Ba%7D&operationName=A&variables=%7B%22n%22%3A1%7D&unknown=1").unwrap();
        assert_eq!((&request.document, request.operation_name.as_deref(), request.variables.len()), (&text("query A{a}"), Some("A"), 1));
        let hash = TextHash::of("{ a }");
        assert_eq!(read(&format!("/graphql?documentId=sha256:{hash}")).unwrap().document, Wanted::Id(format!("sha256:{hash}")));
        let persisted = format!("/graphql?extensions=%7B%22persistedQuery%22%3A%7B%22version%22%3A1%2C%22sha256Hash%22%3A%22{hash}%22%7D%7D");
        assert_eq!(read(&persisted).unwrap().document, Wanted::Hash(hash));
        assert!(read("/graphql?query=%7Ba%7D&operationName=&variables=&extensions=").is_ok());
        assert!(read("/graphql").is_err());
        assert!(read("/graphql?query=%7Ba%7D&variables=nonsense").is_err());
        assert!(read("/graphql?query=%7Ba%7D&variables=%5B%5D").is_err());
    }
}
