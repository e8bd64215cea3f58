//! The user of an image, and the files that describe users.

use crate::basics::error::{Error, Result};

/// The user that the processes of a container have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
}

impl User {
    /// The user that the contents of an image name: a name, `UID` or `UID:GID`. Without one, an
    /// unprivileged user. Names other than `root` and `nobody` have the user ID of this one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a name that a line of `/etc/passwd` cannot have.
    pub(crate) fn of(given: Option<&str>) -> Result<Self> {
        let (name, uid, gid) = match given {
            None => ("user", 1000, 1000),
            Some("root") => ("root", 0, 0),
            Some("nobody") => ("nobody", 65534, 65534),
            Some(given) => match ids(given) {
                Some((0, gid)) => ("root", 0, gid),
                Some((65534, gid)) => ("nobody", 65534, gid),
                Some((uid, gid)) => ("user", uid, gid),
                None if is_name(given) => (given, 1000, 1000),
                None => {
                    return Err(Error::invalid(
                        format!("user {given:?}"),
                        "expected root, another name of lower-case letters, digits, - and _, or \
                         UID:GID",
                    ));
                }
            },
        };
        let home = match uid {
            0 => "/root".to_owned(),
            65534 => "/var/empty".to_owned(),
            _ => format!("/home/{name}"),
        };
        Ok(Self { name: name.to_owned(), uid, gid, home })
    }

    /// `/etc/passwd`.
    pub(crate) fn passwd(&self, shell: &str) -> String {
        let all = [
            ("root", 0, self.gid_of(0), "/root"),
            (&*self.name, self.uid, self.gid, &*self.home),
            ("nobody", 65534, self.gid_of(65534), "/var/empty"),
        ];
        let mut lines: Vec<_> = all
            .iter()
            .map(|(name, uid, gid, home)| format!("{name}:x:{uid}:{gid}::{home}:{shell}\n"))
            .collect();
        lines.dedup();
        lines.concat()
    }

    /// `/etc/group`.
    pub(crate) fn group(&self) -> String {
        let mut groups = vec![("root", 0), ("nobody", 65534)];
        if groups.iter().all(|(_, gid)| *gid != self.gid) {
            let name = if self.uid == 0 || self.uid == 65534 { "user" } else { &self.name };
            groups.insert(1, (name, self.gid));
        }
        groups.iter().map(|(name, gid)| format!("{name}:x:{gid}:\n")).collect()
    }

    fn gid_of(&self, uid: u32) -> u32 {
        if self.uid == uid { self.gid } else { uid }
    }
}

/// `UID` or `UID:GID`. A user has the group with its own number by default.
fn ids(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match text.split_once(':') {
        Some((uid, gid)) => Some((number(uid)?, number(gid)?)),
        None => number(text).map(|uid| (uid, uid)),
    }
}

fn is_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    text.len() <= 32
        && text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_one_line_each() {
        let of = |given| User::of(given).unwrap();
        assert_eq!(
            of(None).passwd("/bin/sh"),
            "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n\
             nobody:x:65534:65534::/var/empty:/bin/sh\n"
        );
        assert_eq!(of(None).group(), "root:x:0:\nuser:x:1000:\nnobody:x:65534:\n");
        for (given, name, uid, gid, home) in [
            ("root", "root", 0, 0, "/root"),
            ("0", "root", 0, 0, "/root"),
            ("0:5", "root", 0, 5, "/root"),
            ("web", "web", 1000, 1000, "/home/web"),
            ("33", "user", 33, 33, "/home/user"),
            ("33:44", "user", 33, 44, "/home/user"),
            ("nobody", "nobody", 65534, 65534, "/var/empty"),
        ] {
            let user = of(Some(given));
            let expected = (name, uid, gid, home);
            assert_eq!((&*user.name, user.uid, user.gid, &*user.home), expected, "{given}");
            let passwd = user.passwd("/bin/sh");
            let mut uids: Vec<_> = passwd.lines().map(|line| line.split(':').nth(2)).collect();
            let lines = uids.len();
            uids.dedup();
            assert_eq!(uids.len(), lines, "{passwd}");
            let gid = format!(":x:{gid}:\n");
            assert_eq!(user.group().matches(&gid).count(), 1, "{}", user.group());
        }
    }

    #[test]
    fn lines_cannot_be_added() {
        for given in ["", "a:b", "a\nroot::0:0", "Web", "1x", "-1", "1:2:3", "99999999999", "a b"] {
            assert!(User::of(Some(given)).is_err(), "{given:?}");
        }
    }
}
