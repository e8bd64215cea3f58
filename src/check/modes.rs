//! Permissions as Go writes them, which container-structure-test compares:
//! <https://pkg.go.dev/io/fs#FileMode.String>.

use crate::layer::layer_files::{File, Kind};

/// The type and special bits, or a hyphen, and the permissions: `-rwxr-xr-x`, `drwxr-xr-x`,
/// `Lrwxrwxrwx`, `urwxr-xr-x` with setuid, `dtrwxrwxrwx` with the sticky bit.
pub(crate) fn permissions(file: &File) -> String {
    let kind = match file.kind {
        Kind::File(_) => "",
        Kind::Directory => "d",
        Kind::Symlink(_) => "L",
        Kind::BlockDevice(..) | Kind::CharDevice(..) => "D",
        Kind::Fifo => "p",
    };
    let mut text = kind.to_owned();
    for (bit, letter) in [(0o4000, 'u'), (0o2000, 'g')] {
        text.extend((file.mode & bit != 0).then_some(letter));
    }
    text.extend(matches!(file.kind, Kind::CharDevice(..)).then_some('c'));
    text.extend((file.mode & 0o1000 != 0).then_some('t'));
    if text.is_empty() {
        text.push('-');
    }
    for (place, letter) in "rwxrwxrwx".chars().enumerate() {
        let is_set = file.mode & (0o400 >> place) != 0;
        text.push(if is_set { letter } else { '-' });
    }
    text
}
