//! Whether containers of an image run as root.

use std::collections::BTreeSet;

use crate::{
    basics::Result,
    check::{
        contents::ImageContents,
        finding::{Checks, Rule},
        policy::Policy,
        violation::Violation,
    },
    document::Configuration,
    layer::layer_files::Kind,
};

/// The largest `/etc/passwd` that is read.
const MOST_BYTES: u64 = 1 << 20;

const PASSWD: &str = "/etc/passwd";

pub(crate) fn check(
    policy: &Policy,
    contents: &ImageContents,
    configuration: &Configuration,
    checks: &mut Checks,
) -> Result<()> {
    if policy.members.root_user.is_none() {
        return Ok(());
    }
    let user = configuration.config.as_ref().and_then(|config| config.user.as_deref());
    let reason = reason(user.unwrap_or_default(), contents)?;
    let found = reason.map(|reason| Violation::RootUser { reason });
    checks.add_configuration(Rule::RootUser, "user", "User", found);
    Ok(())
}

/// Why a container runs as root, or may. `None` if it does not.
fn reason(user: &str, contents: &ImageContents) -> Result<Option<String>> {
    let name = user.split(':').next().unwrap_or_default();
    if name.is_empty() {
        return Ok(Some("is empty, so that containers run as root: set a user".to_owned()));
    }
    // As runtimes read it, a number is never a name.
    if let Ok(id) = name.parse::<i64>() {
        return Ok(match id {
            0 => Some(format!("is {user:?}, so that containers run as root: set another user")),
            1..=0x7fff_ffff => None,
            _ => Some(format!("is {user:?}, which no system has as the ID of a user")),
        });
    }
    let passwd = match passwd(contents)? {
        Ok(passwd) => passwd,
        Err(why) => {
            return Ok(Some(format!(
                "is {user:?}, which may be root, because {PASSWD} {why}: set the number of the user"
            )));
        }
    };
    let lines = passwd.lines().map(|line| line.trim().split(':').collect::<Vec<_>>());
    let Some(line) = lines.into_iter().find(|line| line.first() == Some(&name)) else {
        return Ok(Some(format!("is {user:?}, which {PASSWD} of the image does not define")));
    };
    Ok(match line.get(2).and_then(|id| id.parse::<u32>().ok()) {
        Some(0) => Some(format!("is {user:?}, which has the ID 0 in {PASSWD}: set another user")),
        Some(_) => None,
        None => Some(format!("is {user:?}, which has no number in {PASSWD}")),
    })
}

/// The text of `/etc/passwd`, or why it has none, in words that follow the path.
fn passwd(contents: &ImageContents) -> Result<Result<String, String>> {
    let placed = match contents.resolve(PASSWD) {
        Ok(placed) => placed,
        Err(why) => return Ok(Err(why)),
    };
    let (Kind::File(size), Some(place)) = (&placed.file.kind, placed.place()) else {
        return Ok(Err("is not a regular file".to_owned()));
    };
    if *size > MOST_BYTES {
        return Ok(Err("has more than 1 MiB".to_owned()));
    }
    let mut text = String::new();
    contents.read_files(&BTreeSet::from([place]), |_, bytes| {
        text = String::from_utf8_lossy(bytes).into_owned();
    })?;
    Ok(Ok(text))
}
