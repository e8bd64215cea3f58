//! The log of `serve`: lines of text, or of JSON for programs that collect logs.

use jiff::Timestamp;
use oci_layout::{registry::Event, serve_config::LogFormat};
use serde_json::{Value, json};

use crate::out::{say, say_json};

/// Where `serve` writes what happens.
#[derive(Clone, Copy)]
pub(crate) struct ServeLog {
    pub(crate) format: LogFormat,
    /// Whether to write a line for each request.
    pub(crate) has_requests: bool,
}

impl ServeLog {
    pub(crate) fn event(self, event: &Event) {
        let (level, is_wanted) = match event {
            Event::Answered { .. } => ("info", self.has_requests),
            Event::Made { .. } => ("info", self.has_requests || self.format == LogFormat::Json),
            Event::Taken => ("info", self.format == LogFormat::Json),
            _ => ("warning", true),
        };
        match (self.format, level) {
            _ if !is_wanted => {}
            (LogFormat::Json, _) => line(level, event.to_json()),
            (LogFormat::Text, "info") => say(event),
            (LogFormat::Text, _) => say(format_args!("oci-layout: warning: {event}")),
        }
    }

    /// Something that the operator should know.
    pub(crate) fn note(self, note: &str) {
        match self.format {
            LogFormat::Json => line("info", json!({ "event": "note", "message": note })),
            LogFormat::Text => say(format_args!("oci-layout: note: {note}")),
        }
    }

    /// Something that went wrong.
    pub(crate) fn warning(self, warning: &str) {
        match self.format {
            LogFormat::Json => line("warning", json!({ "event": "warning", "message": warning })),
            LogFormat::Text => say(format_args!("oci-layout: warning: {warning}")),
        }
    }

    /// How to pull an image.
    pub(crate) fn image(self, command: &str, reference: &str) {
        let image = || json!({ "event": "image", "message": reference });
        match self.format {
            LogFormat::Json => line("info", image()),
            LogFormat::Text => say(format_args!("{command} {reference}")),
        }
    }
}

fn line(level: &str, mut object: Value) {
    object["level"] = level.into();
    object["time"] = Timestamp::now().to_string().into();
    say_json(&object);
}
