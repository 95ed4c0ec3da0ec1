//! A log line as one JSON object. What a span knows is put into JSON once, when the span begins, and copied into each of its lines; the formatter of
//! tracing-subscriber reads it back and writes it again for every line.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::base::SharedClock;
use crate::base::scalars::DateTime;

/// `{"timestamp":…,"level":…,<the event's fields>,"target":…,"span":{<the innermost span's fields>,"name":…}}`.
pub struct JsonLine {
    /// The clock that lines are stamped by.
    pub clock: SharedClock,
}

/// Fields as members of a JSON object, each with a comma behind it.
#[derive(Debug, Clone, Copy)]
pub struct JsonMembers;

impl<'writer> FormatFields<'writer> for JsonMembers {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut members = Members { writer, written: Ok(()) };
        fields.record(&mut members);
        members.written
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

impl<S> FormatEvent<S, JsonMembers> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, JsonMembers>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // What other crates log comes as an event of the bridge, whose own metadata say nothing.
        let normalized = event.normalized_metadata();
        let of = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = String::with_capacity(512);
        line.push_str("{\"timestamp\":\"");
        line.push_str(&DateTime(self.clock.now()).text());
        write!(line, "\",\"level\":\"{}\",", of.level())?;
        ctx.format_fields(Writer::new(&mut line), event)?;
        line.push_str("\"target\":");
        put_text(&mut line, of.target())?;
        if let Some(span) = ctx.lookup_current() {
            line.push_str(",\"span\":{");
            if let Some(known) = span.extensions().get::<FormattedFields<JsonMembers>>() {
                line.push_str(known);
            }
            line.push_str("\"name\":");
            put_text(&mut line, span.name())?;
            line.push('}');
        }
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

struct Members<'writer> {
    writer: Writer<'writer>,
    written: fmt::Result,
}

impl Members<'_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = field.name();
        if self.written.is_ok() && !name.starts_with("log.") {
            // `r#type` is a name that Rust keeps for itself.
            self.written = put_text(&mut self.writer, name.strip_prefix("r#").unwrap_or(name))
                .and_then(|()| self.writer.write_char(':'))
                .and_then(|()| value(&mut self.writer))
                .and_then(|()| self.writer.write_char(','));
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |writer| if value.is_finite() { write!(writer, "{value}") } else { writer.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |writer| put_text(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |writer| put_text(writer, &format!("{value:?}")));
    }
}

fn put_text(writer: &mut impl Write, text: &str) -> fmt::Result {
    writer.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::base::clock::SystemClock;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_object_with_what_the_event_and_its_span_know() {
        let lines = Lines::default();
        let logging = tracing_subscriber::fmt().fmt_fields(JsonMembers).event_format(JsonLine { clock: Arc::new(SystemClock) });
        tracing::subscriber::with_default(logging.with_writer(lines.clone()).finish(), || {
            tracing::info!("outside of a span");
            let span = tracing::info_span!("request", path = "/a\"b\n", operation = tracing::field::Empty, status = 200_u64);
            let _within = span.enter();
            span.record("operation", "Überblick");
            tracing::warn!(took = 1.5, none = f64::NAN, count = -1, yes = true, r#type = ?Some("x"), "said \"{}\"", 7);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut parsed: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for line in &mut parsed {
            let stamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(stamp.as_str().unwrap()).is_ok(), "{stamp}");
        }
        let target = module_path!();
        assert_eq!(parsed[0], json!({"level": "INFO", "message": "outside of a span", "target": target}));
        let span = json!({"path": "/a\"b\n", "operation": "Überblick", "status": 200, "name": "request"});
        let expected = json!({"level": "WARN", "message": "said \"7\"", "took": 1.5, "none": null, "count": -1, "yes": true, "type": "Some(\"x\")", "target": target, "span": span});
        assert_eq!(parsed[1], expected);
    }
}
