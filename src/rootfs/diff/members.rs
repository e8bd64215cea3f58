//! Documents compared by member.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{basics::digest::Digest, rootfs::diff::MemberDiff};

impl MemberDiff {
    fn new(member: &str, old: Option<&Value>, new: Option<&Value>) -> Self {
        Self { member: member.to_owned(), old: old.cloned(), new: new.cloned() }
    }

    /// Documents with the same members and other bytes.
    pub(crate) fn of_bytes([old, new]: [Digest; 2]) -> Self {
        let value = |digest: Digest| Some(Value::String(digest.to_string()));
        Self { member: String::new(), old: value(old), new: value(new) }
    }
}

/// The members that differ, without those that have these names.
pub(crate) fn compare(mut old: Value, mut new: Value, without: &[&str]) -> Vec<MemberDiff> {
    for document in [&mut old, &mut new] {
        let members = document.as_object_mut();
        members
            .into_iter()
            .for_each(|members| members.retain(|name, _| !without.contains(&&**name)));
    }
    compare_at("", Some(&old), Some(&new))
}

/// The members that differ of values at this place in a document.
pub(crate) fn compare_at(place: &str, old: Option<&Value>, new: Option<&Value>) -> Vec<MemberDiff> {
    let mut found = Vec::new();
    add(place, old, new, &mut found);
    found
}

fn add(member: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<MemberDiff>) {
    match (old, new) {
        (old, new) if old == new => {}
        // The members of an object that only one document has. An empty object is a leaf: the keys
        // of `ExposedPorts` and `Volumes` have one.
        (Some(Value::Object(only)), None) | (None, Some(Value::Object(only)))
            if only.is_empty() =>
        {
            found.push(MemberDiff::new(member, old, new));
        }
        (Some(Value::Object(_)), None | Some(Value::Object(_)))
        | (None, Some(Value::Object(_))) => {
            let objects = [old, new].map(|value| value.and_then(Value::as_object));
            let names: BTreeSet<_> = objects.iter().flatten().flat_map(|it| it.keys()).collect();
            for name in names {
                let below =
                    if member.is_empty() { name.clone() } else { format!("{member}.{name}") };
                let [old, new] = objects.map(|object| object?.get(name));
                add(&below, old, new, found);
            }
        }
        // Values of lists of other lengths have moved.
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                add(&format!("{member}[{at}]"), Some(old), Some(new), found);
            }
        }
        (old, new) => found.push(MemberDiff::new(member, old, new)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_values_differ_from_absent_ones_and_from_each_other() {
        let lines = |old: Value, new: Value| -> Vec<String> {
            let shown = |value: Option<Value>| value.map_or("none".to_owned(), |it| it.to_string());
            let found = compare(old, new, &[]).into_iter();
            found.map(|it| format!("{} {} {}", it.member, shown(it.old), shown(it.new))).collect()
        };
        let empty = [json!({}), json!([]), Value::Null];
        for value in &empty {
            let with = || json!({ "a": 1, "b": { "c": value } });
            assert_eq!(lines(json!({ "a": 1 }), with()), [format!("b.c none {value}")]);
            assert_eq!(lines(with(), json!({ "a": 1 })), [format!("b.c {value} none")]);
            for other in empty.iter().filter(|other| *other != value) {
                let other = json!({ "a": 1, "b": { "c": other } });
                assert_eq!(
                    lines(with(), other.clone()),
                    [format!("b.c {value} {}", other["b"]["c"])]
                );
            }
        }
        assert_eq!(lines(json!({ "a": {} }), json!({ "a": { "b": {} } })), ["a.b none {}"]);
        assert_eq!(lines(json!({ "a": { "b": {} } }), json!({})), ["a.b {} none"]);
        assert_eq!(lines(json!({}), json!({})), [""; 0]);
    }
}
