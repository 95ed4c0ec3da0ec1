//! Changes across all kinds of objects: as pages for clients that keep a copy, and as they happen for those who follow everything.
//!
//! What must hold of the pages: whoever begins with the cursor of a first request, loads her lists after it, and goes on from cursor to cursor, has in the
//! end what the lists would show. Nothing is missed, in whatever order transactions end ([`crate::access::events::log`]); a cursor never goes back, also
//! where a replica is read that is behind; what the holder may see no more, or from now on, comes before everything else.

use std::collections::HashMap;
use std::time::Instant;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime as Instants, Utc};
use futures_util::FutureExt;

use crate::access::events::cursor::EventCursor;
use crate::access::events::{ChangeKind, Event, EventPosition, Noun, log};
use crate::access::writer::{Writable, Written, WrittenList};
use crate::access::{Operation, SignedIn};
use crate::base::Result;
use crate::base::directives::{cost, list_size};
use crate::base::id::AnyId;
use crate::base::page::{argument, at_most};
use crate::base::scalars::DateTime;
use crate::features::{AnyNode, find_any, told};
use crate::plain;

/// A change of one object, or of what may be seen of a kind of objects.
#[derive(Debug, Clone)]
pub struct Change {
    kind: ChangeKind,
    noun: String,
    row: Option<uuid::Uuid>,
    at: Option<Instants<Utc>>,
    position: EventPosition,
}

impl Writable for Change {
    plain!(kind, noun, id, at);
}

impl Change {
    fn of(event: &Event, kind: ChangeKind) -> Self {
        Self { kind, noun: event.noun.clone(), row: Some(event.row), at: Some(event.at), position: event.position }
    }

    fn of_kind(noun: &str, kind: ChangeKind, position: EventPosition) -> Self {
        Self { kind, noun: noun.to_owned(), row: None, at: None, position }
    }

    fn any_id(&self) -> Option<AnyId> {
        self.row.map(|uuid| AnyId { prefix: self.noun.clone(), uuid })
    }
}

/// A change of one object, or of what may be seen of a kind of objects.
#[Object(guard = "SignedIn")]
impl Change {
    /// What became of it.
    async fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The kind of object, such as `contact`.
    async fn noun(&self) -> &str {
        &self.noun
    }

    /// The identifier of the object; null when all objects of the kind are meant.
    async fn id(&self) -> Option<ID> {
        self.any_id().map(|id| ID(id.to_string()))
    }

    /// When it happened; null when all objects of the kind are meant.
    async fn at(&self) -> Option<DateTime> {
        self.at.map(DateTime)
    }

    /// Where it stands among all changes: a subscription goes on after it when this is sent as `since`.
    async fn position(&self, ctx: &Context<'_>) -> Result<String> {
        told::cursor(Operation::of(ctx)?, self.position)
    }

    /// The object as it is now; null when it was deleted, or all objects of the kind are meant. Null when it fails; the errors say why.
    async fn node(&self, ctx: &Context<'_>) -> Result<Option<AnyNode>> {
        match self.any_id().filter(|_| matches!(self.kind, ChangeKind::Created | ChangeKind::Updated)) {
            Some(id) => Ok(find_any(ctx, id).await?.map(AnyNode)),
            None => Ok(None),
        }
    }
}

/// Changes in the order of their positions, and from where to go on.
#[derive(Clone, SimpleObject)]
#[graphql(directive = cost::apply("2".into()))]
pub struct ChangePage {
    /// The changes, each object once, as it became last.
    pub nodes: WrittenList<Vec<Change>>,
    /// To be sent as `since` for what comes after this page.
    pub cursor: String,
    /// Whether there are more at this moment: go on from the cursor.
    pub has_more: bool,
}

impl Writable for ChangePage {
    plain!(nodes, cursor, has_more);
}

/// The query fields of changes.
#[derive(Default)]
pub struct Roots;

#[Object(name = "ChangeRoots")]
impl Roots {
    /// What was created, changed and deleted after a cursor, of all kinds of objects that the caller may see. Without one there are no changes, only the
    /// cursor of now: keep it, load your lists, and ask for what comes after it from then on. Null when it fails; the errors say why.
    #[graphql(
        guard = "SignedIn",
        directive = cost::apply("10".into()),
        directive = list_size::apply(Some(50), Some(vec!["first".to_owned()]), Some(vec!["nodes".to_owned()]), Some(false))
    )]
    async fn changes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cursor of the page before, or the position of a change; the cursor of now when left out.")] since: Option<String>,
        #[graphql(desc = "At most so many: 0 to 100.", default = 50)] first: i32,
    ) -> Result<Option<Written<ChangePage>>> {
        let (operation, most) = (Operation::of(ctx)?, at_most(first)?);
        let page = match since {
            // In boxes: all that is asked of the root bears the size of the largest of its fields.
            None => now(operation).boxed().await?,
            Some(since) => after(ctx, operation, told::since(operation, &since)?, most).boxed().await?,
        };
        Ok(Some(Written(page)))
    }
}

/// What is told of all kinds of objects.
#[derive(Default)]
pub struct Subscriptions;

#[Object(name = "ChangeSubscriptions")]
impl Subscriptions {
    /// Each change that was committed of an object that the caller may see. Null when it fails; the errors say why.
    #[graphql(guard = "SignedIn")]
    async fn changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these kinds of objects, such as `contact`; of all but `job` when left out.")] nouns: Option<Vec<String>>,
        #[graphql(desc = "From this position or cursor on, what has already happened first; from now on when left out.")] since: Option<String>,
    ) -> Result<Option<Written<Change>>> {
        let operation = Operation::of(ctx)?;
        let nouns = match nouns {
            None => seen(operation)?.map(|noun| noun.prefix).collect(),
            Some(nouns) => nouns.iter().map(|noun| asked(operation, noun)).collect::<Result<_>>()?,
        };
        let Some(event) = told::event(operation, nouns, since.as_deref())? else { return Ok(None) };
        let change = Change::of(event, event.kind);
        if let Some(id) = change.any_id().filter(|_| event.kind != ChangeKind::Deleted)
            && find_any(ctx, id).await?.is_none()
        {
            // It has gone since, and that is told by itself.
            operation.watch().let_pass();
            return Ok(None);
        }
        Ok(Some(Written(change)))
    }
}

/// The kinds of objects that the caller may see and keep a copy of.
fn seen(operation: &Operation) -> Result<impl Iterator<Item = &'static Noun> + use<>> {
    let permissions = operation.scope()?.permissions;
    Ok(operation.services().events.kept_nouns().filter(move |noun| permissions.has(noun.read)))
}

/// A kind of objects that the caller asks for.
fn asked(operation: &Operation, name: &str) -> Result<&'static str> {
    let known = operation.services().events.nouns();
    let Some(noun) = known.iter().find(|noun| noun.prefix == name) else {
        let all = known.iter().map(|noun| format!("`{}`", noun.prefix)).collect::<Vec<_>>().join(", ");
        return Err(argument("nouns", &format!("`nouns` names a kind of objects that is not told of. There are {all}.")));
    };
    operation.require(noun.read)?;
    Ok(noun.prefix)
}

/// No changes, and the cursor of now.
async fn now(operation: &Operation) -> Result<ChangePage> {
    let reads = operation.reads()?;
    let position = log::horizon(&reads.reader.db).await?;
    reads_from_here_on(operation).await?;
    Ok(ChangePage { nodes: WrittenList(Vec::new()), cursor: told::cursor(operation, position)?, has_more: false })
}

/// What is loaded next must not come from a replica that shows less than the cursor stands for.
async fn reads_from_here_on(operation: &Operation) -> Result<()> {
    let (scope, services) = (operation.scope()?, operation.services());
    if services.databases.replicas().is_empty() {
        return Ok(());
    }
    let place = services.databases.place_after(Instant::now()).await?;
    services.consistency.remember(scope.application(), Some(place), services.databases.lineage()).await;
    Ok(())
}

/// What comes after a cursor.
async fn after(ctx: &Context<'_>, operation: &Operation, since: EventCursor, most: usize) -> Result<ChangePage> {
    let nouns: Vec<&'static str> = seen(operation)?.map(|noun| noun.prefix).collect();
    let hidden = since.nouns.iter().filter(|noun| !nouns.contains(&noun.as_str())).map(|noun| (noun.as_str(), ChangeKind::Hidden));
    let shown = nouns.iter().filter(|noun| !since.nouns.iter().any(|known| known == *noun)).map(|noun| (*noun, ChangeKind::Shown));
    let turned: Vec<(&str, ChangeKind)> = hidden.chain(shown).collect();
    if !turned.is_empty() {
        return turned_page(operation, &since, &turned, most).await;
    }
    let reads = operation.reads()?;
    let db = &reads.reader.db;
    let page = log::read(db, reads.reader.organization(), &nouns, since.position, most).await?;
    let position = match page.events.last() {
        last if page.has_more => last.map_or(since.position, |last| last.position),
        // A replica may be behind the node that the cursor came from.
        _ => since.position.max(page.horizon),
    };
    let nodes = collapsed(ctx, page.events).await?;
    Ok(ChangePage { nodes: WrittenList(nodes), cursor: told::cursor(operation, position)?, has_more: page.has_more })
}

/// The page of what is seen no more, or from now on.
async fn turned_page(operation: &Operation, since: &EventCursor, turned: &[(&str, ChangeKind)], most: usize) -> Result<ChangePage> {
    let mut nouns = since.nouns.clone();
    let mut nodes = Vec::new();
    for (noun, kind) in turned.iter().take(most) {
        match kind {
            ChangeKind::Hidden => nouns.retain(|known| known != noun),
            _ => nouns.push((*noun).to_owned()),
        }
        nodes.push(Change::of_kind(noun, *kind, since.position));
    }
    reads_from_here_on(operation).await?;
    let cursor = EventCursor { position: since.position, nouns }.encode(&operation.scope()?, operation.services().line()?);
    Ok(ChangePage { nodes: WrittenList(nodes), cursor, has_more: true })
}

/// Each object once, where its last event stands: created, when that was in here as well, and deleted, when it is not there any more.
async fn collapsed(ctx: &Context<'_>, events: Vec<Event>) -> Result<Vec<Change>> {
    let mut last: HashMap<(String, uuid::Uuid), (Event, bool)> = HashMap::new();
    for event in events {
        let key = (event.noun.clone(), event.row);
        let created = event.kind == ChangeKind::Created || last.get(&key).is_some_and(|(_, created)| *created);
        last.insert(key, (event, created));
    }
    let mut last: Vec<(Event, bool)> = last.into_values().collect();
    last.sort_by_key(|(event, _)| event.position);
    let changes = last.iter().map(async |(event, created)| {
        let id = AnyId { prefix: event.noun.clone(), uuid: event.row };
        let is_there = event.kind != ChangeKind::Deleted && find_any(ctx, id).await?.is_some();
        let kind = match (is_there, created) {
            (false, _) => ChangeKind::Deleted,
            (true, true) => ChangeKind::Created,
            (true, false) => ChangeKind::Updated,
        };
        Ok(Change::of(event, kind))
    });
    futures_util::future::try_join_all(changes).await
}
