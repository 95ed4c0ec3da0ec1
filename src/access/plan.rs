//! What is selected of a type at one place of a document, with its fragments spread out and what stands under one key put together: the fields that a
//! row of the answer has, in their order (GraphQL specification, 6.3.2 "Field Collection").
//!
//! A plan is made once for a document and kept with it. Which fields `@skip` and `@include` leave in is seen when an operation runs, by its variables.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use async_graphql::parser::types::{Field, InlineFragment, Selection as Node, SelectionSet};
use async_graphql::{ContextSelectionSet, Positioned, Variables};
use async_graphql_value::Value as Argument;

use crate::access::condition::Condition;
use crate::access::cost::spent::{OwnPrice, of_object};
use crate::access::document::Selection;
use crate::access::document::merging::is_same;
use crate::base::text::snake_case;
use crate::base::{Error, Result};

/// The fields of an object in the answer.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the answer.
    pub entries: Vec<Entry>,
    /// Whether there are plain fields among them.
    pub is_plain: bool,
    /// What an object costs.
    weight: u64,
    /// The bytes of an object, as noted.
    each: AtomicUsize,
    /// Whether it is kept with the document.
    is_kept: AtomicBool,
}

/// Plans by which an operation has resolved an object in full, guards and all, without an error: the first 32 of them, of which a list with its rows takes
/// two to five. Asked for every object, and so without a lock.
#[derive(Debug, Default)]
pub struct Proven([AtomicUsize; 32]);

impl Proven {
    /// Whether the plan is one of them. Plans stay where they are as long as the operation.
    pub fn has(&self, plan: &Plan) -> bool {
        let mut known = self.0.iter().map(|place| place.load(Ordering::Acquire)).take_while(|known| *known != 0);
        known.any(|known| known == std::ptr::from_ref(plan).addr())
    }

    /// Adds a plan, if there is room.
    pub fn add(&self, plan: &Plan) {
        let plan = std::ptr::from_ref(plan).addr();
        let took = |place: &&AtomicUsize| match place.compare_exchange(0, plan, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(known) => known == plan,
        };
        let _ = self.0.iter().find(took);
    }

    /// Takes all of them back.
    pub fn clear(&self) {
        self.0.iter().for_each(|known| known.store(0, Ordering::Release));
    }
}

/// No more memory is taken for an object beforehand, however long one was.
const MOST_BYTES_EACH: usize = 1024;

/// A field of an object in the answer.
#[derive(Debug)]
pub struct Entry {
    /// What stands before the value: the response key and a colon.
    pub key: Vec<u8>,
    /// The field as it is selected.
    pub field: Positioned<Field>,
    /// Whether it is null by itself when it fails.
    pub nullable: bool,
    /// Whether it is `__typename`.
    pub is_type_name: bool,
    /// Its place among the plain fields of its type; `None` when it is none of them.
    pub plain: Option<usize>,
    /// The conditions under which it is there,
    when: Vec<Condition>,
    /// unless all of some of these hold: then the same key stands further ahead.
    unless: Vec<Vec<Condition>>,
    /// What it costs besides the objects that it leads to.
    price: OwnPrice,
    seen: AtomicU8,
    /// What is selected below it of a Rust type, once that was found and is kept with the document.
    below: OnceLock<(RustType, Arc<Plan>)>,
}

/// A Rust type by where its name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RustType(usize, usize);

impl RustType {
    /// That of `T`.
    #[must_use]
    pub fn of<T: ?Sized>() -> Self {
        let name = std::any::type_name::<T>();
        Self(name.as_ptr().addr(), name.len())
    }
}

/// How a field was seen to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Whenever it was asked, it had its answer.
    AtOnce,
    /// It waited for something.
    Waiting,
}

impl Entry {
    /// Whether it has no fields of its own.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.field.node.selection_set.node.items.is_empty()
    }

    /// How it was seen to answer; `None` when it was not asked yet.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        match self.seen.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Seen::AtOnce),
            _ => Some(Seen::Waiting),
        }
    }

    /// Notes how it answered. Once it was seen to wait, it is expected to.
    pub fn note(&self, seen: Seen) {
        let known = if seen == Seen::AtOnce { 1 } else { 2 };
        self.seen.fetch_max(known, Ordering::Relaxed);
    }

    /// What is selected of `T` below it, once that was [kept](Entry::keep_below).
    #[must_use]
    pub fn below<T: ?Sized>(&self) -> Option<&Plan> {
        self.below.get().filter(|(of, _)| *of == RustType::of::<T>()).map(|(_, plan)| &**plan)
    }

    /// Keeps what is selected of `T` below it, unless that ends with its operation.
    pub fn keep_below<T: ?Sized>(&self, plan: &Arc<Plan>) {
        if plan.is_kept.load(Ordering::Relaxed) {
            let _ = self.below.set((RustType::of::<T>(), Arc::clone(plan)));
        }
    }

    /// Whether it is there when the variables have these values.
    #[must_use]
    pub fn is_there(&self, variables: &Variables) -> bool {
        let all_hold = |conditions: &[Condition]| conditions.iter().all(|condition| condition.holds(variables));
        all_hold(&self.when) && !self.unless.iter().any(|conditions| all_hold(conditions))
    }

    /// Adds what is selected below the same field where it is selected once more, under these conditions.
    ///
    /// # Errors
    /// `INTERNAL` when it is not the same field with the same arguments, which is refused before anything runs.
    fn join(&mut self, field: &Positioned<Field>, when: &[Condition]) -> Result<()> {
        if !is_same(&self.field.node, &field.node) {
            return Err(not_valid());
        }
        let more = &field.node.selection_set;
        let directives: Vec<_> =
            when.iter().filter(|condition| !self.when.contains(condition)).map(|condition| condition.directive(more.pos)).collect();
        let items = &mut self.field.node.selection_set.node.items;
        if directives.is_empty() {
            items.extend(more.node.items.iter().cloned());
        } else if !more.node.items.is_empty() {
            let fragment = InlineFragment { type_condition: None, directives, selection_set: more.clone() };
            items.push(Positioned::new(Node::InlineFragment(Positioned::new(fragment, more.pos)), more.pos));
        }
        Ok(())
    }
}

/// What the rules of validation let through nowhere.
fn not_valid() -> Error {
    Error::internal("a document that is not valid was executed")
}

impl Plan {
    /// How many parts of the document it repeats.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.entries.iter().map(|entry| parts(&entry.field.node)).sum()
    }

    /// The fields of an object that are there when the variables have these values.
    pub fn there(&self, variables: &Variables) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_there(variables))
    }

    /// Whether each of these fields always had its answer at once, so far.
    #[must_use]
    pub fn is_there_at_once(&self, variables: &Variables) -> bool {
        self.there(variables).all(|entry| entry.is_type_name || entry.seen() == Some(Seen::AtOnce))
    }

    /// Whether nothing is to be read for an object beside its row; not known of what has fields of its own.
    #[must_use]
    pub fn is_in_the_row(&self) -> bool {
        self.entries.iter().all(|entry| (entry.plain.is_some() && entry.is_leaf()) || entry.is_type_name)
    }

    /// The points of an object, when the variables have these values.
    #[must_use]
    pub fn points(&self, variables: &Variables) -> u64 {
        let priced = self.entries.iter().filter(|entry| !entry.price.is_nothing() && entry.is_there(variables));
        priced.fold(self.weight, |sum, entry| sum.saturating_add(entry.price.points(variables)))
    }

    /// About how many bytes so many objects take, by how many they took before.
    #[must_use]
    pub fn length(&self, objects: usize) -> usize {
        2 + objects.saturating_mul(self.each.load(Ordering::Relaxed))
    }

    /// Notes that it is kept with the document.
    pub fn note_kept(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    /// Notes how many bytes objects took.
    pub fn note_length(&self, bytes: usize, objects: usize) {
        let each = bytes.checked_div(objects).map_or(0, |each| each + each / 8);
        self.each.fetch_max(each.min(MOST_BYTES_EACH), Ordering::Relaxed);
    }

    /// What is selected of the type, which has these plain fields.
    ///
    /// # Errors
    /// `INTERNAL` for a document that is not valid.
    pub fn of(ctx: &ContextSelectionSet<'_>, selection: &Selection, type_name: &str, plain: &[&str]) -> Result<Self> {
        let mut plan = Self { weight: of_object(&ctx.schema_env.registry, type_name), ..Self::default() };
        let place = Place { ctx, selection, type_name, plain };
        plan.spread(&place, &ctx.item.node, &[])?;
        plan.is_plain = plan.entries.iter().any(|entry| entry.plain.is_some());
        Ok(plan)
    }

    fn spread(&mut self, place: &Place<'_>, set: &SelectionSet, when: &[Condition]) -> Result<()> {
        set.items.iter().try_for_each(|item| {
            let when: Vec<Condition> = when.iter().cloned().chain(Condition::of(item.node.directives())).collect();
            match &item.node {
                Node::Field(field) => self.add(place, field, when),
                Node::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|condition| condition.node.on.node.as_str());
                    let applies = condition.is_none_or(|condition| place.is(condition));
                    if applies { self.spread(place, &fragment.node.selection_set.node, &when) } else { Ok(()) }
                }
                Node::FragmentSpread(spread) => match place.selection.fragment(&spread.node.fragment_name.node) {
                    Some(fragment) if place.is(&fragment.node.type_condition.node.on.node) => {
                        self.spread(place, &fragment.node.selection_set.node, &when)
                    }
                    Some(_) => Ok(()),
                    None => Err(not_valid()),
                },
            }
        })
    }

    /// Adds a field. Its key has its place where it is first selected, which may depend on variables: so there is an entry for each selection that can
    /// be the first, with what all those after it select below the same key.
    fn add(&mut self, place: &Place<'_>, field: &Positioned<Field>, when: Vec<Condition>) -> Result<()> {
        let (key, mut unless) = (field.node.response_key().node.as_str(), Vec::new());
        for known in self.entries.iter_mut().filter(|entry| entry.field.node.response_key().node == key) {
            known.join(field, &when)?;
            if known.when.iter().all(|condition| when.contains(condition)) {
                // It never is the first.
                return Ok(());
            }
            unless.push(known.when.clone());
        }
        let is_type_name = field.node.name.node == "__typename";
        let of = place.ctx.schema_env.registry.types.get(place.type_name).and_then(|of| of.field_by_name(&field.node.name.node));
        let Some(nullable) = of.map(|of| !of.ty.ends_with('!')).or(is_type_name.then_some(false)) else {
            return Err(not_valid());
        };
        let key = format!("\"{key}\":").into_bytes();
        let price = OwnPrice::of(&place.ctx.schema_env.registry, place.type_name, &field.node);
        let name = snake_case(&field.node.name.node);
        let plain = place.plain.iter().position(|plain| *plain == name).filter(|_| field.node.arguments.is_empty());
        self.entries.push(Entry {
            key,
            field: field.clone(),
            nullable,
            is_type_name,
            plain,
            when,
            unless,
            price,
            seen: AtomicU8::new(0),
            below: OnceLock::new(),
        });
        Ok(())
    }
}

/// How many selections and values a field consists of.
fn parts(field: &Field) -> usize {
    fn of_value(value: &Argument) -> usize {
        1 + match value {
            Argument::List(items) => items.iter().map(of_value).sum(),
            Argument::Object(members) => members.values().map(of_value).sum(),
            _ => 0,
        }
    }
    fn of_set(set: &SelectionSet) -> usize {
        let below = set.items.iter().map(|item| match &item.node {
            Node::Field(field) => parts(&field.node),
            Node::InlineFragment(fragment) => 1 + of_set(&fragment.node.selection_set.node),
            Node::FragmentSpread(_) => 1,
        });
        below.sum()
    }
    1 + field.arguments.iter().map(|(_, value)| of_value(&value.node)).sum::<usize>() + of_set(&field.selection_set.node)
}

/// Where a plan is made.
struct Place<'a> {
    ctx: &'a ContextSelectionSet<'a>,
    selection: &'a Selection,
    type_name: &'a str,
    /// The plain fields of the type, in snake case.
    plain: &'a [&'a str],
}

impl Place<'_> {
    /// Whether an object of the type is one of what a fragment is on.
    fn is(&self, condition: &str) -> bool {
        let implemented = self.ctx.schema_env.registry.implements.get(self.type_name);
        self.type_name == condition || implemented.is_some_and(|interfaces| interfaces.contains(condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let document = async_graphql::parser::parse_query("{ value { amount } }").unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let Node::Field(field) = &operation.node.selection_set.node.items[0].node else { panic!("a field") };
        Entry {
            key: b"\"value\":".to_vec(),
            field: field.clone(),
            nullable: false,
            is_type_name: false,
            plain: None,
            when: Vec::new(),
            unless: Vec::new(),
            price: OwnPrice::default(),
            seen: AtomicU8::new(0),
            below: OnceLock::new(),
        }
    }

    #[test]
    fn what_is_selected_below_is_kept_for_its_type_unless_it_ends_with_its_operation() {
        let (entry, plan) = (entry(), Arc::new(Plan::default()));
        entry.keep_below::<String>(&plan);
        assert!(entry.below::<String>().is_none());
        plan.note_kept();
        entry.keep_below::<String>(&plan);
        assert!(entry.below::<String>().is_some_and(|below| std::ptr::eq(below, &*plan)));
        assert!(entry.below::<i64>().is_none());
    }

    #[test]
    fn plans_are_proven_until_they_are_taken_back_or_there_are_too_many() {
        let (proven, plans) = (Proven::default(), std::array::from_fn::<Plan, 40, _>(|_| Plan::default()));
        assert!(!proven.has(&plans[0]));
        for plan in plans.iter().chain(&plans) {
            proven.add(plan);
        }
        assert_eq!(plans.iter().filter(|plan| proven.has(plan)).count(), 32);
        proven.clear();
        assert!(!plans.iter().any(|plan| proven.has(plan)));
        proven.add(&plans[39]);
        assert!(proven.has(&plans[39]));
    }
}
