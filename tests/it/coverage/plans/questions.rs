//! Everything that the lists of the schema can be asked: each ordering, both ways, each page, each operator of each filter, and the search.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::coverage::ways::{Way, under_lists, ways};
use crate::harness::Client;
use crate::harness::schema::{Argument, Field, Schema};

/// A list of the schema, and the way to the type that has it.
pub struct ListField {
    pub of: String,
    pub field: Field,
    pub way: Way,
}

/// A list asked with certain arguments.
pub struct Question {
    pub arguments: String,
    pub operation: String,
    /// Nothing narrows the list.
    pub whole: bool,
    /// No ordering was asked for.
    pub usual: bool,
}

impl ListField {
    /// Every list that can be paged, of the root and under parents.
    pub fn all(schema: &Schema) -> Vec<Self> {
        let mut reached = under_lists(schema);
        for (of, way) in ways(schema, "Query", &|_| true, false) {
            reached.entry(of).or_insert(way);
        }
        reached.insert("Query".to_owned(), Way::to("Query"));
        let all = schema.objects.iter().flat_map(|(of, fields)| fields.iter().map(move |field| (of, field)));
        let lists = all.filter(|(_, field)| field.of.ends_with("Connection"));
        lists
            .map(|(of, field)| {
                let way = reached.get(of).unwrap_or_else(|| panic!("no way leads to {of}.{}", field.name)).clone();
                Self { of: of.clone(), field: field.clone(), way }
            })
            .collect()
    }

    pub fn shown(&self) -> String {
        format!("{}.{}", self.of, self.field.name)
    }

    /// The type of the list's rows.
    fn row<'s>(&self, schema: &'s Schema) -> &'s str {
        &schema.objects[&self.field.of].iter().find(|field| field.name == "nodes").unwrap().of
    }

    fn question(&self, schema: &Schema, narrowing: &str, order: &str, page: &str) -> Question {
        let arguments: Vec<&str> = [page, order, narrowing].into_iter().filter(|part| !part.is_empty()).collect();
        let arguments = arguments.join(", ");
        let rows = if narrowing.is_empty() { schema.selection(self.row(schema), 1) } else { "{ id }".to_owned() };
        let selection = format!("{}({arguments}) {{ totalCount pageInfo {{ startCursor endCursor }} nodes {rows} }}", self.field.name);
        let operation = self.way.operation(&selection);
        Question { arguments, operation, whole: narrowing.is_empty(), usual: order.is_empty() }
    }

    /// The orderings that the list offers, the usual one first.
    fn orders(&self, schema: &Schema) -> Vec<String> {
        let argument = self.argument("orderBy").unwrap_or_else(|| panic!("{} has no orderBy", self.shown()));
        let parts = |name: &str| schema.inputs[&argument.of].iter().find(|part| part.name == name).map(|part| &schema.enums[&part.of]);
        let (fields, directions) = (parts("field").unwrap(), parts("direction").unwrap());
        let pairs = fields.iter().flat_map(|field| directions.iter().map(move |direction| (field, direction)));
        let orders = pairs.map(|(field, direction)| format!("orderBy: {{field: {field}, direction: {direction}}}"));
        std::iter::once(String::new()).chain(orders).collect()
    }

    fn argument(&self, name: &str) -> Option<&Argument> {
        self.field.arguments.iter().find(|argument| argument.name == name)
    }

    /// The list in every order, from both ends.
    pub fn whole(&self, schema: &Schema) -> Vec<Question> {
        let orders = self.orders(schema).into_iter();
        orders.flat_map(|order| ["first", "last"].map(|end| self.question(schema, "", &order, &format!("{end}: 20")))).collect()
    }

    /// The same list, onwards from the first row of the page that was the answer; of several pages that with the most rows.
    pub fn onwards(&self, schema: &Schema, question: &Question, data: &Value) -> Question {
        let (name, from) = if question.arguments.starts_with("first") { ("startCursor", "after") } else { ("endCursor", "before") };
        let pages = self.way.ends(data).into_iter().map(|end| &end[&self.field.name]);
        let most = pages.max_by_key(|page| page["nodes"].as_array().map_or(0, Vec::len));
        let cursor = most.and_then(|page| page["pageInfo"][name].as_str()).unwrap_or_else(|| panic!("{} is empty", self.shown()));
        let (page, order) = question.arguments.split_once(", ").unwrap_or((&question.arguments, ""));
        self.question(schema, "", order, &format!("{page}, {from}: \"{cursor}\""))
    }

    /// Whether an answer has rows of the list.
    pub fn has_rows(&self, data: &Value) -> bool {
        self.way.ends(data).into_iter().any(|end| end[&self.field.name]["nodes"].as_array().is_some_and(|rows| !rows.is_empty()))
    }

    /// The list narrowed in every way, in so many of its orders.
    pub fn narrowed(&self, schema: &Schema, values: &Values, orders: usize) -> Vec<Question> {
        let known = ["first", "after", "last", "before", "orderBy"];
        let others = self.field.arguments.iter().filter(|argument| !known.contains(&argument.name.as_str()));
        let narrowings: Vec<String> = others.flat_map(|argument| values.all(schema, argument, self.row(schema), 0)).collect();
        let orders: Vec<String> = self.orders(schema).into_iter().skip(1).take(orders).collect();
        let pairs = narrowings.iter().flat_map(|narrowing| orders.iter().map(move |order| (narrowing, order)));
        pairs.map(|(narrowing, order)| self.question(schema, narrowing, order, "first: 20")).collect()
    }
}

/// What a list can be asked for so that rows of its own answer: they are looked at, the newest and the oldest.
pub struct Values {
    rows: Vec<Value>,
}

impl Values {
    pub async fn of(list: &ListField, schema: &Schema, caller: &Client) -> Self {
        let row = list.row(schema);
        let said = schema.objects[row].iter().filter(|field| field.arguments.iter().all(|argument| !argument.required));
        let said = said.filter_map(|field| match schema.objects.get(&field.of) {
            None if schema.is_leaf(&field.of) => Some(field.name.clone()),
            Some(below) if below.iter().any(|field| field.name == "id") => Some(format!("{} {{ id }}", field.name)),
            _ => None,
        });
        let (said, name) = (said.collect::<Vec<_>>().join(" "), &list.field.name);
        let operation = list.way.operation(&format!("{name}(first: 20) {{ nodes {{ {said} }} }} last: {name}(last: 20) {{ nodes {{ {said} }} }}"));
        let data = caller.data(&operation, json!({"first": 20})).await;
        let pages = list.way.ends(&data).into_iter().flat_map(|end| [&end[name], &end["last"]]);
        let mut rows: Vec<Value> = pages.flat_map(|page| page["nodes"].as_array().unwrap()).cloned().collect();
        // The one with the most to say first.
        rows.sort_by_key(|row| std::cmp::Reverse(row.as_object().unwrap().values().filter(|value| is_said(value)).count()));
        assert!(!rows.is_empty(), "{} is empty", list.shown());
        Self { rows }
    }

    /// What rows say of themselves under a name, that with the most to say first.
    fn own<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v Value> {
        self.rows.iter().filter_map(move |row| row.get(name)).filter(|value| is_said(value))
    }

    /// An instant with rows before it and after it.
    fn middle(&self, name: &str) -> DateTime<Utc> {
        let instants = self.own(name).map(|value| value.as_str().unwrap()).map(|text| {
            let day = || text.parse::<NaiveDate>().unwrap().and_time(NaiveTime::MIN).and_utc();
            text.parse().unwrap_or_else(|_| day())
        });
        let instants: BTreeSet<DateTime<Utc>> = instants.collect();
        let (first, last) = (instants.first().unwrap_or_else(|| panic!("no row has {name}")), instants.last().unwrap());
        *first + (*last - *first) / 2
    }

    /// `argument` with each value or operator that it can be given, as the schema's own notation writes it.
    fn all(&self, schema: &Schema, argument: &Argument, row: &str, depth: usize) -> Vec<String> {
        assert!(depth < 4, "{} has no end", argument.name);
        let Some(fields) = schema.inputs.get(&argument.of) else {
            let values = self.single(schema, argument, row).into_iter();
            return values.map(|value| format!("{}: {}", argument.name, if argument.list { format!("[{value}]") } else { value })).collect();
        };
        // An operator's value is one of the field that it compares.
        let operators = schema.inputs[&argument.of].iter().any(|field| ["eq", "in", "gte", "lte"].contains(&field.name.as_str()));
        let each = fields.iter().flat_map(|field| {
            let named = Argument { name: if operators { argument.name.clone() } else { field.name.clone() }, ..field.clone() };
            let values = self.all(schema, &named, row, depth + 1);
            values.into_iter().map(move |value| if operators { value.replacen(&named.name, &field.name, 1) } else { value })
        });
        each.map(|value| format!("{}: {{{value}}}", argument.name)).collect()
    }

    fn single(&self, schema: &Schema, argument: &Argument, row: &str) -> Vec<String> {
        let name = argument.name.as_str();
        if let Some(values) = schema.enums.get(&argument.of) {
            return values.clone();
        }
        match argument.of.as_str() {
            "Boolean" => vec!["true".to_owned(), "false".to_owned()],
            "DateTime" => vec![format!("\"{}\"", self.middle(name).to_rfc3339_opts(SecondsFormat::Secs, true))],
            "Date" => vec![format!("\"{}\"", self.middle(name).date_naive())],
            "Decimal" => vec!["\"100000.00\"".to_owned()],
            "ID" => {
                let other = name.strip_suffix("Id").unwrap_or(name);
                let of_other = || self.own(other).find_map(|other| other.get("id"));
                let id = self.own(name).next().or_else(of_other).unwrap_or_else(|| panic!("no identifier for {name} of {row}"));
                vec![id.to_string()]
            }
            "String" => {
                let several = || self.rows.iter().find_map(|row| row.get(format!("{name}s"))?.get(0));
                let text = self.own(name).next().or_else(several).or_else(|| self.own("name").next());
                vec![text.unwrap_or_else(|| panic!("no text for {name} of {row}")).to_string()]
            }
            other => panic!("nothing is known to give to {name}: {other}"),
        }
    }
}

fn is_said(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}
