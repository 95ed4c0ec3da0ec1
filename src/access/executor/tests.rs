//! How often documents are validated, by whatever they are run, and what comes of a field that fails in one of two runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_graphql::ValidationResult;
use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextValidation};
use async_graphql::parser::types::ExecutableDocument;
use serde_json::json as value;

use super::*;
use crate::access::document::{Document, TypeMap};
use crate::access::writer::Written;
use crate::access::{ClientInfo, Services};
use crate::base::clock::SystemClock;
use crate::base::json;
use crate::platform::config::ServerConfig;

#[derive(Default)]
struct Query {
    asked: AtomicUsize,
}

impl Writable for Query {}

#[Object]
impl Query {
    async fn twice(&self, number: i32) -> i32 {
        number.saturating_mul(2)
    }

    async fn below(&self) -> Written<Self> {
        Written(Self::default())
    }

    /// Fails every other time.
    async fn now_and_then(&self) -> crate::base::Result<Option<i32>> {
        match self.asked.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Ok(Some(1)),
            _ => Err(crate::base::Error::not_found("number")),
        }
    }

    async fn always(&self) -> crate::base::Result<i32> {
        Err(crate::base::Error::not_found("number"))
    }
}

#[derive(Default)]
struct Told;

impl Writable for Told {}

#[Object]
impl Told {
    async fn happened(&self) -> Written<Query> {
        Written(Query::default())
    }
}

/// Counts how often the rules are asked, and that async-graphql parses nothing.
#[derive(Clone, Default)]
struct Counting {
    validated: Arc<AtomicUsize>,
    parsed: Arc<AtomicUsize>,
}

impl ExtensionFactory for Counting {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Extension for Counting {
    async fn validation(&self, ctx: &ExtensionContext<'_>, next: NextValidation<'_>) -> Result<ValidationResult, Vec<ServerError>> {
        self.validated.fetch_add(1, Ordering::Relaxed);
        next.run(ctx).await
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // Of a document that is parsed there is no text.
        self.parsed.fetch_add(usize::from(!query.is_empty()), Ordering::Relaxed);
        next.run(ctx, query, variables).await
    }
}

/// Runs a document with these variables, one after another, and gives back the answers and how often it was validated in all.
async fn validated(text: &str, runs: &[serde_json::Value]) -> (Vec<Response>, usize) {
    let config = ServerConfig::at("postgres://nobody@nowhere.invalid/none", crate::access::tokens::generate_key().unwrap());
    let services = Services::new(&config, Arc::new(SystemClock)).unwrap();
    let counting = Counting::default();
    let api = Executor::<Query, EmptyMutation, Told>::build(|schema| schema.extension(counting.clone())).unwrap();
    let types = TypeMap::from_sdl(&api.schema().sdl()).unwrap();
    let document = Document::prepare(text, &types, &config.documents).unwrap();
    let selection = document.selection(None).unwrap();
    // The schema is asked for its typename when it is built.
    assert_eq!(counting.parsed.swap(0, Ordering::Relaxed), 1);
    let before = counting.validated.load(Ordering::Relaxed);
    let mut answers = Vec::new();
    for variables in runs {
        let client = ClientInfo { ip: None, request_id: "test".into() };
        let operation = Operation::new(services.clone(), None, Arc::clone(&selection), client);
        answers.push(api.run(&operation, Variables::from_json(variables.clone())).await);
    }
    assert_eq!(counting.parsed.load(Ordering::Relaxed), 0, "{text}");
    (answers, counting.validated.load(Ordering::Relaxed) - before)
}

fn written(answer: &Response) -> serde_json::Value {
    serde_json::from_slice(&json::to_vec(&answer.data).unwrap()).unwrap()
}

#[tokio::test]
async fn a_known_document_is_not_validated_again() {
    let documents = [
        ("once", "query($n: Int!) { twice(number: $n) below { twice(number: $n) } }"),
        ("put together", "query($n: Int!) { twice(number: $n) below { twice(number: $n) } below { __typename } }"),
        ("of the schema", "query($n: Int!) { twice(number: $n) below { twice(number: $n) } __schema { queryType { name } } }"),
    ];
    for (how, document) in documents {
        let (answers, times) = validated(document, &[value!({"n": 1}), value!({"n": 2}), value!({"n": 3})]).await;
        assert_eq!(times, 1, "{how}");
        for (number, answer) in (1..).zip(answers) {
            assert!(answer.errors.is_empty(), "{how}: {:?}", answer.errors);
            assert_eq!(written(&answer)["twice"], 2 * number, "{how}");
        }
    }
    for document in ["subscription { happened { __typename } }", "subscription { happened { below { a: __typename } below { b: __typename } } }"] {
        let (answers, times) = validated(document, &[value!({}), value!({})]).await;
        assert_eq!(times, 1, "{document}");
        assert!(answers.iter().all(|answer| answer.errors.is_empty() && written(answer)["happened"].is_object()), "{document}: {answers:?}");
    }
}

/// What is not known is found out: a value that may not be of its type, a variable that had no value before, and a document that is not valid.
#[tokio::test]
async fn what_is_in_doubt_is_validated() {
    let document = "query($n: Int = 1) { twice(number: $n) }";
    let (answers, times) = validated(document, &[value!({"n": 1}), value!({"n": "one"}), value!({"n": 1})]).await;
    assert_eq!((times, answers.iter().map(|answer| answer.errors.len()).collect::<Vec<_>>()), (2, vec![0, 1, 0]));
    for wrong in ["{ nothing }", "{ nothing nothing below { twice } below { __typename } }", "{ nothing __schema { queryType { name } } }"] {
        let (answers, times) = validated(wrong, &[value!({}), value!({})]).await;
        assert_eq!(times, 2, "{wrong}");
        assert!(answers.iter().all(|answer| !answer.errors.is_empty() && answer.data == Value::Null), "{wrong}: {answers:?}");
    }
}

/// Two selections under one key are one field, which is asked once, also beside what is asked of the schema.
#[tokio::test]
async fn selections_under_one_key_are_put_together() {
    let below = value!({"a": "Query", "b": "Query"});
    for (document, expected, errors) in [
        ("{ nowAndThen below { a: __typename } nowAndThen below { b: __typename } }", value!({"nowAndThen": 1, "below": below}), 0),
        (
            "{ below { a: __typename } ...S below { b: __typename } s: __schema { m: mutationType { name } } } \
             fragment S on Query { s: __schema { queryType { name } } n: __typename }",
            value!({"below": below, "s": {"queryType": {"name": "Query"}, "m": null}, "n": "Query"}),
            0,
        ),
        ("{ below { __typename } below { __typename always } }", value!(null), 1),
    ] {
        let (answers, _) = validated(document, &[value!({})]).await;
        assert_eq!(written(&answers[0]).to_string(), expected.to_string(), "{:?}", answers[0].errors);
        assert_eq!(answers[0].errors.len(), errors, "{:?}", answers[0].errors);
    }
}

/// Where a key stands depends on which of its selections is there first; what stands below it on which of them are there.
#[tokio::test]
async fn conditions_decide_which_selections_are_put_together() {
    let document = "query($a: Boolean!, $b: Boolean!) { below @include(if: $a) { x: __typename } n: __typename \
        below @include(if: $b) { y: __typename } ... @skip(if: $b) { below @include(if: $a) { z: __typename } } }";
    for (a, b, expected) in [
        (true, true, r#"{"below":{"x":"Query","y":"Query"},"n":"Query"}"#),
        (true, false, r#"{"below":{"x":"Query","z":"Query"},"n":"Query"}"#),
        (false, true, r#"{"n":"Query","below":{"y":"Query"}}"#),
        (false, false, r#"{"n":"Query"}"#),
    ] {
        let (answers, _) = validated(document, &[value!({"a": a, "b": b}), value!({"a": a, "b": b})]).await;
        for answer in answers {
            assert_eq!(String::from_utf8(json::to_vec(&answer.data).unwrap()).unwrap(), expected, "{:?}", answer.errors);
        }
    }
}
