//! Operations made from the schema: mostly what it has, now and then what it does not.

use serde_json::{Map, Value, json};

use super::dice::Dice;
use crate::harness::schema::{Argument, Field, Schema};

/// Values that are hardly ever of the right type, and numbers, letters and nesting at the edges.
const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "2147483647",
    "2147483648",
    "-9223372036854775809",
    "999999999999999999999999999999999999999999999999999999",
    "1.5",
    "1e400",
    "-0.0",
    "\"\"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\\uD834\\uDD1E\"",
    "\"\\uD834\"",
    "\"\u{202e}\u{feff}e\u{301}\u{1f600}\"",
    "\"\"\"a \\\"\"\" block\n   of text\"\"\"",
    "NONSENSE",
    "[]",
    "[[[1]]]",
    "[null]",
    "{}",
    "{a: {a: {a: 1}}}",
    "$nowhere",
];

pub struct Grammar<'s> {
    schema: &'s Schema,
    pub dice: Dice,
    declared: Vec<String>,
    variables: Map<String, Value>,
    fragments: Vec<String>,
    /// How many more fields there may be.
    room: usize,
}

impl<'s> Grammar<'s> {
    pub fn new(schema: &'s Schema, dice: Dice) -> Self {
        let room = 60;
        Self { schema, dice, declared: Vec::new(), variables: Map::new(), fragments: Vec::new(), room }
    }

    /// An operation and its variables.
    pub fn operation(&mut self) -> (String, Map<String, Value>) {
        let mutation = self.dice.chance(20);
        let (kind, root) = if mutation { ("mutation", "Mutation") } else { ("query", "Query") };
        self.room = 5 + self.dice.below(120);
        let set = self.set(root, 7);
        let name = if self.dice.chance(50) { " Operation" } else { "" };
        let declared = if self.declared.is_empty() { String::new() } else { format!("({})", self.declared.join(", ")) };
        let (before, after): (Vec<_>, Vec<_>) = std::mem::take(&mut self.fragments).into_iter().partition(|_| self.dice.chance(50));
        let text = format!("{} {kind}{name}{declared} {set} {}", before.join(" "), after.join(" "));
        (text.trim().to_owned(), std::mem::take(&mut self.variables))
    }

    fn set(&mut self, of: &str, depth: usize) -> String {
        let mut parts = Vec::new();
        for _ in 0..=self.dice.below(4) {
            if self.room == 0 {
                break;
            }
            self.room -= 1;
            parts.push(self.part(of, depth));
        }
        if parts.is_empty() || self.dice.chance(10) {
            parts.push("__typename".to_owned());
        }
        format!("{{ {} }}", parts.join(" "))
    }

    fn part(&mut self, of: &str, depth: usize) -> String {
        let directive = self.directive();
        if depth > 0 && self.dice.chance(12) {
            let on = self.narrowed(of);
            let set = self.set(&on, depth - 1);
            if self.dice.chance(50) {
                return format!("... on {on}{directive} {set}");
            }
            let number = self.fragments.len();
            self.fragments.push(format!("fragment F{number} on {on} {set}"));
            // Another one now and then: also in circles.
            let spread = if self.dice.chance(10) { self.dice.below(number + 2) } else { number };
            return format!("...F{spread}{directive}");
        }
        let known = self.schema;
        let Some(fields) = known.objects.get(of) else {
            let on = self.narrowed(of);
            return format!("... on {on} {}", if depth > 0 { self.set(&on, depth - 1) } else { "{ __typename }".to_owned() });
        };
        let field: &Field = self.dice.pick(fields);
        let alias = if self.dice.chance(25) { format!("a{}: ", self.dice.below(6)) } else { String::new() };
        let name = if self.dice.chance(2) { "nonsense" } else { &field.name };
        let arguments = self.arguments(&field.arguments);
        let leaf = known.is_leaf(&field.of);
        let set = match (leaf, depth) {
            (true, _) if self.dice.chance(97) => String::new(),
            (false, 0) => " { __typename }".to_owned(),
            (false, _) if self.dice.chance(2) => String::new(),
            _ => format!(" {}", self.set(&field.of, depth.saturating_sub(1))),
        };
        format!("{alias}{name}{arguments}{directive}{set}")
    }

    /// A type that objects of this one may be of, or one that they may not.
    fn narrowed(&mut self, of: &str) -> String {
        let known = self.schema;
        if self.dice.chance(5) {
            let all: Vec<&String> = known.objects.keys().collect();
            return (*self.dice.pick(&all)).clone();
        }
        known.interfaces.get(of).map_or_else(|| of.to_owned(), |objects| self.dice.pick(objects).clone())
    }

    fn directive(&mut self) -> String {
        if !self.dice.chance(8) {
            return String::new();
        }
        let name = *self.dice.pick(&["include", "skip", "skip", "include", "deprecated", "nonsense"]);
        let condition = match self.dice.below(4) {
            0 => self.variable("Boolean", false, 0),
            1 => (*self.dice.pick(ODD)).to_owned(),
            _ => self.dice.chance(50).to_string(),
        };
        format!(" @{name}(if: {condition})")
    }

    fn arguments(&mut self, arguments: &[Argument]) -> String {
        let mut given = Vec::new();
        for argument in arguments {
            let wanted = if argument.required { 97 } else { 30 };
            if self.dice.chance(wanted) {
                given.push(format!("{}: {}", argument.name, self.argument(argument, 4)));
            }
        }
        if self.dice.chance(2) {
            given.push(format!("nonsense: {}", self.dice.pick(ODD)));
        }
        if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
    }

    fn argument(&mut self, argument: &Argument, depth: usize) -> String {
        if self.dice.chance(25) { self.variable(&argument.of, argument.list, depth) } else { self.literal(&argument.of, argument.list, depth) }
    }

    /// Declares a variable, mostly of the type that is asked for, and gives it a value, mostly of that type.
    fn variable(&mut self, of: &str, list: bool, depth: usize) -> String {
        let name = format!("v{}", self.declared.len());
        let of_it = if self.dice.chance(92) { of } else { *self.dice.pick(&["Int", "String", "Boolean", "ID", "Nonsense", "Query"]) };
        let bang = if self.dice.chance(40) { "!" } else { "" };
        let declared = if list { format!("[{of_it}!]{bang}") } else { format!("{of_it}{bang}") };
        let default = if self.dice.chance(15) { format!(" = {}", self.literal(of, list, 2)) } else { String::new() };
        self.declared.push(format!("${name}: {declared}{default}"));
        if self.dice.chance(85) {
            let value = self.json(of, list, depth);
            self.variables.insert(name.clone(), value);
        }
        format!("${name}")
    }

    fn literal(&mut self, of: &str, list: bool, depth: usize) -> String {
        if self.dice.chance(5) {
            return (*self.dice.pick(ODD)).to_owned();
        }
        if list {
            let items: Vec<String> = (0..self.dice.below(4)).map(|_| self.literal(of, false, depth)).collect();
            return format!("[{}]", items.join(", "));
        }
        if let Some(values) = self.schema.enums.get(of) {
            return self.dice.pick(values).clone();
        }
        let Some(fields) = self.schema.inputs.get(of) else { return scalar(of, &mut self.dice).to_string() };
        let mut given = Vec::new();
        for field in fields {
            if field.required || (depth > 0 && self.dice.chance(25)) {
                let value = if depth > 0 { self.argument(field, depth - 1) } else { "null".to_owned() };
                given.push(format!("{}: {value}", field.name));
            }
        }
        format!("{{{}}}", given.join(", "))
    }

    fn json(&mut self, of: &str, list: bool, depth: usize) -> Value {
        if self.dice.chance(6) {
            return odd_json(&mut self.dice);
        }
        if list {
            return (0..self.dice.below(4)).map(|_| self.json(of, false, depth)).collect();
        }
        if let Some(values) = self.schema.enums.get(of) {
            return self.dice.pick(values).clone().into();
        }
        let Some(fields) = self.schema.inputs.get(of) else { return scalar(of, &mut self.dice) };
        let mut given = Map::new();
        for field in fields {
            if field.required || (depth > 0 && self.dice.chance(25)) {
                let value = if depth > 0 { self.json(&field.of, field.list, depth - 1) } else { Value::Null };
                given.insert(field.name.clone(), value);
            }
        }
        given.into()
    }
}

/// A value of a scalar, as GraphQL and JSON both write it.
fn scalar(of: &str, dice: &mut Dice) -> Value {
    match of {
        "Int" => json!(dice.below(120)),
        "Float" => json!(1.5),
        "Boolean" => json!(dice.chance(50)),
        "ID" => {
            let noun = *dice.pick(&["contact", "company", "deal", "task", "activity", "user", "pipeline", "stage", "audit", "nonsense"]);
            json!(format!("{noun}_01h455vb4pex5vsknk084sn02q"))
        }
        "Date" => json!("2026-04-01"),
        "DateTime" => json!("2026-04-01T10:00:00Z"),
        "Decimal" => json!("10.00"),
        _ => json!(dice.pick(&["Asha", "asha@example.in", "27", "", "%_\\", "\u{1f600}\u{202e}"])),
    }
}

fn odd_json(dice: &mut Dice) -> Value {
    let nested = (0..60).fold(json!(1), |inner, number| if number % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
    let odd = [
        json!(null),
        json!(-1),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!([]),
        json!([[null]]),
        json!({}),
        json!({"name": {}}),
        nested,
    ];
    dice.pick(&odd).clone()
}
