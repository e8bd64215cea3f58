//! Progress bars on a terminal.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use oci_layout::Progress;

use crate::out::columns;

/// The number of bytes done, and their total as far as it is known. Until then, the bar can say
/// what it waits for.
#[derive(Clone, Default)]
pub(crate) struct Bytes(Arc<(AtomicU64, AtomicU64)>, Arc<Mutex<Option<String>>>);

impl Bytes {
    pub(crate) fn progress(&self) -> Progress {
        let Self(bytes, _) = self.clone();
        Progress::new(move |done, total| {
            bytes.0.store(done, Ordering::Relaxed);
            bytes.1.store(total, Ordering::Relaxed);
        })
    }
}

#[cfg(feature = "registry")]
impl Bytes {
    /// Says what the bar waits for.
    pub(crate) fn say(&self, waiting: String) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
    }
}

/// Does the work. On a terminal, shows a progress bar after the first second.
pub(crate) fn show<T>(doing: &'static str, work: impl FnOnce(&Bytes) -> T) -> T {
    let bytes = Bytes::default();
    if !io::stderr().is_terminal() {
        return work(&bytes);
    }
    let (end, ended) = channel::<()>();
    let bytes = &bytes;
    thread::scope(|scope| {
        // Without a thread, there is no bar.
        let _ = thread::Builder::new().spawn_scoped(scope, move || draw(doing, bytes, &ended));
        // Dropped when the work ends, also by a panic.
        let _end = end;
        work(bytes)
    })
}

/// The bar says that it waits if nothing has moved for this long.
const STILL: Duration = Duration::from_secs(3);

/// The width that the bar with sizes needs.
const WIDE: usize = 72;

fn draw(doing: &'static str, Bytes(bytes, waiting): &Bytes, ended: &Receiver<()>) {
    let goes_on = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !goes_on(Duration::from_secs(1)) {
        return;
    }
    let style = |template| ProgressStyle::with_template(template).expect("the template is right");
    let bar = ProgressBar::new_spinner()
        .with_message(doing)
        .with_style(style("{msg} {spinner} {elapsed}"));
    let (mut done, mut moved) = (0, Instant::now());
    loop {
        let total = bytes.1.load(Ordering::Relaxed);
        if total > 0 && bar.length().is_none() {
            // A line that wraps could not be cleared.
            bar.set_style(style(match columns(io::stderr()).unwrap_or(80) >= WIDE {
                true => "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}, {eta} to go",
                false => "{msg} {percent}%",
            }));
            bar.set_length(total);
        }
        let now = bytes.0.load(Ordering::Relaxed);
        if now != done {
            (done, moved) = (now, Instant::now());
        }
        match moved.elapsed() {
            still if still > STILL && total > 0 => {
                bar.set_message(format!("{doing}, waiting {}s", still.as_secs()));
            }
            _ if total == 0 => {
                let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                bar.set_message(waiting.clone().unwrap_or_else(|| doing.to_owned()));
            }
            _ => bar.set_message(doing),
        }
        bar.set_position(now);
        bar.tick();
        if !goes_on(Duration::from_millis(100)) {
            return bar.finish_and_clear();
        }
    }
}
