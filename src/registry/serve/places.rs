//! The places for connections: who gets one, and who loses his to another.
//!
//! A client that stalls costs nothing while there is room, and is left alone. Where there is none,
//! its place is given to the next who comes: first from the client with the most connections, and
//! of these from the one that has been useless for longest. No client alone has all places, however
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

/// How much clients can ask of an [`Endpoint`](super::Endpoint) at the same time.
///
/// Where there is no place for a new connection, one that is of no use gives up its own: one whose
/// client has done nothing at all for [`idle`](Self::idle), or takes less of a response, over
/// [`window`](Self::window), than [`rate`](Self::rate) asks for. While there are places, nobody is
/// disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The connections at a time: 400. More wait. Each may have a file open beside itself, and a
    /// process has 1024 files where nobody says otherwise.
    pub connections: usize,
    /// The connections of one client at a time: 300. More are answered with status 429. A client is
    /// an address of IPv4, or a network of IPv6 with 64 bits.
    pub client_connections: usize,
    /// The bytes a second that a client has to take of a response: 16 KiB.
    pub rate: u64,
    /// The time over which the rate is an average: 5 seconds.
    pub window: Duration,
    /// The time in which a client has to do something: 1 second. It has to send the whole head of a
    /// request, or to take some bytes of a response that is there.
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

/// All places.
pub(crate) struct Places {
    limits: Limits,
    taken: Mutex<Vec<Arc<Activity>>>,
    /// A place became free.
    left: Notify,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default(), left: Notify::new() })
    }

    /// A place for a client.
    ///
    /// # Errors
    ///
    /// [`Full`] says who has to leave first.
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

    /// Waits until it is worth another try: a place became free, or a moment has passed, in which a
    /// connection may have become useless.
    pub(crate) async fn change(&self) {
        const MOMENT: Duration = Duration::from_millis(50);
        future::select(std::pin::pin!(self.left.notified()), std::pin::pin!(time::sleep(MOMENT)))
            .await;
    }

    /// Ends the connection that is the least loss, if any is none.
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

/// There is no place, and no connection that is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The client has as many as it may have.
    OfClient,
    OfAll,
}

/// A connection's place, until this is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    activity: Arc<Activity>,
}

impl Place {
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Does this to its end, or until the place is given to somebody else.
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

/// What a connection does, and how well.
pub(crate) struct Activity {
    client: IpAddr,
    limits: Limits,
    state: Mutex<State>,
    /// Its place is somebody else's.
    end: Notify,
}

struct State {
    /// Since when there is no request to answer.
    idle: Option<Instant>,
    /// Since when the client takes nothing of what there is for it.
    stalled: Option<Instant>,
    /// The beginning of the present window, the bytes taken in it, and those in the one before, if
    /// there was one.
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

    /// A request is answered, until what this returns is dropped.
    pub(crate) fn answers(self: &Arc<Self>, now: Instant) -> Answering {
        let mut state = lock(&self.state);
        *state = State { idle: None, stalled: None, window: now, bytes: 0, bytes_before: None };
        Answering(Arc::clone(self))
    }

    /// The client took this much.
    pub(crate) fn takes(&self, bytes: usize, now: Instant) {
        let mut state = lock(&self.state);
        state.turn(self.limits.window, now);
        state.bytes += bytes as u64;
        state.stalled = None;
    }

    /// The client takes nothing.
    pub(crate) fn stalls(&self, now: Instant) {
        lock(&self.state).stalled.get_or_insert(now);
    }

    /// For how long the connection has been of no use, if it is of none.
    fn useless(&self, now: Instant) -> Option<Duration> {
        let mut state = lock(&self.state);
        let Limits { idle, rate, window, .. } = self.limits;
        if let Some(since) = state.idle {
            return Some(now - since).filter(|time| *time >= idle);
        }
        // While it has to wait for its response, it is no fault of the client.
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
    /// Goes on to the present window.
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

/// A request that is answered.
pub(crate) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        lock(&self.0.state).idle = Some(Instant::now());
    }
}

/// Who counts as one client.
fn network(address: IpAddr) -> IpAddr {
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
        assert!(place(&places, "192.0.2.3", start + SECOND / 2).is_none(), "nobody is useless yet");
        // One answers a request: it is of use.
        let _answering = greedy[0].activity().answers(start);
        let _new = place(&places, "192.0.2.3", start + 2 * SECOND).unwrap();
        assert_eq!(
            greedy.iter().map(|place| has(&places, place)).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert!(has(&places, &modest));
    }

    #[test]
    fn a_client_has_so_many_places_and_no_more() {
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
        // A stalled one makes room for another of its own client.
        let _new = place(&places, "2001:db8::2", start + 2 * SECOND).unwrap();
        assert_eq!(six.iter().filter(|place| has(&places, place)).count(), 1);
    }

    /// Bytes every second for so many seconds, and whether the client wants no more in between.
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
    fn a_client_that_takes_little_is_useless() {
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

    /// The system's buffers take the first megabytes at once.
    #[test]
    fn a_good_beginning_does_not_last() {
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
