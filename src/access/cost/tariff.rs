//! What the schema's text says of one field's price, which the walk over a document looks up.

use async_graphql::Positioned;
use async_graphql::parser::types::{BaseType, ConstDirective, FieldDefinition};
use async_graphql_value::ConstValue;

use crate::access::limits::Class;
use crate::base::page::MAX_SIZE;

/// What is known of a field.
#[derive(Debug, Clone, Default)]
pub struct Tariff {
    /// What it costs each time it is asked of an object, besides the objects it leads to.
    pub own: u64,
    /// The arguments that cost something when they are given.
    pub arguments: Vec<(String, u64)>,
    /// How long it is, or the lists are that it leads to.
    pub size: Option<Size>,
    /// Whether it is a list.
    pub is_list: bool,
    /// Whether it is one of the lists whose length the field above says.
    pub is_sized: bool,
    /// The class that it counts in.
    pub class: Option<Class>,
}

/// What `@listSize` says.
#[derive(Debug, Clone)]
pub struct Size {
    /// So long when no argument says so.
    pub assumed: u64,
    /// The arguments that say so, as paths.
    pub arguments: Vec<Vec<String>>,
    /// The fields of the object below that are so long.
    pub fields: Vec<String>,
}

impl Tariff {
    /// What the definition of a field says.
    ///
    /// # Errors
    /// When a directive is not understood, which would be a fault of the build.
    pub fn of(field: &FieldDefinition) -> anyhow::Result<Self> {
        let mut tariff = Self { is_list: matches!(field.ty.node.base, BaseType::List(_)), ..Self::default() };
        tariff.own = weight(&field.directives)?.unwrap_or_default();
        for argument in &field.arguments {
            if let Some(points) = weight(&argument.node.directives)? {
                tariff.arguments.push((argument.node.name.node.to_string(), points));
            }
        }
        tariff.size = find(&field.directives, "listSize").map(Size::of);
        if let Some(directive) = find(&field.directives, "rateLimit") {
            let class = directive.get_argument("class").map(|value| &value.node);
            let Some(ConstValue::String(class)) = class else { anyhow::bail!("`@rateLimit` without a class") };
            tariff.class = Some(Class::named(class).ok_or_else(|| anyhow::anyhow!("there is no class `{class}` of limits"))?);
        }
        Ok(tariff)
    }
}

impl Size {
    fn of(directive: &ConstDirective) -> Self {
        let texts = |name: &str| match directive.get_argument(name).map(|value| &value.node) {
            Some(ConstValue::List(items)) => {
                items.iter().filter_map(|item| if let ConstValue::String(text) = item { Some(text.clone()) } else { None }).collect()
            }
            _ => Vec::new(),
        };
        let assumed = match directive.get_argument("assumedSize").map(|value| &value.node) {
            Some(ConstValue::Number(number)) => number.as_u64(),
            _ => None,
        };
        let path = |text: &String| text.split('.').map(str::to_owned).collect();
        Self {
            assumed: assumed.unwrap_or(MAX_SIZE.unsigned_abs()),
            arguments: texts("slicingArguments").iter().map(path).collect(),
            fields: texts("sizedFields"),
        }
    }
}

/// The points that `@cost` names.
///
/// # Errors
/// When it names none.
pub fn weight(directives: &[Positioned<ConstDirective>]) -> anyhow::Result<Option<u64>> {
    let Some(directive) = find(directives, "cost") else { return Ok(None) };
    match directive.get_argument("weight").map(|value| &value.node) {
        Some(ConstValue::String(text)) => Ok(Some(text.parse()?)),
        _ => anyhow::bail!("`@cost` without a weight"),
    }
}

fn find<'d>(directives: &'d [Positioned<ConstDirective>], name: &str) -> Option<&'d ConstDirective> {
    directives.iter().map(|directive| &directive.node).find(|directive| directive.name.node == name)
}
