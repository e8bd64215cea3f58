//! Counters for monitoring, and their [text
//! format](https://prometheus.io/docs/instrumenting/exposition_formats/).

use std::{
    fmt::{Display, Write},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::registry::serve::{
    named_images::NamedImageErrorKind as Kind,
    shared_making::{Counts, Made},
};

/// The upper bounds of the histogram, in seconds.
const BOUNDS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// The reasons of failures, in the order of [`Metrics::failed`].
const REASONS: [&str; 8] = [
    "name_invalid",
    "name_unknown",
    "tag_unknown",
    "failed",
    "too_late",
    "busy",
    "stopped",
    "internal",
];

/// What has happened since the endpoint started.
#[derive(Default)]
pub(crate) struct Metrics {
    /// Responses by the first digit of their status, from 1 to 5.
    responses: [AtomicU64; 5],
    bytes: AtomicU64,
    /// Images that were not made, by [`REASONS`].
    failed: [AtomicU64; REASONS.len()],
    /// Images that were made, by the first bound that is not exceeded, and those beyond all bounds.
    made: [AtomicU64; BOUNDS.len() + 1],
    made_micros: AtomicU64,
}

/// The numbers of a moment.
pub(crate) struct Now {
    pub(crate) connections: usize,
    pub(crate) blob_builds: usize,
    pub(crate) makings: Counts,
}

impl Metrics {
    pub(crate) fn responds(&self, status: u16) {
        if let Some(count) = self.responses.get(usize::from(status / 100).wrapping_sub(1)) {
            add(count, 1);
        }
    }

    /// Counts bytes of a response's body.
    pub(crate) fn sends(&self, bytes: usize) {
        add(&self.bytes, bytes as u64);
    }

    pub(crate) fn makes(&self, result: &Made, time: Duration) {
        if let Err(error) = result {
            return add(&self.failed[reason(error.kind)], 1);
        }
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        add(&self.made[bucket], 1);
        add(&self.made_micros, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn text(&self, now: &Now) -> String {
        let mut text = Text::default();
        text.head("requests_total", "counter", "Responses by class of status.");
        for (class, count) in (1..).zip(&self.responses) {
            text.line(&format!("requests_total{{status=\"{class}xx\"}}"), get(count));
        }
        let sent = "Bytes of the bodies of responses.";
        text.single("response_bytes_total", "counter", sent, get(&self.bytes));
        text.single("connections", "gauge", "Open connections.", now.connections);
        let builds = "Builds of blobs from recipes.";
        text.single("blob_builds_total", "counter", builds, now.blob_builds);
        text.head("images_failed_total", "counter", "Named images that were not made.");
        for (reason, count) in REASONS.iter().zip(&self.failed) {
            text.line(&format!("images_failed_total{{reason=\"{reason}\"}}"), get(count));
        }
        let Counts { running, queued, waiting_clients } = now.makings;
        text.single("images_being_made", "gauge", "Named images that are being made.", running);
        text.single("images_queued", "gauge", "Named images that wait in the queue.", queued);
        let waiting = "Requests that wait for a named image.";
        text.single("requests_waiting", "gauge", waiting, waiting_clients);
        text.head("image_seconds", "histogram", "The time to make a named image.");
        let mut count = 0;
        for (bound, made) in BOUNDS.iter().zip(&self.made) {
            count += get(made);
            text.line(&format!("image_seconds_bucket{{le=\"{bound}\"}}"), count);
        }
        count += get(&self.made[BOUNDS.len()]);
        text.line("image_seconds_bucket{le=\"+Inf\"}", count);
        text.line("image_seconds_sum", get(&self.made_micros) as f64 / 1e6);
        text.line("image_seconds_count", count);
        text.0
    }
}

/// The place of a kind in [`REASONS`].
fn reason(kind: Kind) -> usize {
    match kind {
        Kind::NameInvalid => 0,
        Kind::NameUnknown => 1,
        Kind::TagUnknown => 2,
        Kind::Failed => 3,
        Kind::TooLate => 4,
        Kind::Busy(_) => 5,
        Kind::Stopped => 6,
        Kind::Internal => 7,
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP oci_layout_{name} {help}");
        let _ = writeln!(self.0, "# TYPE oci_layout_{name} {kind}");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "oci_layout_{name} {value}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::serve::named_images::NamedImageError;

    #[test]
    fn counters_are_lines_of_text() {
        let metrics = Metrics::default();
        [200, 204, 404, 599, 0, 700].into_iter().for_each(|status| metrics.responds(status));
        metrics.sends(12);
        let fail = |kind| Err(NamedImageError::new(kind, "x"));
        metrics.makes(&fail(Kind::Busy(Duration::ZERO)), Duration::ZERO);
        let makings = Counts { running: 2, queued: 3, waiting_clients: 9 };
        let text = metrics.text(&Now { connections: 4, blob_builds: 5, makings });
        for line in [
            "# TYPE oci_layout_requests_total counter",
            "oci_layout_requests_total{status=\"2xx\"} 2",
            "oci_layout_requests_total{status=\"4xx\"} 1",
            "oci_layout_requests_total{status=\"5xx\"} 1",
            "oci_layout_response_bytes_total 12",
            "oci_layout_connections 4",
            "oci_layout_blob_builds_total 5",
            "oci_layout_images_failed_total{reason=\"busy\"} 1",
            "oci_layout_images_failed_total{reason=\"internal\"} 0",
            "oci_layout_images_being_made 2",
            "oci_layout_images_queued 3",
            "oci_layout_requests_waiting 9",
            "oci_layout_image_seconds_bucket{le=\"0.1\"} 0",
            "oci_layout_image_seconds_count 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }
}
