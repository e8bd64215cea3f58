//! Why an image is as large as it is, as a tree for people.

use indicatif::{DecimalBytes, HumanCount};
use oci_layout::Result;

use super::{
    explanation::{Amount, Duplicates, Explanation, FilePart},
    tree::{Tree, short},
};
use crate::out;

/// Prints an explanation, with this many files of each kind.
pub(super) fn draw(explanation: &Explanation<'_>, shown: usize) -> Result<()> {
    let Explanation { image, digest, platform, .. } = explanation;
    let line = format!("{image}  {platform}  {}", short(*digest));
    let files = &explanation.files;
    let (size, waste) = (explanation.visible, explanation.waste());
    let seen = format!("a container sees {} in {}", bytes(size.size), count(size.files, "file"));
    let largest = Tree::new("largest files", list(files, shown, file));
    let of_state = |state| {
        let files = files.iter().filter(move |file| file.state().0 == state).copied();
        list(&files.collect::<Vec<_>>(), shown, file)
    };
    let parts = [
        part("overwritten", explanation.overwritten, of_state("overwritten")),
        part("deleted", explanation.deleted, of_state("deleted")),
        part(
            "duplicated",
            explanation.duplicated,
            list(&explanation.duplicates, shown, duplicates),
        ),
    ];
    let waste = Tree::new(format!("waste  {}", bytes(waste.size)), parts);
    let mode = |FilePart(file): &FilePart<'_>| {
        Tree::new(format!("{:04o}  {}", file.mode, file.path.display()), [])
    };
    let setuid = Tree::new("setuid and setgid", list(&explanation.setuid, shown, mode));
    let warnings = Tree::new(
        "warnings",
        list(&explanation.warnings, shown, |warning| Tree::sentence(warning)),
    );
    let sections = [layers(explanation), Tree::new(seen, []), largest, waste, setuid, warnings];
    let mut sections = sections.into_iter().enumerate();
    // A heading without anything below it says nothing; the first two and the waste do.
    let kept = sections.by_ref().filter(|(at, tree)| matches!(at, 0 | 1 | 3) || tree.has_more());
    Tree::new(line, kept.map(|(_, tree)| tree)).draw_root(&mut out::print)
}

fn layers(explanation: &Explanation<'_>) -> Tree {
    let layers = explanation.layers.iter().enumerate().map(|(at, layer)| {
        let (compressed, unpacked) = (bytes(layer.compressed), bytes(layer.unpacked));
        let made = layer.created_by.filter(|made| !made.is_empty()).unwrap_or_default();
        Tree::new(format!("layer {}  {compressed}, {unpacked} unpacked  {made}", at + 1), [])
    });
    let (compressed, unpacked) = (bytes(explanation.compressed), bytes(explanation.unpacked));
    let layer_count = count(explanation.layers.len() as u64, "layer");
    Tree::new(format!("{layer_count}  {compressed}, {unpacked} unpacked"), layers)
}

fn file(part: &FilePart<'_>) -> Tree {
    let FilePart(file) = part;
    let state = match part.state() {
        (state, Some(by)) => format!(", {state} by layer {}", by + 1),
        (_, None) => String::new(),
    };
    let (path, size) = (file.path.display(), bytes(file.size));
    Tree::new(format!("{path}  {size}, layer {}{state}", file.layer + 1), [])
}

/// One line, whose end is cut off if there are many paths.
fn duplicates(group: &Duplicates) -> Tree {
    const SHOWN: usize = 8;
    let paths = group.paths[..group.paths.len().min(SHOWN)].join(", ");
    let more = if group.paths.len() > SHOWN { ", …" } else { "" };
    let count = HumanCount(group.paths.len() as u64);
    Tree::new(format!("{count} × {}  {paths}{more}", bytes(group.size)), [])
}

fn part(name: &str, amount: Amount, below: Vec<Tree>) -> Tree {
    Tree::new(format!("{name}  {} in {}", bytes(amount.size), count(amount.files, "file")), below)
}

/// The first items, and how many more there are.
fn list<T>(items: &[T], shown: usize, tree: impl FnMut(&T) -> Tree) -> Vec<Tree> {
    let more = items.len().saturating_sub(shown);
    let more = (more > 0).then(|| Tree::new(format!("{} more", HumanCount(more as u64)), []));
    items.iter().take(shown).map(tree).chain(more).collect()
}

fn bytes(size: u64) -> DecimalBytes {
    DecimalBytes(size)
}

fn count(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" })
}
