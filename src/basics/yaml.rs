//! YAML that may be hostile.

use serde_saphyr::{Budget, Options};

/// How YAML is read: as YAML 1.2 defines its values, of which a file may have this many after aliases
/// are replaced.
pub(crate) fn options(most_values: usize) -> Options {
    let mut budget = Budget::default();
    budget.max_nodes = most_values;
    budget.max_depth = 64;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = most_values;
    // `no` is text, as YAML 1.2 defines it, and so is a mode: 0755.
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.with_snippet = false;
    options
}
