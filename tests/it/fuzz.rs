//! Documents and variables as nobody should send them: nothing panics, nothing takes long, and every refusal has a code.
//!
//! Each case follows from the seed and its number alone. `PAYAID_FUZZ_SECONDS` says how long it goes on, `PAYAID_FUZZ_SEED` with which seed it begins, and
//! `PAYAID_FUZZ_CASE` names a single case to look at.

mod dice;
mod grammar;
mod hostile;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::Response;
use nix::time::{ClockId, clock_gettime};
use payaid::App;
use payaid::access::budget::{self, Asking};
use payaid::access::consistency::Asked;
use payaid::access::guard::admit;
use payaid::access::scope::Means;
use payaid::access::tier::Plan;
use payaid::access::{ClientInfo, Operation, Role, Scope};
use payaid::base::clock::SystemClock;
use payaid::base::{Code, Error, SharedClock, json};
use payaid::platform::config::{DocumentConfig, Introspection};
use payaid::web::cost::Wanted;
use payaid::web::errors::Body;
use payaid::web::pipeline::{self, Caller, Carries};
use payaid::web::request::{self, GraphqlRequest};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::harness::app::config;
use crate::harness::schema::Schema;
use dice::Dice;
use grammar::Grammar;

/// How much of a thread's time an operation may take, from its text to its answer.
const MOST: Duration = Duration::from_millis(100);
/// How often an operation that took longer is sent again, because others on the machine make everything slower for a while.
const TRIES: usize = 3;
/// So that every run of the tests does the same.
const SEED: u64 = 20_261_121;
const SECONDS: u64 = 5;

fn setting(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// A server whose database is not there.
fn app() -> Arc<App> {
    payaid::access::tokens::install_crypto();
    let mut config = config("postgres://nobody@127.0.0.1:1/nothing");
    config.database.pool_wait = Duration::from_millis(10);
    // As servers run, but for what an anonymous caller may ask.
    config.documents = DocumentConfig { introspection: Introspection::Everybody, ..DocumentConfig::default() };
    App::build(config, Arc::new(SystemClock)).unwrap()
}

/// The body of a request.
fn body(schema: &Schema, seed: u64) -> Vec<u8> {
    let mut grammar = Grammar::new(schema, Dice::new(seed));
    let (mut text, mut variables) = grammar.operation();
    let dice = &mut grammar.dice;
    match dice.below(100) {
        0..40 => {}
        40..70 => text = hostile::mutate_words(&text, dice),
        70..90 => text = hostile::bomb(dice),
        _ => {
            let bomb = hostile::bomb(dice);
            text = hostile::mutate_words(&bomb, dice);
        }
    }
    if dice.chance(3) {
        variables.insert("v0".to_owned(), vec![1; 100_000].into());
    }
    let mut request = serde_json::json!({"query": text, "variables": variables});
    match dice.below(20) {
        0 => request["operationName"] = "Operation".into(),
        1 => request["extensions"] = serde_json::json!({"persistedQuery": {"version": 1, "sha256Hash": "0".repeat(64)}}),
        2 => request = serde_json::json!({"documentId": text}),
        3 => request = vec![request; 1 + dice.below(3)].into(),
        _ => {}
    }
    let mut bytes = serde_json::to_vec(&request).unwrap();
    if dice.chance(10) {
        hostile::mutate_bytes(&mut bytes, dice);
    }
    bytes
}

/// The requests of a body; the codes of those that cannot be read.
fn requests(body: &[u8]) -> (Vec<GraphqlRequest>, Vec<Error>) {
    match request::Body::read(body, 10) {
        Ok(request::Body::One(request)) => (vec![request], Vec::new()),
        Ok(request::Body::Batch(requests)) => {
            let (good, bad): (Vec<_>, Vec<_>) = requests.into_iter().partition(Result::is_ok);
            (good.into_iter().map(Result::unwrap).collect(), bad.into_iter().map(Result::unwrap_err).collect())
        }
        Err(error) => (Vec::new(), vec![error]),
    }
}

fn scope(request_id: &Arc<str>) -> Scope {
    Scope {
        organization: uuid::Uuid::nil(),
        user: uuid::Uuid::nil(),
        means: Means::Session(uuid::Uuid::nil()),
        role: Role::Owner,
        permissions: Role::Owner.permissions(),
        plan: Plan::Free,
        time_zone: chrono_tz::Asia::Kolkata,
        request_id: Arc::clone(request_id),
        clock: Arc::new(SystemClock) as SharedClock,
    }
}

/// The way of an operation of somebody who is signed in, which without a database cannot be gone from its beginning.
async fn signed_in(app: &App, mut request: GraphqlRequest, request_id: &Arc<str>) -> Result<Response, Error> {
    let found = app.documents.find(request.document).await?;
    let document = app.prepared(&found)?;
    let selection = document.selection(request.operation_name.as_deref())?;
    let scope = scope(request_id);
    admit(Some(&scope), &selection, true)?;
    selection.check_variables(&request.variables)?;
    selection.fill_in(&mut request.variables);
    let points = selection.price().points(&request.variables);
    if selection.price().explain(&request.variables).iter().fold(0, |sum: u64, line| sum.saturating_add(line.points)) > points {
        return Err(Error::internal("the explanation of a price comes to more than the price"));
    }
    if points > app.config.documents.document_max_cost {
        return Err(Error::new(Code::DocumentTooComplex, "too dear"));
    }
    let client = ClientInfo { ip: None, request_id: Arc::clone(request_id) };
    let asking = Asking { scope: Some(&scope), ip: None, request_id };
    let charge = budget::admit(&app.services.limits, asking, Some(&selection), points).await.map_err(|refused| refused.error)?;
    let operation = Operation::routed(app.services.clone(), Some(scope), selection, client, Some(Arc::new(charge)), None);
    Ok(app.api.run(&operation, request.variables).await)
}

/// What is wrong with an answer.
fn judge(body: &Body) -> Option<String> {
    let bytes = json::to_vec(body).map_err(|error| error.to_string()).unwrap_or_default();
    let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else { return Some("the answer is not JSON".to_owned()) };
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    if errors.is_empty() && answer["data"].is_null() {
        return Some(format!("neither data nor errors: {answer}"));
    }
    errors.iter().find_map(|error| {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        let known = Code::ALL.iter().any(|known| known.as_str() == code && *known != Code::InternalError);
        (!known).then(|| format!("an error with the code `{code}`: {error}"))
    })
}

/// What came of a body.
#[derive(Default)]
struct Outcome {
    wrong: Option<String>,
    /// The longest that one of its operations took.
    longest: Duration,
}

impl Outcome {
    /// Notes what is wrong with an answer that has taken its time since `begun`.
    fn note(&mut self, who: &str, begun: Duration, answer: &Body) {
        self.longest = self.longest.max(spent() - begun);
        self.wrong = self.wrong.take().or_else(|| judge(answer).map(|wrong| format!("{who}: {wrong}")));
    }
}

/// Everything that happens to a body, anonymous and signed in.
async fn run(app: &App, body: &[u8]) -> Outcome {
    let request_id: Arc<str> = "fuzz".into();
    let mut outcome = Outcome::default();
    let begun = spent();
    let (good, bad) = requests(body);
    outcome.longest = spent() - begun;
    if let Some(error) = bad.iter().find(|error| error.code == Code::InternalError) {
        outcome.wrong = Some(format!("a body is refused with {error:?}"));
    }
    let caller =
        Caller { request_id: Arc::clone(&request_id), token: None, ip: None, asked: Asked::default(), routing: false, cost: Wanted::Explained };
    for request in good {
        let begun = spent();
        let reply = pipeline::run(app, &caller, request, Carries::All).await;
        outcome.note("anonymous", begun, &reply.body);
    }
    for request in requests(body).0 {
        let begun = spent();
        let answer = match signed_in(app, request, &request_id).await {
            Ok(response) => Body::of(response, &request_id, 20, false),
            Err(error) => Body::refusal(&error, &request_id),
        };
        outcome.note("signed in", begun, &answer);
    }
    outcome
}

/// Runs a body, as often as it takes to find out whether it is slow.
fn tried(runtime: &Runtime, app: &App, body: &[u8]) -> Outcome {
    let mut best = Outcome { longest: Duration::MAX, ..Outcome::default() };
    for _ in 0..TRIES {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(app, body))));
        let outcome =
            outcome.unwrap_or_else(|panic| Outcome { wrong: Some(format!("a panic: {}", pipeline::panic_message(&*panic))), ..Outcome::default() });
        if outcome.wrong.is_some() {
            return outcome;
        }
        best.longest = best.longest.min(outcome.longest);
        if best.longest <= MOST {
            return best;
        }
    }
    best.wrong = Some(format!("{} ms of computing", best.longest.as_millis()));
    best
}

/// How much time this thread has spent computing.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// The beginning and the end of a body that may be long.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let letters: Vec<char> = text.chars().collect();
    let part = |from: usize, until: usize| letters[from..until].iter().collect::<String>();
    if letters.len() <= 800 { text.into_owned() } else { format!("{} ... {}", part(0, 500), part(letters.len() - 250, letters.len())) }
}

#[test]
#[allow(clippy::print_stdout, reason = "how far it came is what it is run for")]
fn no_document_harms() {
    let seconds = setting("PAYAID_FUZZ_SECONDS").unwrap_or(SECONDS);
    let seed = setting("PAYAID_FUZZ_SEED").unwrap_or(SEED);
    let cases = setting("PAYAID_FUZZ_CASE").map_or(0..u64::MAX, |case| case..case + 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let (app, schema, begun) = (app(), Schema::served(), Instant::now());
    // What is made once shall not count for the first case.
    payaid::base::phone::parse("+91 98765 43210").unwrap();
    runtime.block_on(run(&app, br#"{"query": "{ __schema { types { name } } }"}"#));
    let (mut count, mut longest) = (0, (Duration::ZERO, 0));
    let mut wrong = Vec::new();
    for case in cases {
        if begun.elapsed() > Duration::from_secs(seconds) || wrong.len() > 9 {
            break;
        }
        let body = body(&schema, seed.wrapping_mul(1_000_003).wrapping_add(case));
        if setting("PAYAID_FUZZ_CASE").is_some() {
            println!("{}", shown(&body));
        }
        let outcome = tried(&runtime, &app, &body);
        longest = longest.max((outcome.longest, case));
        count += 1;
        wrong.extend(outcome.wrong.map(|failure| format!("PAYAID_FUZZ_SEED={seed} PAYAID_FUZZ_CASE={case}: {failure}\n{}\n", shown(&body))));
    }
    let (most, case) = (longest.0.as_millis(), longest.1);
    println!("{count} cases from the seed {seed} in {} s; the longest, {case}, took {most} ms", begun.elapsed().as_secs());
    assert!(count > 0 && wrong.is_empty(), "{}", wrong.join("\n"));
}
