//! Models of images that several clients request, in many orders of their steps: see
//! [`crate::basics::sync`].

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use shuttle::future::block_on;

use crate::{
    basics::{
        digest::Digest,
        stop::Stop,
        sync::{AtomicUsize, check, lock, thread},
    },
    document::descriptor::{Descriptor, MediaType},
    image::graph::Image,
    registry::serve::{
        named_images::{NamedImageError, NamedImageErrorKind, NamedImages},
        shared_making::{Asker, Made, MakingLimits, SharedMakings},
    },
};

/// Images that take a step to make, and fail if the signal is set by then.
#[derive(Default)]
struct Slow {
    made: AtomicUsize,
    live: AtomicUsize,
}

impl NamedImages for Slow {
    fn request(&self, name: &str, _: &str) -> Result<String, NamedImageError> {
        Ok(name.to_owned())
    }

    fn known(&self, _: &str) -> Option<Arc<Image>> {
        None
    }

    fn make(&self, request: &str, stop: &Stop) -> Made {
        let live = self.live.fetch_add(1, Ordering::SeqCst);
        assert!(live < 1, "at most one image is made at a time");
        thread::yield_now();
        self.live.fetch_sub(1, Ordering::SeqCst);
        if stop.is_set() {
            return Err(NamedImageError::new(NamedImageErrorKind::Stopped, "stopped"));
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        let descriptor = Descriptor::of(MediaType::MANIFEST, request.as_bytes());
        Ok(Arc::new(Image::new(descriptor, Vec::new())))
    }

    fn holding(&self, _: &str, _: Digest) -> Option<Arc<Image>> {
        None
    }

    fn tags(&self, _: &str) -> Result<Vec<String>, NamedImageError> {
        Ok(Vec::new())
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn client() -> Asker {
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Asker { client, id: String::new(), image: String::new() }
}

const LIMITS: MakingLimits =
    MakingLimits { at_once: 1, queued: 2, of_client: 9, remember_failures: Duration::from_secs(1) };

fn makings() -> (Arc<Slow>, Arc<SharedMakings>) {
    let slow = Arc::new(Slow::default());
    let makings = SharedMakings::new(Arc::clone(&slow) as _, LIMITS, |_| ());
    (slow, makings)
}

fn digest(made: Made) -> Digest {
    made.expect("it is made").digest()
}

/// Nothing is left when all clients have their answers.
fn assert_over(makings: &SharedMakings) {
    while !makings.wait_for_threads(Duration::ZERO) {
        thread::yield_now();
    }
    let state = lock(&makings.state);
    assert!(state.live.is_empty() && state.queue.is_empty() && state.running.is_empty());
}

/// Two clients request one image, and a third one another image: all get what they requested.
#[test]
fn model_of_clients_that_wait_for_images() {
    check(|| {
        let (slow, makings) = makings();
        let clients = ["a", "a", "b"].map(|name| {
            let makings = Arc::clone(&makings);
            thread::spawn(move || {
                let made = block_on(makings.image(name, client()));
                assert_eq!(digest(made), Digest::of(name));
            })
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_over(&makings);
        assert!((2..=3).contains(&slow.made.load(Ordering::SeqCst)));
    });
}

/// A client leaves while another one waits for the same image, which it gets.
#[test]
fn model_of_a_client_that_leaves_an_image() {
    check(|| {
        let (_, makings) = makings();
        let leaving = {
            let makings = Arc::clone(&makings);
            thread::spawn(move || drop(makings.enter("a", client()).unwrap()))
        };
        assert_eq!(digest(block_on(makings.image("a", client()))), Digest::of("a"));
        leaving.join().unwrap();
        assert_over(&makings);
    });
}

/// The limits are set again while clients wait: all get what they requested, one after another.
#[test]
fn model_of_limits_that_are_set_again() {
    check(|| {
        let (_, makings) = makings();
        let clients = ["a", "b"].map(|name| {
            let makings = Arc::clone(&makings);
            thread::spawn(move || {
                assert_eq!(digest(block_on(makings.image(name, client()))), Digest::of(name));
            })
        });
        makings.limit(LIMITS);
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_over(&makings);
    });
}

/// The endpoint stops: every client gets an answer, and no thread is left.
#[test]
fn model_of_an_endpoint_that_stops() {
    check(|| {
        let (_, makings) = makings();
        let clients = ["a", "b"].map(|name| {
            let makings = Arc::clone(&makings);
            thread::spawn(move || match block_on(makings.image(name, client())) {
                Ok(image) => assert_eq!(image.digest(), Digest::of(name)),
                Err(error) => assert_eq!(error.kind, NamedImageErrorKind::Stopped),
            })
        });
        makings.stop();
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert_over(&makings);
    });
}
