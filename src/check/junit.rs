//! Results as JUnit XML, in the form that Jenkins and GitLab read: a suite for each image and policy,
//! a case for each check.

use std::fmt::Write;

use crate::{
    basics::Printable,
    check::finding::{Check, ImageChecks},
};

/// The bytes of a JUnit report. Checks that passed are test cases without a failure.
pub fn junit(images: &[ImageChecks]) -> Vec<u8> {
    let all = || images.iter().flat_map(|image| &image.checks);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"oci-layout check\" tests=\"{}\" failures=\"{}\" errors=\"0\">",
        all().count(),
        failures(all())
    );
    for image in images {
        for checks in image.checks.chunk_by(|one, next| one.policy == next.policy) {
            let name = format!("{} {}", checks[0].policy, image.platform);
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\">",
                escaped(name.trim_start()),
                checks.len(),
                failures(checks.iter())
            );
            for check in checks {
                case(&mut xml, check);
            }
            xml.push_str("  </testsuite>\n");
        }
    }
    xml.push_str("</testsuites>\n");
    xml.into_bytes()
}

fn failures<'a>(checks: impl Iterator<Item = &'a Check>) -> usize {
    checks.filter(|check| !check.findings.is_empty()).count()
}

fn case(xml: &mut String, Check { rule, name, findings, .. }: &Check) {
    let (rule, name) = (rule.name(), escaped(name));
    let _ = write!(xml, "    <testcase classname=\"{rule}\" name=\"{name}\"");
    let [first, ..] = &findings[..] else {
        xml.push_str("/>\n");
        return;
    };
    // Readers show one failure of a case.
    let message = match findings.len() {
        1 => first.to_string(),
        count => format!("{first} (and {} more)", count - 1),
    };
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        xml,
        ">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
        first.violation.name(),
        escaped(&message),
        escaped(&lines.join("\n"))
    );
}

/// Text in an element or an attribute, safe for terminals too. XML 1.0 has [no way to
/// write](https://www.w3.org/TR/xml/#charsets) most control characters, which become `\u{1b}` and
/// the like.
fn escaped(text: &str) -> String {
    let line = |line: &str| {
        let mut out = String::with_capacity(line.len());
        for character in Printable(line).to_string().chars() {
            match character {
                '&' => out += "&amp;",
                '<' => out += "&lt;",
                '>' => out += "&gt;",
                '"' => out += "&quot;",
                // The only characters that are printable, and not in XML.
                '\u{fffe}' | '\u{ffff}' => out.extend(character.escape_unicode()),
                _ => out.push(character),
            }
        }
        out
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("&#10;")
}
