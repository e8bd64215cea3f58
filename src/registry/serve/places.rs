//! Places for connections: which connection gets one, and which one loses its place to another.
//!
//! While there are free places, a client that stalls is left alone. When all are taken, a new
//! connection takes the place of a useless one: of the client with the most connections, and of
//! these the one that has been useless for longest. No single client can occupy all places, however
//! busy it is.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::{self, Either};
use tokio::{sync::Notify, time};

use crate::pool::lock;

/// How many connections an [`Endpoint`](super::Endpoint) accepts, and when it gives up slow ones.
///
/// If all places are taken, a new connection replaces a useless one: one whose client has been
/// inactive for [`idle`](Self::idle), or reads its response more slowly than [`rate`](Self::rate),
/// measured over [`window`](Self::window). While there are free places, no connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of connections: 400. Further ones wait. Each connection may need a second
    /// file descriptor for the file that it reads, and the usual limit for a process is 1024.
    pub connections: usize,
    /// The maximum number of connections of one client: 300. Further ones are answered with status
    /// 429. A client is an IPv4 address, or an IPv6 network with a 64-bit prefix.
    pub client_connections: usize,
    /// The minimum rate at which a client must read a response, in bytes per second: 16 KiB.
    pub rate: u64,
    /// The period over which the rate is measured: 5 seconds.
    pub window: Duration,
    /// How long a client may be inactive: 1 second. To be active, it must complete the head of a
    /// request, or read some available bytes of a response.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 400,
            client_connections: 300,
            rate: 16 << 10,
            window: Duration::from_secs(5),
            idle: Duration::from_secs(1),
        }
    }
}

/// All places of an endpoint.
pub(crate) struct Places {
    limits: Limits,
    taken: Mutex<Vec<Arc<Activity>>>,
    /// Notified when a place becomes free.
    left: Notify,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), left: Notify::new() })
    }

    /// Takes a place for a client.
    ///
    /// # Errors
    ///
    /// [`Full`] says which connections must end first.
    pub(crate) fn try_place(
        self: &Arc<Self>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Place, Full> {
        let client = network(address);
        let mut taken = lock(&self.taken);
        let of_client = taken.iter().filter(|activity| activity.client == client).count();
        if of_client >= self.limits.client_connections {
            if !self.evict(&mut taken, now, |other| other == client) {
                return Err(Full::OfClient);
            }
        } else if taken.len() >= self.limits.connections && !self.evict(&mut taken, now, |_| true) {
            return Err(Full::OfAll);
        }
        let activity = Arc::new(Activity::new(client, self.limits, now));
        taken.push(Arc::clone(&activity));
        Ok(Place { places: Arc::clone(self), activity })
    }

    /// The number of connections.
    pub(crate) fn count(&self) -> usize {
        lock(&self.taken).len()
    }

    /// Waits until another attempt may succeed: a place became free, or enough time has passed for
    /// a connection to become useless.
    pub(crate) async fn change(&self) {
        const MOMENT: Duration = Duration::from_millis(50);
        future::select(std::pin::pin!(self.left.notified()), std::pin::pin!(time::sleep(MOMENT)))
            .await;
    }

    /// Ends the most useless connection, if any is useless.
    fn evict(
        &self,
        taken: &mut Vec<Arc<Activity>>,
        now: Instant,
        may_lose: impl Fn(IpAddr) -> bool,
    ) -> bool {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        taken.iter().for_each(|activity| *counts.entry(activity.client).or_default() += 1);
        let candidates = taken.iter().enumerate().filter(|(_, activity)| may_lose(activity.client));
        let useless = candidates.filter_map(|(at, activity)| {
            Some((counts[&activity.client], activity.useless(now)?, at))
        });
        let Some((_, _, at)) = useless.max() else { return false };
        taken.swap_remove(at).end.notify_one();
        true
    }
}

/// No place is free, and no connection is useless.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The client has reached its own limit.
    OfClient,
    OfAll,
}

/// The place of a connection. Dropping it frees the place.
pub(crate) struct Place {
    places: Arc<Places>,
    activity: Arc<Activity>,
}

impl Place {
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Runs `work` until it completes or the place is given to another connection.
    pub(crate) async fn hold(&self, work: impl Future<Output = ()>) {
        let end = self.activity.end.notified();
        match future::select(std::pin::pin!(work), std::pin::pin!(end)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).retain(|other| !Arc::ptr_eq(other, &self.activity));
        self.places.left.notify_one();
    }
}

/// The activity of a connection.
pub(crate) struct Activity {
    client: IpAddr,
    limits: Limits,
    state: Mutex<State>,
    /// Notified when the place is given to another connection.
    end: Notify,
}

struct State {
    /// When the connection became idle: it has no request to answer.
    idle: Option<Instant>,
    /// When the client stopped reading the bytes that are available.
    stalled: Option<Instant>,
    /// The start of the current window, the bytes read in it, and those read in the previous
    /// window, if there was one.
    window: Instant,
    bytes: u64,
    bytes_before: Option<u64>,
}

impl Activity {
    fn new(client: IpAddr, limits: Limits, now: Instant) -> Self {
        let state =
            State { idle: Some(now), stalled: None, window: now, bytes: 0, bytes_before: None };
        Self { client, limits, state: Mutex::new(state), end: Notify::new() }
    }

    /// Records that a request is being answered, until the returned value is dropped.
    pub(crate) fn answers(self: &Arc<Self>, now: Instant) -> Answering {
        let mut state = lock(&self.state);
        *state = State { idle: None, stalled: None, window: now, bytes: 0, bytes_before: None };
        Answering(Arc::clone(self))
    }

    /// Records that the client read some bytes.
    pub(crate) fn takes(&self, bytes: usize, now: Instant) {
        let mut state = lock(&self.state);
        state.turn(self.limits.window, now);
        state.bytes += bytes as u64;
        state.stalled = None;
    }

    /// Records that the client reads nothing.
    pub(crate) fn stalls(&self, now: Instant) {
        lock(&self.state).stalled.get_or_insert(now);
    }

    /// How long the connection has been useless, if it is.
    fn useless(&self, now: Instant) -> Option<Duration> {
        let mut state = lock(&self.state);
        let Limits { idle, rate, window, .. } = self.limits;
        if let Some(since) = state.idle {
            return Some(now - since).filter(|time| *time >= idle);
        }
        // A client that waits for its response is not at fault.
        let stalled = now - state.stalled?;
        state.turn(window, now);
        let is_slow = state.bytes_before.is_some_and(|before| {
            let time = window + (now - state.window);
            ((before + state.bytes) as f64) < rate as f64 * time.as_secs_f64()
        });
        (is_slow || stalled >= idle).then_some(stalled)
    }
}

impl State {
    /// Moves on to the current window.
    fn turn(&mut self, length: Duration, now: Instant) {
        let passed = now - self.window;
        if passed >= length * 2 {
            (self.bytes_before, self.bytes) = (Some(0), 0);
            self.window = now;
        } else if passed >= length {
            (self.bytes_before, self.bytes) = (Some(self.bytes), 0);
            self.window += length;
        }
    }
}

/// A request that is being answered.
pub(crate) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        lock(&self.0.state).idle = Some(Instant::now());
    }
}

/// The network that counts as one client.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn places(connections: usize, client_connections: usize) -> Arc<Places> {
        let limits = Limits {
            connections,
            client_connections,
            rate: 1000,
            window: 5 * SECOND,
            idle: SECOND,
        };
        Places::new(limits)
    }

    fn place(places: &Arc<Places>, address: &str, now: Instant) -> Option<Place> {
        places.try_place(address.parse().unwrap(), now).ok()
    }

    fn has(places: &Places, place: &Place) -> bool {
        lock(&places.taken).iter().any(|activity| Arc::ptr_eq(activity, &place.activity))
    }

    #[test]
    fn the_client_with_the_most_connections_loses_the_oldest_one() {
        let (places, start) = (places(4, 3), Instant::now());
        let greedy: Vec<Place> =
            (0..3).map(|n| place(&places, "192.0.2.1", start + n * SECOND / 10).unwrap()).collect();
        let modest = place(&places, "192.0.2.2", start).unwrap();
        assert!(
            place(&places, "192.0.2.3", start + SECOND / 2).is_none(),
            "no connection is useless yet"
        );
        // It answers a request, so it is in use.
        let _answering = greedy[0].activity().answers(start);
        let _new = place(&places, "192.0.2.3", start + 2 * SECOND).unwrap();
        assert_eq!(
            greedy.iter().map(|place| has(&places, place)).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert!(has(&places, &modest));
    }

    #[test]
    fn the_connections_of_one_client_are_limited() {
        let (places, start) = (places(10, 2), Instant::now());
        let busy: Vec<(Place, Answering)> = (0..2)
            .map(|_| {
                let place = place(&places, "::ffff:192.0.2.1", start).unwrap();
                let answering = place.activity().answers(start);
                (place, answering)
            })
            .collect();
        assert!(place(&places, "192.0.2.1", start + 100 * SECOND).is_none());
        assert!(place(&places, "192.0.2.2", start).is_some());
        drop(busy);
        assert!(place(&places, "192.0.2.1", start).is_some());
        let six: Vec<Place> =
            (0..2).map(|_| place(&places, "2001:db8::1", start).unwrap()).collect();
        assert!(place(&places, "2001:db8::ffff:1", start).is_none(), "it is one network");
        let _other = place(&places, "2001:db8:0:1::1", start).unwrap();
        // A stalled connection is replaced by another one of the same client.
        let _new = place(&places, "2001:db8::2", start + 2 * SECOND).unwrap();
        assert_eq!(six.iter().filter(|place| has(&places, place)).count(), 1);
    }

    /// Reads bytes every second for this many seconds, and then stalls if `stalls` is set.
    fn is_useless(bytes: usize, stalls: bool, seconds: u32) -> bool {
        let (places, start) = (places(1, 1), Instant::now());
        let place = place(&places, "192.0.2.1", start).unwrap();
        let activity = place.activity();
        let _answering = activity.answers(start);
        for step in 0..2 * seconds {
            let now = start + step * SECOND / 2;
            if bytes > 0 {
                activity.takes(bytes / 2, now);
            }
            if stalls {
                activity.stalls(now);
            }
        }
        activity.useless(start + seconds * SECOND).is_some()
    }

    #[test]
    fn a_client_that_reads_too_slowly_is_useless() {
        assert!(!is_useless(2000, true, 60));
        assert!(is_useless(500, true, 60));
        assert!(is_useless(2, true, 12));
        assert!(is_useless(0, true, 1));
        // Too early to tell: a byte a second.
        let is_useless_early = (2..5).any(|seconds| is_useless(2, true, seconds));
        assert!(!is_useless_early);
        // It takes all there is.
        assert!(!is_useless(2, false, 60));
    }

    /// The system's buffers accept the first megabytes at once.
    #[test]
    fn an_early_burst_does_not_excuse_a_stalled_client() {
        let (places, start) = (places(1, 1), Instant::now());
        let place = place(&places, "192.0.2.1", start).unwrap();
        let activity = place.activity();
        let _answering = activity.answers(start);
        activity.takes(3_000_000, start);
        activity.stalls(start);
        assert!(activity.useless(start + SECOND / 2).is_none());
        assert!(activity.useless(start + SECOND).is_some());
        activity.takes(1, start + 6 * SECOND);
        activity.stalls(start + 6 * SECOND);
        assert!(activity.useless(start + 6 * SECOND).is_none());
        activity.takes(1, start + 11 * SECOND);
        activity.stalls(start + 11 * SECOND);
        assert!(activity.useless(start + 11 * SECOND).is_some());
    }
}
