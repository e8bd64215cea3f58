//! The rate of a response. One that is too slow is an error.

use std::time::Duration;

/// The minimum rate in bytes per second, averaged over a window of waiting time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeastRate {
    pub(crate) bytes: u64,
    pub(crate) window: Duration,
}

/// The progress of a response in the current window. The time that the reader spends elsewhere does
/// not count.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// The time left in the window.
    pub(crate) fn left(&self, least: LeastRate) -> Duration {
        least.window.saturating_sub(self.waited)
    }

    /// Adds waiting time and bytes. If a window ends with too few bytes, the error is the minimum
    /// rate.
    pub(crate) fn count(
        &mut self,
        least: LeastRate,
        waited: Duration,
        bytes: u64,
    ) -> Result<(), LeastRate> {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < least.window {
            return Ok(());
        }
        let is_enough = self.bytes as f64 >= least.bytes as f64 * least.window.as_secs_f64();
        *self = Self::default();
        if is_enough { Ok(()) } else { Err(least) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_averaged_over_a_window() {
        let least = LeastRate { bytes: 1024, window: Duration::from_secs(60) };
        let second = Duration::from_secs(1);
        let lasts = |bytes: &dyn Fn(u64) -> u64| {
            let mut pace = Pace::default();
            (0..600).position(|at| pace.count(least, second, bytes(at)).is_err())
        };
        assert_eq!(lasts(&|_| 1024), None);
        assert_eq!(lasts(&|_| 1023), Some(59));
        assert_eq!(lasts(&|_| 0), Some(59));
        // A pause in the middle, and none at all.
        assert_eq!(lasts(&|at| if at % 60 < 40 { 0 } else { 1 << 20 }), None);
        assert_eq!(lasts(&|at| if at < 120 { 1 << 30 } else { 1 }), Some(179));
        // What comes at once is never slow.
        let mut pace = Pace::default();
        assert!(
            (0..600).all(|_| pace.count(least, Duration::ZERO, 1).is_ok())
                && pace.left(least) == least.window
        );
    }
}
