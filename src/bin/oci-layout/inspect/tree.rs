//! Lines for people, as a tree.

use std::fmt::Display;

use oci_layout::{Digest, Printable, Result};

/// A line, and the lines below it.
pub(super) struct Tree {
    line: String,
    below: Vec<Tree>,
}

impl Tree {
    /// Creates a line. The text comes from untrusted documents, so it is kept on one line.
    pub(super) fn new(text: impl Display, below: impl IntoIterator<Item = Self>) -> Self {
        const WIDEST: usize = 160;
        let text = Printable(text).to_string();
        let mut line: String = text.chars().take(WIDEST).collect();
        if text.chars().nth(WIDEST).is_some() {
            line.push('…');
        }
        Self { line, below: below.into_iter().collect() }
    }

    /// Creates a line of any length, without lines below.
    pub(super) fn sentence(text: impl Display) -> Self {
        Self { line: Printable(text).to_string(), below: Vec::new() }
    }

    /// Whether there are lines below.
    pub(super) fn has_more(&self) -> bool {
        !self.below.is_empty()
    }

    /// Prints the line, without a branch, and what is below it.
    pub(super) fn draw_root(&self, line: &mut impl FnMut(String) -> Result<()>) -> Result<()> {
        line(self.line.clone())?;
        self.draw_below("", line)
    }

    /// Prints the line on its branch, and what is below it.
    pub(super) fn draw(
        &self,
        indent: &str,
        is_last: bool,
        line: &mut impl FnMut(String) -> Result<()>,
    ) -> Result<()> {
        let (branch, trunk) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        line(format!("{indent}{branch}{}", self.line))?;
        self.draw_below(&format!("{indent}{trunk}"), line)
    }

    fn draw_below(&self, indent: &str, line: &mut impl FnMut(String) -> Result<()>) -> Result<()> {
        let count = self.below.len();
        let mut below = self.below.iter().enumerate();
        below.try_for_each(|(at, tree)| tree.draw(indent, at + 1 == count, line))
    }
}

/// Returns the digest, shortened to the length that people compare.
pub(super) fn short(digest: Digest) -> String {
    digest.to_string().chars().take("sha256:".len() + 12).collect()
}
