//! What differs between two configurations.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::serve_config::{config::ServeConfig, section::Kind};

/// Returns the keys whose values differ, with the names that the operator chose.
pub fn changed(one: &ServeConfig, other: &ServeConfig) -> Vec<String> {
    let value = |config: &ServeConfig| serde_json::to_value(config).unwrap_or_default();
    let (one, other) = (value(one), value(other));
    let mut keys = Vec::new();
    for key in ServeConfig::keys() {
        let (name, is_chosen) = match key.name.strip_suffix(".NAME") {
            Some(name) => (name, true),
            None => (&*key.name, false),
        };
        let pointer = format!("/{}", name.replace('.', "/"));
        let (one, other) = (one.pointer(&pointer), other.pointer(&pointer));
        match (one, other) {
            (one, other) if one == other => {}
            (Some(Value::Object(one)), Some(Value::Object(other))) if is_chosen => {
                let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
                let differing =
                    names.iter().filter(|chosen| one.get(**chosen) != other.get(**chosen));
                keys.extend(differing.map(|chosen| format!("{name}.{chosen}")));
            }
            _ => keys.push(name.to_owned()),
        }
    }
    keys
}
