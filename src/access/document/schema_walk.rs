//! The limits of a document that asks for the schema itself. Tools ask for it in depth and with many fields, so there are limits of their own; what keeps
//! the answer from growing beyond all bounds is that the schema's lists may not be nested at will.

use std::collections::HashMap;

use async_graphql::parser::types::{FragmentDefinition, Selection as Node, SelectionSet};
use async_graphql::{Name, Positioned};

use super::too_complex;
use super::walk::check_nesting;
use crate::base::{Code, Error, Result};
use crate::platform::config::DocumentConfig;

/// The lists of the schema that lead on to further types.
const LISTS: [&str; 5] = ["types", "fields", "inputFields", "interfaces", "possibleTypes"];
/// How often these may be nested: the fields of all types, or the fields of the types of one type's fields.
const MOST_LISTS: usize = 2;

/// The most aliases at one level: tools use none, and each is one more for every field of the schema.
const MOST_ALIASES: usize = 5;

/// What is selected of the schema, with fragments spread out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub fields: usize,
    pub directives: usize,
    /// Those of the set itself.
    aliases: usize,
    depth: usize,
    lists: usize,
    /// How many sets stand within one another, this one among them.
    pub sets: usize,
}

#[derive(Debug, Default)]
pub(super) struct SchemaWalk<'a> {
    known: HashMap<&'a Name, Extent>,
    open: Vec<&'a Name>,
    /// How many sets are being looked at, each within the one before it.
    inside: usize,
}

impl<'a> SchemaWalk<'a> {
    /// What is selected below `__schema` or `__type`.
    ///
    /// # Errors
    /// `DOCUMENT_TOO_COMPLEX` beyond a limit, `VALIDATION_ERROR` for fragments in a circle.
    pub fn look(
        &mut self,
        set: &'a SelectionSet,
        fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
        limits: &DocumentConfig,
    ) -> Result<Extent> {
        let extent = self.set(set, fragments, limits)?;
        if extent.depth > limits.introspection_max_depth {
            return Err(too_complex(
                &format!("The document nests {} fields of the schema", extent.depth),
                &format!("{} are allowed", limits.introspection_max_depth),
            ));
        }
        if extent.lists > MOST_LISTS {
            let found = format!("The document nests {} lists of the schema, such as `fields` within `fields`", extent.lists);
            return Err(too_complex(&found, &format!("{MOST_LISTS} are allowed")));
        }
        Ok(extent)
    }

    /// The fragments that were spread.
    pub fn spread(&self) -> impl Iterator<Item = &'a Name> {
        self.known.keys().copied()
    }

    fn set(
        &mut self,
        set: &'a SelectionSet,
        fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
        limits: &DocumentConfig,
    ) -> Result<Extent> {
        self.inside = self.inside.saturating_add(1);
        check_nesting(self.inside)?;
        let mut extent = Extent { sets: 1, ..Extent::default() };
        for item in &set.items {
            let mut inner = match &item.node {
                Node::Field(field) => {
                    let below = self.set(&field.node.selection_set.node, fragments, limits)?;
                    let lists = below.lists + usize::from(LISTS.contains(&field.node.name.node.as_str()));
                    Extent {
                        fields: below.fields.saturating_add(1),
                        aliases: usize::from(field.node.alias.is_some()),
                        depth: below.depth + 1,
                        lists,
                        ..below
                    }
                }
                Node::InlineFragment(fragment) => self.set(&fragment.node.selection_set.node, fragments, limits)?,
                Node::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, fragments, limits)?,
            };
            inner.directives = inner.directives.saturating_add(item.node.directives().len());
            extent.fields = extent.fields.saturating_add(inner.fields);
            extent.directives = extent.directives.saturating_add(inner.directives);
            extent.aliases = extent.aliases.saturating_add(inner.aliases);
            extent.depth = extent.depth.max(inner.depth);
            extent.lists = extent.lists.max(inner.lists);
            extent.sets = extent.sets.max(inner.sets.saturating_add(1));
            check_nesting(extent.sets)?;
            if extent.aliases > MOST_ALIASES {
                return Err(too_complex(
                    "The document gives too many aliases to fields of the schema at one level",
                    &format!("{MOST_ALIASES} are allowed"),
                ));
            }
            if extent.fields > limits.introspection_max_fields {
                let most = limits.introspection_max_fields;
                return Err(too_complex(
                    "The document selects too many fields of the schema, those of fragments counted wherever they are spread",
                    &format!("{most} are allowed"),
                ));
            }
        }
        self.inside = self.inside.saturating_sub(1);
        Ok(extent)
    }

    fn fragment(&mut self, name: &Name, fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>, limits: &DocumentConfig) -> Result<Extent> {
        // It would count for nothing, and so would all fragments that come to it in the end.
        let unknown = || Error::new(Code::ValidationError, format!("The document has no fragment `{name}`."));
        let (name, fragment) = fragments.get_key_value(name).ok_or_else(unknown)?;
        if let Some(extent) = self.known.get(name) {
            return Ok(*extent);
        }
        if self.open.contains(&name) {
            return Err(Error::new(Code::ValidationError, format!("The fragment `{name}` spreads itself.")));
        }
        self.open.push(name);
        let extent = self.set(&fragment.node.selection_set.node, fragments, limits)?;
        self.open.pop();
        self.known.insert(name, extent);
        Ok(extent)
    }
}
