//! The body of a GraphQL response, and what a caller gets to see of an error.
//!
//! An error of ours keeps its code and its message; what stands in `internal` goes to the log under the request's id and nowhere else. An error of
//! async-graphql's own is about the document or its variables. Any other is a fault of the server, and its words are not sent.

use std::sync::Arc;

use async_graphql::{PathSegment, Pos, Response, ServerError, Value};
use bytes::Bytes;
use serde::Serialize;

use crate::access::execution;
use crate::base::duration::whole_seconds;
use crate::base::error::Problem;
use crate::base::{Code, Error, json};
use crate::web::extensions;

/// Where the codes are explained.
const DOCUMENTATION: &str = "https://github.com/payaid/payaid-graphql/blob/main/docs/errors.md";

/// What stands before the data, which comes first.
const BEFORE_DATA: &str = "{\"data\":";

/// A GraphQL response as it is written.
#[derive(Debug, Serialize)]
pub struct Body {
    /// What was found; `None`, and left out, when nothing was executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorBody>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Box<extensions::Extensions>>,
}

/// An error as it is written.
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Pos>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<PathSegment>,
    extensions: Extensions,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    #[serde(serialize_with = "as_text")]
    code: Code,
    request_id: Arc<str>,
    doc_url: String,
    #[serde(skip_serializing_if = "Details::is_empty")]
    details: Details,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    #[serde(flatten)]
    more: Option<Box<serde_json::Value>>,
}

impl Details {
    const fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.retry_after_seconds.is_none() && self.more.is_none()
    }
}

#[derive(Debug, Serialize)]
struct ProblemBody {
    field: Vec<String>,
    #[serde(serialize_with = "as_text")]
    code: Code,
    message: String,
}

impl From<&Problem> for ProblemBody {
    fn from(problem: &Problem) -> Self {
        Self { field: problem.field.clone(), code: problem.code, message: problem.message.clone() }
    }
}

fn as_text<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl ErrorBody {
    /// What the caller sees of an error that belongs to no place in the document. Its internal message is logged.
    #[must_use]
    pub fn new(error: &Error, request_id: &Arc<str>) -> Self {
        log(error, request_id);
        let problems = error.problems.iter().map(ProblemBody::from).collect();
        let details = Details { problems, retry_after_seconds: retry_after_seconds(error), more: error.details.clone() };
        let doc_url = format!("{DOCUMENTATION}#{}", error.code.as_str().to_ascii_lowercase());
        let extensions = Extensions { code: error.code, request_id: Arc::clone(request_id), doc_url, details };
        Self { message: error.message.clone(), locations: Vec::new(), path: Vec::new(), extensions }
    }

    /// What the caller sees of an error that came out of async-graphql.
    fn of(error: ServerError, request_id: &Arc<str>) -> Self {
        let path = execution::came_from(&error);
        let ours = match error.source::<Error>() {
            Some(ours) => ours.clone(),
            None if error.source.is_some() => Error::internal(format!("a resolver failed with an error that has no code: {}", error.message)),
            None => Error::new(code_of(&error).unwrap_or(Code::ValidationError), error.message),
        };
        Self { locations: error.locations, path, ..Self::new(&ours, request_id) }
    }

    /// Leaves out the names that async-graphql suggests in place of a wrong one.
    fn suggest_nothing(&mut self) {
        if let Some(at) = self.message.find(" Did you mean ") {
            self.message.truncate(at);
        }
    }

    /// Adds to what the details say.
    pub fn add_detail(&mut self, name: &str, value: serde_json::Value) {
        let more = self.extensions.details.more.get_or_insert_with(|| Box::new(serde_json::json!({})));
        if let Some(more) = more.as_object_mut() {
            more.insert(name.to_owned(), value);
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.extensions.code
    }

    /// How long to wait before trying again, where that is known.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        self.extensions.details.retry_after_seconds
    }
}

/// The code that a scalar gave its error, such as `INVALID_ID`.
fn code_of(error: &ServerError) -> Option<Code> {
    let Some(Value::String(text)) = error.extensions.as_ref()?.get("code") else { return None };
    Code::ALL.into_iter().find(|code| code.as_str() == text)
}

/// Whole seconds, and never none at all.
fn retry_after_seconds(error: &Error) -> Option<u64> {
    Some(whole_seconds(error.retry_after?).max(1))
}

fn log(error: &Error, request_id: &str) {
    let Some(internal) = error.internal.as_deref() else { return };
    if error.code == Code::InternalError {
        tracing::error!(request_id, code = error.code.as_str(), "{internal}");
    } else if matches!(error.code, Code::DatabaseUnavailable | Code::ExternalServiceError | Code::Timeout) {
        tracing::warn!(request_id, code = error.code.as_str(), "{internal}");
    } else {
        tracing::debug!(request_id, code = error.code.as_str(), "{internal}");
    }
}

impl Body {
    /// A response to a request that nothing was executed of.
    #[must_use]
    pub fn refusal(error: &Error, request_id: &Arc<str>) -> Self {
        Self { data: None, errors: vec![ErrorBody::new(error, request_id)], extensions: None }
    }

    /// The JSON. What was found stays where it is: it may be large.
    #[must_use]
    pub fn into_json(mut self) -> Bytes {
        let found = self.data.as_mut().map(|data| std::mem::replace(data, Value::Binary(Bytes::new())));
        let around = json::to_vec(&self).unwrap_or_default();
        match (found, around.split_at_checked(BEFORE_DATA.len())) {
            (Some(found), Some((head, tail))) => json::within(head, found, tail),
            _ => around.into(),
        }
    }

    /// What async-graphql answers, with its errors made fit to be seen: `most` of them, and with names of the schema suggested only to those who may
    /// read it.
    #[must_use]
    pub fn of(response: Response, request_id: &Arc<str>, most: usize, suggestions: bool) -> Self {
        // Only what happened while executing has a path; async-graphql writes `data: null` for the rest too.
        let executed = response.data != Value::Null || response.errors.iter().any(|error| !error.path.is_empty());
        let mut errors: Vec<_> = response.errors.into_iter().take(most).map(|error| ErrorBody::of(error, request_id)).collect();
        if !suggestions {
            errors.iter_mut().for_each(ErrorBody::suggest_nothing);
        }
        Self { data: executed.then_some(response.data), errors, extensions: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_graphql::{EmptyMutation, EmptySubscription, ID, Object, Schema};
    use serde_json::json;

    use super::*;
    use crate::base::Checks;
    use crate::base::id::{Id, Noun};

    struct Thing;
    impl Noun for Thing {
        const PREFIX: &'static str = "thing";
    }

    struct Query;

    #[Object]
    impl Query {
        async fn thing(&self, id: Id<Thing>) -> Option<ID> {
            Some(id.to_string().into())
        }
        // This way round, a failure nulls the field alone; a `Result<Option<_>>` takes the parent along.
        async fn missing(&self) -> Option<crate::base::Result<i32>> {
            Some(Err(Error::not_found("thing")))
        }
        async fn wrong(&self) -> Option<crate::base::Result<i32>> {
            let mut checks = Checks::new();
            checks.note("name", "Too long.");
            checks.note("value.amount", "Negative.");
            Some(checks.finish().map(|()| 1))
        }
        async fn away(&self) -> crate::base::Result<i32> {
            Err(Error::database_unavailable("10.0.0.7 refused"))
        }
        async fn foreign(&self) -> async_graphql::Result<Option<i32>> {
            Err("secret /etc/passwd".into())
        }
    }

    async fn body(query: &str) -> serde_json::Value {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        serde_json::to_value(Body::of(schema.execute(query).await, &"r1".into(), 20, true)).unwrap()
    }

    #[tokio::test]
    async fn an_error_of_ours_keeps_its_code_and_its_place() {
        assert_eq!(
            body("{ missing }").await,
            json!({"data": {"missing": null}, "errors": [{
                "message": "There is no such thing.", "locations": [{"line": 1, "column": 3}], "path": ["missing"],
                "extensions": {"code": "NOT_FOUND", "requestId": "r1", "docUrl": format!("{DOCUMENTATION}#not_found")},
            }]})
        );
        let wrong = body("{ wrong }").await;
        assert_eq!(
            wrong["errors"][0]["extensions"]["details"]["problems"],
            json!([
                {"field": ["input", "name"], "code": "VALIDATION_ERROR", "message": "Too long."},
                {"field": ["input", "value", "amount"], "code": "VALIDATION_ERROR", "message": "Negative."},
            ])
        );
    }

    #[tokio::test]
    async fn what_only_the_log_may_know_is_not_sent() {
        let away = body("{ away }").await;
        assert_eq!(away["data"], json!(null));
        assert!(away.as_object().unwrap().contains_key("data"), "executed, so data is there");
        assert_eq!(away["errors"][0]["extensions"]["details"], json!({"retryAfterSeconds": 1}));
        let foreign = body("{ foreign }").await;
        assert_eq!(foreign["errors"][0]["extensions"]["code"], "INTERNAL_ERROR");
        for body in [away, foreign] {
            assert!(!body.to_string().contains("10.0.0.7") && !body.to_string().contains("passwd"), "{body}");
        }
    }

    #[tokio::test]
    async fn what_was_not_executed_has_no_data() {
        let invalid = body("{ nothing }").await;
        assert_eq!(invalid["errors"][0]["extensions"]["code"], "VALIDATION_ERROR");
        assert!(!invalid.as_object().unwrap().contains_key("data"));
    }

    #[tokio::test]
    async fn a_code_given_by_a_scalar_is_kept() {
        let broken = body("{ thing(id: \"nonsense\") }").await;
        assert_eq!(broken["errors"][0]["extensions"]["code"], "INVALID_ID", "{broken}");
    }

    #[tokio::test]
    async fn the_number_of_errors_is_bounded() {
        let fields: String = (0..50).map(|n| format!("f{n}: missing ")).collect();
        let many = body(&format!("{{ {fields} }}")).await;
        assert_eq!(many["errors"].as_array().unwrap().len(), 20);
    }

    #[test]
    fn an_answer_is_the_same_json_wherever_its_data_stands() {
        let error = || ErrorBody::new(&Error::not_found("thing"), &"r1".into());
        // What nobody else holds, and what others do.
        let text = || Some(Value::Binary(b"{\"a\":[1]}".to_vec().into()));
        let shared: [Option<Value>; 4] = [text(), Some(async_graphql::value!({"a": [1]})), Some(Value::Null), None];
        let data = std::iter::once(None).chain(shared.iter().map(Some));
        for (data, errors) in data.flat_map(|data| [(data, 0), (data, 2)]) {
            let extensions = || (errors > 0).then(|| Box::new(extensions::Extensions::default()));
            let data = || data.map_or_else(text, Option::clone);
            let body = || Body { data: data(), errors: (0..errors).map(|_| error()).collect(), extensions: extensions() };
            assert_eq!(body().into_json(), json::to_vec(&body()).unwrap());
        }
    }

    #[test]
    fn waiting_is_told_in_whole_seconds() {
        let after = |wait| retry_after_seconds(&Error { retry_after: Some(wait), ..Error::internal("") });
        assert_eq!(after(Duration::from_millis(100)), Some(1));
        assert_eq!(after(Duration::from_secs(2)), Some(2));
        assert_eq!(after(Duration::from_millis(2001)), Some(3));
        assert_eq!(after(Duration::ZERO), Some(1));
    }
}
