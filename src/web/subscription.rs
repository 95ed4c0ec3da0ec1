//! A subscription from its opening to its end, whatever carries it.
//!
//! What must hold: each answer is one for the rights that the caller has at that moment, and is paid like any other operation. Whatever ends a subscription
//! says where to go on from, so that nothing is lost: an event is answered, or comes again after `since`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::Variables;
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::App;
use crate::access::budget::{self, Asking, Charge};
use crate::access::document::Selection;
use crate::access::events::cursor::start_anew;
use crate::access::events::places::Place;
use crate::access::events::subscription::{Next, Subscription};
use crate::access::events::{Event, EventPosition};
use crate::access::guard::unauthenticated;
use crate::access::keys;
use crate::access::{ClientInfo, Operation, Scope};
use crate::base::{Code, Error, Result};
use crate::web::errors::Body;
use crate::web::extensions::Extensions;
use crate::web::observe::fresh_id;
use crate::web::pipeline::{Caller, Reply, is_empty, panic_message, status_of};

/// A subscription that is open.
pub struct Opened {
    _place: Place,
    caller: Caller,
    scope: Scope,
    selection: Arc<Selection>,
    variables: Variables,
    price: u64,
    reads_schema: bool,
    events: Subscription,
    /// Up to where everything was answered.
    answered: EventPosition,
}

/// What is needed to open a subscription, all checks passed.
pub struct Opening {
    /// Who asks.
    pub caller: Caller,
    /// On whose behalf.
    pub scope: Scope,
    /// What is selected.
    pub selection: Arc<Selection>,
    /// The variables, whole.
    pub variables: Variables,
    /// What each answer can cost.
    pub price: u64,
    /// Whether the caller may be told names of the schema.
    pub reads_schema: bool,
}

/// Opens a subscription, if its guards let the caller through and its arguments can be; that costs what an answer does.
///
/// # Errors
/// As the database fails, and `RATE_LIMITED` when the caller has as many open as she may; inside, the reply when the subscription is refused.
pub async fn open(app: &App, opening: Opening, charge: &Charge) -> Result<std::result::Result<Box<Opened>, Reply>> {
    let Opening { caller, scope, selection, variables, price, reads_schema } = opening;
    let client = ClientInfo { ip: caller.ip, request_id: Arc::clone(&caller.request_id) };
    let operation = Operation::watching(app.services.clone(), Some(scope.clone()), Arc::clone(&selection), client, None);
    let response = app.api.run(&operation, variables.clone()).await;
    charge.settle(price);
    if !response.errors.is_empty() {
        let body = Body::of(response, &caller.request_id, app.config.documents.max_errors, reads_schema);
        return Ok(Err(ended(Body { data: None, ..body })));
    }
    let place = app.subscriptions.take(scope.application())?;
    let nothing = || Error::new(Code::ValidationError, "The subscription selects nothing: its field is left out by a directive.");
    let interest = operation.watch().take_interest().ok_or_else(nothing)?;
    let events = app.services.events.subscribe(scope.organization, interest).await?;
    let answered = events.position();
    Ok(Ok(Box::new(Opened { caller, scope, selection, variables, price, reads_schema, events, answered, _place: place })))
}

/// The reply that ends a subscription.
fn ended(body: Body) -> Reply {
    let status = body.errors.first().map_or(axum::http::StatusCode::OK, |error| status_of(error.code()));
    Reply { status, body, budget: None }
}

impl Opened {
    /// What comes next.
    ///
    /// # Errors
    /// The reply that ends the subscription.
    pub async fn next(&mut self, app: &App) -> std::result::Result<Body, Reply> {
        loop {
            let event = match self.events.next().await {
                Ok(Next::Event(event)) => event,
                Ok(Next::TooSlow) => return Err(self.end(app, too_slow())),
                Ok(Next::Elsewhere) => {
                    let error = start_anew("Another database is written to since the subscription began.");
                    return Err(ended(Body::refusal(&error, &self.caller.request_id)));
                }
                Err(error) => return Err(self.end(app, error)),
            };
            let position = event.position;
            // In a box, which only those have who have something to answer.
            let body = self.answer(app, event).boxed().await.map_err(|failed| match failed {
                Failed::Error(error) => self.end(app, error),
                Failed::Refused(body) => self.end_with(app, body),
            })?;
            self.answered = position;
            if let Some(body) = body {
                let position = self.place(app);
                return Ok(Body { extensions: Some(Box::new(Extensions { position, ..Extensions::default() })), ..body });
            }
        }
    }

    /// What ends it when its token does.
    #[must_use]
    pub fn expired(&self, app: &App) -> Reply {
        self.end(app, keys::invalid("the token has ended"))
    }

    async fn answer(&mut self, app: &App, event: Arc<Event>) -> std::result::Result<Option<Body>, Failed> {
        let _turn = app.services.events.turn().await?;
        let request_id = fresh_id(&*app.services.clock);
        let token = self.caller.token.as_ref().ok_or_else(unauthenticated)?;
        self.scope = app.services.authenticate(token.expose_secret(), self.caller.ip, Arc::clone(&request_id)).await?;
        let asking = Asking { scope: Some(&self.scope), ip: self.caller.ip, request_id: &request_id };
        let admitted = budget::admit(&app.services.limits, asking, Some(&self.selection), self.price).await;
        let charge = admitted.map_err(|refused| refused.error)?;
        let client = ClientInfo { ip: self.caller.ip, request_id: Arc::clone(&request_id) };
        let operation = Operation::watching(app.services.clone(), Some(self.scope.clone()), Arc::clone(&self.selection), client, Some(event));
        let work = AssertUnwindSafe(app.api.answer(&operation, self.variables.clone())).catch_unwind();
        let outcome = tokio::time::timeout(app.config.http.operation_timeout, work).await;
        charge.settle(operation.spent());
        let response = match outcome {
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(response))) => response,
            Ok(Err(panic)) => return Err(Error::internal(format!("a resolver panicked: {}", panic_message(&*panic))).into()),
            Err(_) => return Err(Error::new(Code::Timeout, "The answer to a change took longer than it may. Ask for less at once.").into()),
        };
        let body = Body::of(response, &request_id, app.config.documents.max_errors, self.reads_schema);
        if !body.errors.is_empty() && body.data.as_ref().is_none_or(is_empty) {
            return Err(Failed::Refused(Body { data: None, ..body }));
        }
        Ok(Some(body))
    }

    /// Where to go on from.
    fn place(&self, app: &App) -> Option<String> {
        app.services.event_cursor(&self.scope, self.answered).ok()
    }

    fn end(&self, app: &App, error: Error) -> Reply {
        self.end_with(app, Body::refusal(&error, &self.caller.request_id))
    }

    fn end_with(&self, app: &App, mut body: Body) -> Reply {
        if let (Some(first), Some(position)) = (body.errors.first_mut(), self.place(app)) {
            first.add_detail("position", json!(position));
        }
        ended(body)
    }
}

/// Comes at an instant, or never.
pub async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Why an event was not answered.
enum Failed {
    Error(Error),
    Refused(Body),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn too_slow() -> Error {
    let message = "More changes were waiting than are kept for a client, so the subscription was ended. Read faster or select less, and subscribe \
        again with `details.position` as `since`.";
    Error::new(Code::RateLimited, message)
}
