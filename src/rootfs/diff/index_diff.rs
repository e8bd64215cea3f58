//! Compares the indexes of two images.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    basics::{
        error::{Error, Result},
        json,
    },
    document::{descriptor::Descriptor, manifest::Index},
    image::{containers::Container, graph::Image},
    rootfs::diff::{
        MemberDiff,
        members::{compare, compare_at},
    },
};

/// Compares the indexes of two images for several platforms: their members, the order of their
/// entries, and the entries by member. Of an entry of a container that changed, the digest and the
/// size are left out, and so are containers that only one index has: [`image_diff`] is for these.
/// Empty if one of the images has no index.
///
/// A member of an entry is named by the position of the entry in the new index, or in the old one if
/// only that has the entry.
///
/// [`image_diff`]: crate::rootfs::image_diff
///
/// # Errors
///
/// Those of reading the documents.
pub fn index_diff(old: &Image, new: &Image) -> Result<Vec<MemberDiff>> {
    let both = [old, new];
    let digests = both.map(Image::digest);
    if digests[0] == digests[1] || !both.iter().all(|it| it.descriptor().media_type.is_index()) {
        return Ok(Vec::new());
    }
    let mut containers = BTreeSet::new();
    for image in both {
        containers.extend(Container::all(image)?.into_iter().map(|it| it.descriptor.digest));
    }
    let [(old, old_entries), (new, new_entries)] = [Entry::all(old)?, Entry::all(new)?];
    let mut found = compare(old, new, &["manifests"]);
    let pairs = pairs(&old_entries, &new_entries);
    found.extend(order(&pairs, &old_entries, &new_entries));
    let mut has_other_containers = false;
    for (old_at, new_at) in pairs {
        let member = format!("manifests[{}]", new_at.or(old_at).unwrap_or_default());
        let entries = (old_at.map(|at| &old_entries[at]), new_at.map(|at| &new_entries[at]));
        let is_container = |entry: &Entry| containers.contains(&entry.descriptor.digest);
        match entries {
            (Some(old), Some(new)) => {
                let is_other = old.descriptor.digest != new.descriptor.digest
                    && is_container(old)
                    && is_container(new);
                has_other_containers |= is_other;
                let without: &[&str] = if is_other { &["digest", "size"] } else { &[] };
                let [old, new] = [old, new].map(|entry| entry.without(without));
                found.extend(compare_at(&member, Some(&old), Some(&new)));
            }
            (Some(only), None) | (None, Some(only)) if is_container(only) => {
                has_other_containers = true;
            }
            (old, new) => {
                let value = |entry: Option<&Entry>| entry.map(|entry| entry.value.clone());
                found.push(MemberDiff { member, old: value(old), new: value(new) });
            }
        }
    }
    if found.is_empty() && !has_other_containers {
        found.push(MemberDiff::of_bytes(digests));
    }
    Ok(found)
}

/// An entry of an index, as it is and as a descriptor.
struct Entry {
    value: Value,
    descriptor: Descriptor,
}

impl Entry {
    /// The index of an image, and its entries.
    fn all(image: &Image) -> Result<(Value, Vec<Self>)> {
        let bytes = image.document(image.digest())?;
        let refuse = |error| Error::invalid(format!("index {}", image.digest()), error);
        let value: Value = json::from_slice(&bytes).map_err(refuse)?;
        let index: Index = json::from_slice(&bytes).map_err(refuse)?;
        let values = value["manifests"].as_array().cloned().unwrap_or_default();
        let entries = values.into_iter().zip(index.manifests);
        let entries = entries.map(|(value, descriptor)| Self { value, descriptor }).collect();
        Ok((value, entries))
    }

    /// The entry without these members.
    fn without(&self, names: &[&str]) -> Value {
        let mut value = self.value.clone();
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| !names.contains(&&**name));
        }
        value
    }

    /// What people call it.
    fn name(&self) -> Value {
        let platform = self.descriptor.platform.as_ref().map(ToString::to_string);
        platform.unwrap_or_else(|| self.descriptor.digest.to_string()).into()
    }
}

/// The positions of entries in the old and the new index: those with the same digest, then those for
/// the same platform, and those that only one index has.
fn pairs(old: &[Entry], new: &[Entry]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut partner: Vec<Option<usize>> = vec![None; old.len()];
    let mut is_free = vec![true; new.len()];
    let is_same_digest = |old: &Entry, new: &Entry| old.descriptor.digest == new.descriptor.digest;
    let is_same_platform =
        |old: &Entry, new: &Entry| match (&old.descriptor.platform, &new.descriptor.platform) {
            (Some(old), Some(new)) => old.accepts(new) && old.os_version == new.os_version,
            (old, new) => old.is_none() && new.is_none(),
        };
    for is_same in [&is_same_digest as &dyn Fn(&Entry, &Entry) -> bool, &is_same_platform] {
        for (at, entry) in old.iter().enumerate() {
            if partner[at].is_none()
                && let Some(found) =
                    (0..new.len()).find(|at| is_free[*at] && is_same(entry, &new[*at]))
            {
                partner[at] = Some(found);
                is_free[found] = false;
            }
        }
    }
    let added = (0..new.len()).filter(|at| is_free[*at]).map(|at| (None, Some(at)));
    partner.into_iter().enumerate().map(|(at, new)| (Some(at), new)).chain(added).collect()
}

/// The order of the entries that both indexes have, if it differs.
fn order(
    pairs: &[(Option<usize>, Option<usize>)],
    old: &[Entry],
    new: &[Entry],
) -> Option<MemberDiff> {
    let mut both: Vec<_> = pairs.iter().filter_map(|(old, new)| old.zip(*new)).collect();
    if both.is_sorted_by_key(|(_, new)| *new) {
        return None;
    }
    let before = both.iter().map(|(at, _)| old[*at].name()).collect();
    both.sort_by_key(|(_, new)| *new);
    let after = both.iter().map(|(_, at)| new[*at].name()).collect();
    let member = "manifests".to_owned();
    Some(MemberDiff { member, old: Some(before), new: Some(after) })
}
