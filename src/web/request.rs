//! What a client asks for, read from the body of a POST, the address of a GET, or a message of a socket.

use async_graphql::{Value, Variables};
use axum::extract::Query;
use axum::http::Uri;
use serde_json::Value as Json;

use crate::access::consistency::Asked;
use crate::base::{Code, Error, Result};

/// A well-formed request for an operation.
#[derive(Debug, PartialEq)]
pub struct GraphqlRequest {
    /// The text of the document.
    pub query: String,
    /// Which of the document's operations to run; `None` for the only one.
    pub operation_name: Option<String>,
    /// The variables.
    pub variables: Variables,
    /// How fresh what is read has to be: `extensions.consistency` with `level` and `token`, for transports that have no headers.
    pub asked: Asked,
}

impl GraphqlRequest {
    /// Reads a JSON object. Members it does not know are ignored.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when the bytes are no such object.
    pub fn from_body(body: &[u8]) -> Result<Self> {
        let json = serde_json::from_slice(body).map_err(|error| malformed(format!("The request's body is not JSON in UTF-8: {error}.")))?;
        Self::from_json(json)
    }

    /// Reads a JSON object, as [`GraphqlRequest::from_body`].
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, or `PERSISTED_QUERY_NOT_FOUND` when there is only the hash of a document.
    pub fn from_json(json: Json) -> Result<Self> {
        let mut members = match json {
            Json::Object(members) => members,
            Json::Array(_) => return Err(malformed("Batches are not supported: send one operation a request.")),
            _ => return Err(malformed("The request must be a JSON object with a string `query`.")),
        };
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let extensions = match take("extensions") {
            None => None,
            Some(Json::Object(extensions)) => Some(extensions),
            Some(_) => return Err(malformed("`extensions` must be an object.")),
        };
        let query = match take("query") {
            Some(Json::String(query)) => query,
            Some(_) => return Err(malformed("`query` must be a string.")),
            None if extensions.as_ref().is_some_and(|extensions| extensions.contains_key("persistedQuery")) => {
                return Err(Error::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound: send the document's text in `query`."));
            }
            None => return Err(malformed("The request must have a string `query`, the text of a GraphQL document.")),
        };
        let operation_name = match take("operationName") {
            None => None,
            Some(Json::String(name)) => Some(name).filter(|name| !name.is_empty()),
            Some(_) => return Err(malformed("`operationName` must be a string.")),
        };
        let variables = match take("variables") {
            None => Variables::default(),
            Some(object @ Json::Object(_)) => Value::from_json(object).map(Variables::from_value).map_err(|error| malformed(error.to_string()))?,
            Some(_) => return Err(malformed("`variables` must be an object.")),
        };
        let asked = extensions.as_ref().and_then(|extensions| extensions.get("consistency")).map(asked).transpose()?.unwrap_or_default();
        Ok(Self { query, operation_name, variables, asked })
    }

    /// Reads the query of an address: `query`, and where they are there, `operationName`, and `variables` and `extensions` as JSON.
    ///
    /// # Errors
    /// As [`GraphqlRequest::from_json`].
    pub fn from_uri(uri: &Uri) -> Result<Self> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|error| malformed(error.to_string()))?;
        let mut members = serde_json::Map::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let value = match name.as_str() {
                "query" | "operationName" => Json::String(value),
                "variables" | "extensions" => serde_json::from_str(&value).map_err(|error| malformed(format!("`{name}` is not JSON: {error}.")))?,
                _ => continue,
            };
            members.insert(name, value);
        }
        Self::from_json(Json::Object(members))
    }
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

    fn refused(body: &str) -> String {
        GraphqlRequest::from_body(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn a_body_is_an_object_with_a_query() {
        let request = GraphqlRequest::from_body(br#"{"query":"{ a }","operationName":"","variables":{"n":1},"extensions":{},"more":[]}"#).unwrap();
        assert_eq!((request.query.as_str(), request.operation_name.as_deref()), ("{ a }", None));
        assert_eq!(request.variables.len(), 1);
        assert!(GraphqlRequest::from_body(br#"{"query":"{ a }","operationName":null,"variables":null,"extensions":null}"#).is_ok());
    }

    #[test]
    fn malformed_bodies_are_refused_with_a_reason() {
        for (body, reason) in [
            ("", "not JSON"),
            ("{\"query\":", "not JSON"),
            ("7", "JSON object"),
            ("[{\"query\":\"{ a }\"}]", "Batches"),
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
        assert!(GraphqlRequest::from_body(b"{\"query\":\"\xff\"}").unwrap_err().message.contains("UTF-8"));
        let hash_alone = GraphqlRequest::from_body(br#"{"extensions":{"persistedQuery":{"version":1}}}"#).unwrap_err();
        assert_eq!(hash_alone.code, Code::PersistedQueryNotFound);
    }

    #[test]
    fn an_address_is_read_like_a_body() {
        let read = |uri: &str| GraphqlRequest::from_uri(&uri.parse().unwrap());
        let request = read("/graphql?query=query+A%7Ba%7D&operationName=A&variables=%7B%22n%22%3A1%7D&unknown=1").unwrap();
        assert_eq!((request.query.as_str(), request.operation_name.as_deref(), request.variables.len()), ("query A{a}", Some("A"), 1));
        assert!(read("/graphql?query=%7Ba%7D&operationName=&variables=&extensions=").is_ok());
        assert!(read("/graphql").is_err());
        assert!(read("/graphql?query=%7Ba%7D&variables=nonsense").is_err());
        assert!(read("/graphql?query=%7Ba%7D&variables=%5B%5D").is_err());
    }
}
