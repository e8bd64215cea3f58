//! How images violate policies. Each violation has a stable name for programs and a message for
//! people.

use crate::basics::{Digest, size::Size};

macro_rules! violations {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $({ $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty),* $(,)? })? = $kebab:literal, $sentence:literal $(($($argument:tt)*))?;
    )*) => {
        /// How an image violates a policy. `Display` writes the message, whose subject is the place.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Violation {
            $(
                $(#[doc = $doc])+
                #[error($sentence $(, $($argument)*)?)]
                $name $({ $($(#[doc = $field_doc])+ $field: $type),* })?,
            )*
        }

        impl Violation {
            /// The name of the violation for programs, such as `private-key`. It stays the same when
            /// the message changes.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $kebab,)* }
            }
        }
    };
}

violations! {
    /// A file does not exist.
    FileMissing = "file-missing", "does not exist in the image";
    /// A file exists that should not.
    FileExists = "file-exists", "exists in the image, and should not";
    /// A path cannot be looked up, or leads to something without contents.
    FileUnread {
        /// Why, in words that follow the path.
        reason: String,
    } = "file-unread", "{reason}";
    /// A file is too large for a check of its contents.
    FileTooLarge {
        /// The size of the largest file that is read, in bytes.
        limit: u64,
    } = "file-too-large", "has more than {}, and larger files are not matched" (Size(*.limit));
    /// A file has other permissions.
    PermissionsDiffer {
        /// The permissions in the policy.
        expected: String,
        /// The permissions in the image.
        actual: String,
    } = "permissions-differ", "has the permissions {actual} and not {expected}";
    /// A file is not executable.
    NotExecutable {
        /// By whom: `any`, `owner`, `group` or `other`.
        by: String,
        /// The permissions in the image.
        actual: String,
    } = "not-executable", "is not executable by {by}: its permissions are {actual}";
    /// A file has another owner or group.
    OwnerDiffers {
        /// `user` or `group`.
        kind: &'static str,
        /// The ID in the policy.
        expected: u64,
        /// The ID in the image.
        actual: u64,
    } = "owner-differs", "has the {kind} {actual} and not {expected}";
    /// A file lacks expected contents.
    ContentMissing {
        /// The regular expression.
        pattern: String,
    } = "content-missing", "has no match for {pattern:?}";
    /// A file has contents that it should not have.
    ContentExcluded {
        /// The regular expression.
        pattern: String,
    } = "content-excluded", "has a match for {pattern:?}, which the policy excludes";
    /// A member of the configuration has another value.
    ConfigDiffers {
        /// The value in the policy.
        expected: String,
        /// The value in the image.
        actual: String,
    } = "config-differs", "is {actual} and not {expected}";
    /// The configuration lacks something.
    ConfigMissing {
        /// What is missing.
        what: String,
    } = "config-missing", "has no {what}";
    /// The configuration has something that it should not have.
    ConfigExcluded {
        /// What it has.
        what: String,
    } = "config-excluded", "has the {what}, which the policy excludes";
    /// The image, or a layer, is larger than its budget.
    SizeExceeded {
        /// What is too large.
        what: &'static str,
        /// The budget.
        limit: String,
        /// The actual size.
        actual: String,
    } = "size-exceeded", "has {what} {actual}, and the budget is {limit}";
    /// No file matches a glob.
    RequiredFileMissing = "required-file-missing", "matches no file of the image";
    /// A file that no layer may have.
    ForbiddenFile {
        /// What later layers do with the file, unless a container sees it.
        hidden: Option<Hidden>,
    } = "forbidden-file", "is forbidden{}" (suffix(.hidden));
    /// Containers run as root, or as a user that the image does not define.
    RootUser {
        /// Why.
        reason: String,
    } = "root-user", "{reason}";
    /// A file changes the user or the group of who runs it.
    SetuidFile {
        /// The mode, as in 0o4755.
        mode: u32,
    } = "setuid-file", "has the {} bit (mode {mode:04o}): remove it, or allow the file" (bits(*.mode));
    /// Everybody can write to a file or directory.
    WorldWritable {
        /// The mode, as in 0o777.
        mode: u32,
    } = "world-writable", "can be written by everybody (mode {mode:04o}): change the mode, or allow the path";
    /// A file has a private key.
    PrivateKey {
        /// The label of the PEM block, such as `RSA PRIVATE KEY`.
        label: String,
        /// What later layers do with the file, unless a container sees it.
        hidden: Option<Hidden>,
    } = "private-key", "contains a private key ({label}){}" (key_suffix(.hidden));
    /// An entry of a layer is not checked, because its name, type or target is not supported.
    EntryLeftOut {
        /// Why, in words that follow the name.
        reason: String,
        /// The number of entries with this reason.
        count: u64,
    } = "entry-left-out", "{reason}: no check sees this entry ({count} with this reason)";
    /// Container runtimes may apply an entry of a layer in another way than this check.
    EntryAmbiguous {
        /// Why, in words that follow the name.
        reason: String,
        /// The number of entries with this reason.
        count: u64,
    } = "entry-ambiguous", "{reason} ({count} with this reason)";
    /// Findings were left out, because the list would be too long.
    More {
        /// The number of findings left out.
        count: u64,
    } = "more", "is followed by {count} more findings of this check, which are not listed";
}

/// What later layers do with a file that a container therefore does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hidden {
    /// A later layer deletes it.
    Deleted,
    /// This layer has another file at the path.
    Replaced {
        /// The digest of the layer.
        by: Digest,
    },
}

fn key_suffix(hidden: &Option<Hidden>) -> String {
    match hidden {
        None => ": remove it and replace the key, or allow the file".to_owned(),
        Some(_) => suffix(hidden),
    }
}

fn suffix(hidden: &Option<Hidden>) -> String {
    let ships = "but this layer still ships it: build the layer without it";
    match hidden {
        None => String::new(),
        Some(Hidden::Deleted) => format!(". A later layer deletes it, {ships}"),
        Some(Hidden::Replaced { by }) => format!(". The layer {by} replaces it, {ships}"),
    }
}

fn bits(mode: u32) -> &'static str {
    match mode & 0o6000 {
        0o4000 => "setuid",
        0o2000 => "setgid",
        _ => "setuid and setgid",
    }
}
