//! YAML that may be hostile.

use serde_saphyr::{Budget, Options};

/// The maximum number of values in a file, after aliases are replaced.
const MOST_VALUES: usize = 200_000;

/// How YAML is read: within bounds, and as YAML 1.2 defines its values.
pub(crate) fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_nodes = MOST_VALUES;
    budget.max_depth = 64;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MOST_VALUES;
    // `no` is text, as YAML 1.2 defines it, and so is a mode: 0755.
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.with_snippet = false;
    options
}
