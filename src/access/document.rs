//! What a document asks for, found out once before anything runs: its operations, their root fields, and for every type the fields selected on it.
//!
//! Fragments are looked at once each, however often they are spread, so that a small document cannot make this walk long; and what the fragments
//! would expand to is counted without expanding them, so that such a document is refused before anybody spreads them out.

pub mod merging;
mod nesting;
mod schema_walk;
mod types;
mod validity;
mod walk;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition, Selection as Node, SelectionSet,
};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, Name, Positioned, Value, Variables, parser};

use crate::access::condition::Condition;
use crate::access::cost::price::Price;
use crate::access::limits::Class;
use crate::access::plan::{Plan, RustType};
use crate::access::variables::is_surely;
use crate::access::writer::Writable;
use crate::base::{Code, Error, Map, Result};
use crate::platform::config::DocumentConfig;
use crate::platform::postgres::{ColumnNames, Need, Needs, ReadShape};
use merging::{Conflict, Merging};
pub use types::TypeMap;
use validity::Validity;
use walk::Walk;

/// One operation of a document: its text, and what it selects.
#[derive(Debug)]
pub struct Selection {
    document: Arc<ExecutableDocument>,
    name: Option<Name>,
    found: Found,
    conflict: Option<Conflict>,
    validity: Validity,
    plans: RwLock<Kept>,
    needs: Needs,
}

/// Plans by the address of a set of fields, which stays as long as the plan does, and the Rust type that it is asked of.
pub type Plans = Map<(usize, RustType), Arc<Plan>>;

/// The plans that are kept for later operations.
#[derive(Debug)]
struct Kept {
    plans: Plans,
    /// How many more parts of the document they may repeat; `None` once there was one too many.
    room: Option<usize>,
}

impl Kept {
    /// Keeps a plan that repeats so many parts, if there is room. Once there was none nothing is kept any more: the places of what is selected below a
    /// plan that ends with its operation are given to others after it.
    fn keep(&mut self, key: (usize, RustType), plan: &Arc<Plan>, parts: usize) -> bool {
        self.room = self.room.and_then(|room| room.checked_sub(parts));
        if self.room.is_some() {
            plan.note_kept();
            self.plans.insert(key, Arc::clone(plan));
        }
        self.room.is_some()
    }
}

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Reads.
    #[default]
    Query,
    /// Changes.
    Mutation,
    /// Is answered anew for each event.
    Subscription,
}

impl Kind {
    /// For logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// What an operation selects.
#[derive(Debug, Default)]
struct Found {
    kind: Kind,
    root_fields: Vec<String>,
    root_count: usize,
    by_type: HashMap<String, Vec<String>>,
    required_variables: Vec<Name>,
    /// Every variable with its type.
    variables: Vec<(Name, String)>,
    defaults: HashMap<Name, Value>,
    price: Arc<Price>,
    /// The classes that its root fields count in, one for each field.
    classes: Vec<Class>,
}

impl Selection {
    /// The operation as it stands in the document.
    #[must_use]
    pub fn definition(&self) -> Option<&Positioned<OperationDefinition>> {
        match (&self.document.operations, &self.name) {
            (DocumentOperations::Single(operation), _) => Some(operation),
            (DocumentOperations::Multiple(named), Some(name)) => named.get(name),
            (DocumentOperations::Multiple(_), None) => None,
        }
    }

    /// The name that it has in the document.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.name.as_ref().map(ToString::to_string)
    }

    /// The document that it stands in.
    #[must_use]
    pub fn document(&self) -> &ExecutableDocument {
        &self.document
    }

    /// A fragment of the document.
    #[must_use]
    pub fn fragment(&self, name: &Name) -> Option<&Positioned<FragmentDefinition>> {
        self.document.fragments.get(name)
    }

    /// Whether a field is selected in a set of fields or in the fragments that are spread there, whatever they are on, when the variables have these
    /// values.
    #[must_use]
    pub fn selects(&self, set: &SelectionSet, field: &str, variables: &Variables) -> bool {
        let left_in = set.items.iter().filter(|item| Condition::of(item.node.directives()).all(|condition| condition.holds(variables)));
        left_in.map(|item| &item.node).any(|item| match item {
            Node::Field(selected) => selected.node.name.node == field,
            Node::InlineFragment(fragment) => self.selects(&fragment.node.selection_set.node, field, variables),
            Node::FragmentSpread(spread) => {
                let fragment = self.fragment(&spread.node.fragment_name.node);
                fragment.is_some_and(|fragment| self.selects(&fragment.node.selection_set.node, field, variables))
            }
        })
    }

    /// What is selected of `T` at the place of a context, whose set of fields is the operation's own or one of another plan. Plans repeat parts of the
    /// document, and what that comes to is the caller's choice: so much of it is kept with the document, and the rest in `own` as long as the operation.
    ///
    /// # Errors
    /// `INTERNAL` for a document that is not valid.
    pub fn plan<T: Writable>(&self, ctx: &ContextSelectionSet<'_>, own: &Mutex<Plans>) -> Result<Arc<Plan>> {
        let key = (std::ptr::from_ref(ctx.item).addr(), RustType::of::<T>());
        if let Some(known) = self.plans.read().unwrap_or_else(PoisonError::into_inner).plans.get(&key) {
            return Ok(Arc::clone(known));
        }
        let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(&key) {
            return Ok(Arc::clone(known));
        }
        let plan = Arc::new(Plan::of(ctx, self, &T::type_name(), T::PLAIN)?);
        let mut kept = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.plans.get(&key) {
            return Ok(Arc::clone(known));
        }
        if !kept.keep(key, &plan, plan.repeats()) {
            own.insert(key, Arc::clone(&plan));
        }
        Ok(plan)
    }

    /// Two places in it that cannot be put together: then it is not valid.
    #[must_use]
    pub const fn conflict(&self) -> Option<&Conflict> {
        self.conflict.as_ref()
    }

    /// A bit for each variable that has no value; `None` when there are too many variables.
    #[must_use]
    pub fn absent(&self, variables: &Variables) -> Option<u64> {
        let bit = |(index, (name, _)): (usize, &(Name, String))| if variables.contains_key(name) { 0 } else { 1 << index };
        (self.found.variables.len() < 63).then(|| self.found.variables.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit))
    }

    /// Whether the document was found valid before, when no others than these variables were without a value: the rules leave out an argument in which
    /// such a variable stands.
    #[must_use]
    pub fn is_valid_without(&self, absent: u64) -> bool {
        self.validity.holds_without(absent)
    }

    /// Notes that the document was found valid while these variables had no value.
    pub fn note_valid_without(&self, absent: u64) {
        self.validity.note_without(absent);
    }

    /// Gives variables without a value their defaults, which async-graphql looks at for arguments and not for directives.
    pub fn fill_in(&self, variables: &mut Variables) {
        for (name, value) in &self.found.defaults {
            variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Whether the values, defaults among them, are surely of the types that the operation declares.
    #[must_use]
    pub fn fits(&self, registry: &Registry, variables: &Variables) -> bool {
        // The default of a variable makes its type one that cannot be null, to the rules.
        let is_null = |name: &Name| self.found.defaults.contains_key(name) && variables.get(name) == Some(&Value::Null);
        self.found.variables.iter().all(|(name, of)| !is_null(name) && is_surely(registry, of, variables.get(name)))
    }

    /// Refuses when a variable that must have a value has none: that is an error of the request, before any field is executed.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, which names the variable.
    pub fn check_variables(&self, variables: &Variables) -> Result<()> {
        let missing = self.found.required_variables.iter().find(|name| variables.get(*name).is_none_or(|value| *value == Value::Null));
        match missing {
            None => Ok(()),
            Some(name) => Err(Error::new(Code::ValidationError, format!("The variable `${name}` must have a value; send it in `variables`."))),
        }
    }

    /// What it can cost.
    #[must_use]
    pub fn price(&self) -> &Price {
        &self.found.price
    }

    /// The classes of limits that its root fields count in, one for each field.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.found.classes
    }

    /// Whether it asks for the schema itself.
    #[must_use]
    pub fn asks_for_schema(&self) -> bool {
        self.found.root_fields.iter().any(|name| name == "__schema" || name == "__type")
    }

    /// What the operation is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.found.kind
    }

    /// Whether the operation is a mutation.
    #[must_use]
    pub const fn is_mutation(&self) -> bool {
        matches!(self.found.kind, Kind::Mutation)
    }

    /// Whether the operation is a subscription.
    #[must_use]
    pub const fn is_subscription(&self) -> bool {
        matches!(self.found.kind, Kind::Subscription)
    }

    /// The names of the root fields, aliases resolved.
    #[must_use]
    pub fn root_fields(&self) -> &[String] {
        &self.found.root_fields
    }

    /// How many root fields there are, each alias counted.
    #[must_use]
    pub const fn root_count(&self) -> usize {
        self.found.root_count
    }

    /// What it needs of the rows of `R`.
    #[must_use]
    pub fn need<R: ReadShape<SelectExpression: ColumnNames> + 'static>(&self) -> Arc<Need> {
        self.needs.of::<R>(self.fields(R::TYPE))
    }

    /// The fields selected on a type anywhere in the operation, in snake case; `None` when the type does not occur.
    #[must_use]
    pub fn fields(&self, of: &str) -> Option<&[String]> {
        self.found.by_type.get(of).map(Vec::as_slice)
    }
}

/// A parsed document that is within the limits: its operations.
#[derive(Debug)]
pub struct Document {
    selections: HashMap<Option<String>, Arc<Selection>>,
}

impl Document {
    /// Parses a text and finds out what it asks for.
    ///
    /// # Errors
    /// `DOCUMENT_TOO_COMPLEX` beyond a limit, `VALIDATION_ERROR` when the text is no document.
    pub fn prepare(text: &str, types: &TypeMap, limits: &DocumentConfig) -> Result<Self> {
        Self::prepare_within(limits.document_max_bytes, text, types, limits)
    }

    /// As [`Document::prepare`], for a text of at most so many bytes.
    ///
    /// # Errors
    /// As [`Document::prepare`].
    pub fn prepare_within(most: usize, text: &str, types: &TypeMap, limits: &DocumentConfig) -> Result<Self> {
        if text.len() > most {
            return Err(too_long(text.len(), most));
        }
        nesting::check(text)?;
        metrics::counter!("documents_parsed_total").increment(1);
        let unparsed = |error| Error::new(Code::ValidationError, format!("The document cannot be parsed: {error}"));
        let parsed = Arc::new(parser::parse_query(text).map_err(unparsed)?);
        let all = operations(&parsed.operations);
        if all.len() > limits.document_max_operations {
            let allowed = format!("{} are allowed", limits.document_max_operations);
            return Err(too_complex(&format!("The document has {} operations", all.len()), &allowed));
        }
        // As many parts as the text has letters.
        let room = text.len() / all.len().max(1);
        let (mut selections, mut spread) = (HashMap::new(), HashSet::new());
        for (name, operation) in all {
            let (found, reached) = Walk::new(&parsed.fragments, types, limits).operation(&operation.node)?;
            let conflict = Merging::new(&parsed.fragments, types).conflict(&operation.node, types.root(found.kind));
            spread.extend(reached);
            let (document, name) = (Arc::clone(&parsed), name.cloned());
            let named = name.as_ref().map(ToString::to_string);
            let plans = RwLock::new(Kept { plans: Plans::default(), room: Some(room) });
            let (validity, needs) = (Validity::default(), Needs::default());
            selections.insert(named, Arc::new(Selection { document, name, found, conflict, validity, plans, needs }));
        }
        // Nobody has counted what stands in them, and the rules of validation would go through it.
        if let Some(unused) = parsed.fragments.keys().find(|name| !spread.contains(*name)) {
            return Err(Error::new(Code::ValidationError, format!("The fragment `{unused}` is not used: leave it out.")));
        }
        Ok(Self { selections })
    }

    /// The operation that a request names, or the only one.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when there is no such operation, or several and none was named.
    pub fn selection(&self, operation: Option<&str>) -> Result<Arc<Selection>> {
        let found = match operation {
            Some(name) => self.selections.get(&Some(name.to_owned())),
            None if self.selections.len() == 1 => self.selections.values().next(),
            None => return Err(Error::new(Code::ValidationError, "The document has several operations: name one in `operationName`.")),
        };
        let unknown = || Error::new(Code::ValidationError, "The document has no operation of the name in `operationName`.");
        found.map(Arc::clone).ok_or_else(unknown)
    }

    /// How many operations there are.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.selections.len()
    }

    /// Every operation.
    pub fn selections(&self) -> impl Iterator<Item = &Arc<Selection>> {
        self.selections.values()
    }
}

/// The error for a text of so many bytes.
#[must_use]
pub fn too_long(bytes: usize, most: usize) -> Error {
    Error::new(Code::DocumentTooComplex, format!("The document has {bytes} bytes; at most {most} are read. Send values as variables."))
}

/// The error of a document that has more of something than it may have.
fn too_complex(found: &str, allowed: &str) -> Error {
    Error::new(Code::DocumentTooComplex, format!("{found}; at most {allowed}. Ask for less, or in several operations."))
}

fn operations(all: &DocumentOperations) -> Vec<(Option<&Name>, &Positioned<OperationDefinition>)> {
    match all {
        DocumentOperations::Single(operation) => vec![(None, operation)],
        DocumentOperations::Multiple(named) => named.iter().map(|(name, operation)| (Some(name), operation)).collect(),
    }
}

#[cfg(test)]
mod tests;
