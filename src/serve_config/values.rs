//! Values of the configuration, as people write them.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use crate::basics::size::Size;
use crate::{basics::text, serve_config::section::Kind};

/// An address to listen on: `PORT`, `:PORT`, `HOST:PORT` or `[ADDRESS]:PORT`. The default is a free
/// port of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl Default for Address {
    fn default() -> Self {
        Self(([127, 0, 0, 1], 0).into())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected PORT, :PORT or ADDRESS:PORT, as in 8080, :8080, localhost:8080 or \
             [::1]:8080"
                .to_owned()
        };
        let port = |text: &str| text.parse::<u16>().map_err(|_| expected());
        Ok(Self(match text.rsplit_once(':') {
            None => ([127, 0, 0, 1], port(text)?).into(),
            Some(("", number)) => ([0, 0, 0, 0], port(number)?).into(),
            Some(("localhost", number)) => ([127, 0, 0, 1], port(number)?).into(),
            Some(_) => text.parse().map_err(|_| expected())?,
        }))
    }
}

/// The form of each line on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A sentence.
    Text,
    /// A JSON object with the time, the level, the name of the event, its message and its fields.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Number<const MIN: u32, const MAX: u32>(pub u32);

/// A time of at least `MIN` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period<const MIN: u64>(pub Duration);

impl<const MIN: u64> Period<MIN> {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

const DAY: u64 = 24 * 60 * 60;

impl<const MIN: u64> FromStr for Period<MIN> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// Ten years. Times are added to the clock, which ends.
        const MOST: Duration = Duration::from_secs(3650 * DAY);
        let span: Option<Span> = text.parse().ok();
        let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
        let time = time.and_then(|time| Duration::try_from(time).ok());
        match time.filter(|time| (Duration::from_secs(MIN)..=MOST).contains(time)) {
            Some(time) => Ok(Self(time)),
            None => Err(format!(
                "expected a time from {MIN}s to 3650d with its unit, as in 30s, 5m, 1h 30m or 30d"
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl<const MIN: u64> fmt::Display for Period<MIN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_secs(), self.0.subsec_nanos()) {
            (seconds, nanos) if nanos > 0 => write!(f, "{seconds}.{nanos:09}s"),
            (0, _) => f.write_str("0s"),
            (seconds, _) if seconds % DAY == 0 => write!(f, "{}d", seconds / DAY),
            (seconds, _) if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            (seconds, _) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            (seconds, _) => write!(f, "{seconds}s"),
        }
    }
}

/// Values that are written as text: their types, their names, and an example for errors.
macro_rules! texts {
    ($($value:ident $(<$min:ident>)?: $name:literal, $expected:literal;)+) => {
        $(
            impl $(<const $min: u64>)? Kind for $value $(<$min>)? {
                const NAME: &'static str = $name;
            }

            impl<'de, $(const $min: u64)?> Deserialize<'de> for $value $(<$min>)? {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    text::deserialize(deserializer, $expected, str::parse)
                }
            }

            impl $(<const $min: u64>)? Serialize for $value $(<$min>)? {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }
        )+
    };
}

texts! {
    Address: "address", "an address in quotes, as in \"127.0.0.1:5000\"";
    LogFormat: "`text` or `json`", "\"text\" or \"json\"";
    Period<MIN>: "time", "a time in quotes with its unit, as in \"30s\", \"5m\" or \"30d\"";
}

impl Kind for Size {
    const NAME: &'static str = "size";
}

impl<const MIN: u32, const MAX: u32> Kind for Number<MIN, MAX> {
    const NAME: &'static str = "number";
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Number<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        match u32::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number)) {
            Some(number) => Ok(Self(number)),
            None => {
                let expected = format!("expected a number from {MIN} to {MAX}");
                Err(serde::de::Error::custom(expected))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_short_form() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("127.0.0.2:0", "127.0.0.2:0"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address, "{text}");
        }
        for text in ["", ":", "localhost", "localhost:", "example.org:80", "70000", "::1"] {
            assert!(text.parse::<Address>().unwrap_err().contains("[::1]:8080"), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds, shown) in [
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("1h 30m", 5400, "90m"),
            ("1h30m", 5400, "90m"),
            ("30d", 30 * DAY, "30d"),
            ("2 weeks", 14 * DAY, "14d"),
            ("0s", 0, "0s"),
            ("90 minutes", 5400, "90m"),
        ] {
            let period: Period<0> = text.parse().unwrap();
            assert_eq!(period, Period::seconds(seconds), "{text}");
            assert_eq!(period.to_string(), shown);
            assert_eq!(shown.parse(), Ok(period));
        }
        assert_eq!("1.5s".parse::<Period<0>>().unwrap().to_string(), "1.500000000s");
        for text in ["", "30", "-5m", "5m ago", "1 month", "1y", "4000d", "s", "1e9d", "5 m m"] {
            let error = text.parse::<Period<0>>().unwrap_err();
            assert!(error.contains("from 0s to 3650d"), "{text}: {error}");
        }
        assert!("0s".parse::<Period<1>>().unwrap_err().contains("from 1s"));
    }
}
