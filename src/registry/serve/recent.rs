//! The named images that were made and that failed lately, for the page.

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{
    pool::lock,
    registry::serve::{
        named_images::{NamedImageError, NamedImageErrorKind as Kind},
        shared_making::Report,
    },
};

/// The maximum number of images that were made, and of those that failed.
const MOST: usize = 20;

/// The maximum number of bytes of a message.
const MESSAGE: usize = 1024;

/// The maximum number of bytes of a detail.
const DETAIL: usize = 4096;

/// The latest images, newest first. Each name occurs once in each list.
#[derive(Default)]
pub(crate) struct Recent {
    lists: Mutex<Lists>,
}

/// The two lists.
#[derive(Clone, Default)]
pub(crate) struct Lists {
    pub(crate) made: VecDeque<Recently<String>>,
    pub(crate) failed: VecDeque<Recently<NamedImageError>>,
}

/// What became of an image.
#[derive(Clone)]
pub(crate) struct Recently<T> {
    /// The name and the tag, as a client wrote them.
    pub(crate) image: String,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    /// The digest, or why there is none.
    pub(crate) result: T,
}

impl Recent {
    /// Remembers an image. What a client did wrong, and what others did not wait for, says nothing
    /// about the registry.
    pub(crate) fn add(&self, report: &Report<'_>) {
        let (image, at, took) = (report.asker.image.clone(), Instant::now(), report.time);
        let mut lists = lock(&self.lists);
        match report.result {
            Ok(made) => {
                let result = made.digest().to_string();
                push(&mut lists.made, Recently { image, at, took, result });
            }
            Err(error) if matches!(error.kind, Kind::Failed | Kind::TooLate | Kind::Internal) => {
                let NamedImageError { kind, message, detail } = error;
                let detail = detail.as_deref().map(end);
                let result = NamedImageError { kind: *kind, message: start(message), detail };
                push(&mut lists.failed, Recently { image, at, took, result });
            }
            Err(_) => {}
        }
    }

    pub(crate) fn lists(&self) -> Lists {
        lock(&self.lists).clone()
    }
}

fn push<T>(list: &mut VecDeque<Recently<T>>, new: Recently<T>) {
    list.retain(|one| one.image != new.image);
    list.push_front(new);
    list.truncate(MOST);
}

fn start(text: &str) -> String {
    let mut cut = text.len().min(MESSAGE);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    text[..cut].to_owned()
}

/// The end of a text, where logs have the reason.
fn end(text: &str) -> String {
    let mut cut = text.len().saturating_sub(DETAIL);
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text[cut..].to_owned()
}
