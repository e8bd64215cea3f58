//! Names become derivations and outputs, by the Nix program in `resolver.nix`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    basics::json,
    on_demand::{
        names::package_name::{is_package, split_optional},
        nix::{
            answer::{self, Answer, Answers},
            programs::{Programs, Unsuccessful},
        },
        package_source::Resolved,
        source::place::Place,
    },
    registry::{
        NamedImageError,
        NamedImageErrorKind::{Failed, Internal, NameInvalid},
        Stop,
    },
};

const RESOLVER: &str = include_str!("resolver.nix");

/// What the resolver is asked.
#[derive(Serialize)]
struct Request<'a> {
    kind: &'static str,
    place: &'a str,
    system: &'a str,
    catch: bool,
    names: Vec<Vec<&'a str>>,
}

/// The resolver, for one request.
struct Resolver<'a> {
    programs: &'a Programs,
    place: &'a Place,
    system: &'a str,
    /// When all evaluations of the request must have ended.
    end: Instant,
    stop: &'a Stop,
}

/// As [`PackageSource::resolve`](crate::on_demand::PackageSource::resolve), for a revision that is
/// at this place.
pub(crate) fn resolve(
    programs: &Programs,
    place: &Place,
    revision: &str,
    system: &str,
    names: &[String],
    stop: &Stop,
) -> Result<Resolved, NamedImageError> {
    for name in names {
        if !is_package(split_optional(name).0) {
            let message = format!("{name:?} is not a package's name");
            return Err(NamedImageError::new(NameInvalid, message));
        }
    }
    let end = Instant::now() + programs.options.evaluation_time;
    let resolver = Resolver { programs, place, system, end, stop };
    let names: Vec<(&str, bool)> = names.iter().map(|name| split_optional(name)).collect();
    let (store, answers) = resolver.answers(&names)?;

    let needed = names.iter().zip(&answers).filter(|((_, is_needed), _)| *is_needed);
    let mut troubles = Vec::new();
    for ((name, _), answer) in needed.clone() {
        // Other names may be unknown, which is the more useful error.
        if !matches!(answer, Answer::Failed { .. }) {
            troubles.extend(answer::trouble(name, answer));
        }
    }
    if !troubles.is_empty() {
        return Err(answer::unknown(&troubles));
    }
    for ((name, _), answer) in needed {
        if matches!(answer, Answer::Failed { failed: true }) {
            return Err(resolver.reason(name));
        }
    }
    Ok(Resolved {
        revision: revision.to_owned(),
        system: system.to_owned(),
        packages: answer::packages(&store, answers)?,
    })
}

impl Resolver<'_> {
    /// The store, and the answer for each name. One evaluation is enough, unless a package has an
    /// error that Nix cannot catch. Then each name is evaluated alone.
    fn answers(&self, names: &[(&str, bool)]) -> Result<(PathBuf, Vec<Answer>), NamedImageError> {
        let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        match self.evaluate(&all, true) {
            Ok(Answers { store_dir, results }) => return Ok((store_dir, results)),
            Err(refusal @ Unsuccessful::Refused(_)) if names.len() < 2 => {
                return Err(refusal.because(|reason| cannot(&all, reason)));
            }
            Err(Unsuccessful::Refused(_)) => {}
            Err(Unsuccessful::Error(error)) => return Err(error),
        }
        let (mut store, mut answers) = (PathBuf::new(), Vec::new());
        for (name, is_needed) in names {
            match self.evaluate(&[name], true) {
                Ok(Answers { store_dir, results }) => {
                    store = store_dir;
                    answers.extend(results);
                }
                Err(Unsuccessful::Refused(_)) if !is_needed => {
                    answers.push(Answer::Failed { failed: true });
                }
                Err(failure) => return Err(failure.because(|reason| cannot(&[name], reason))),
            }
        }
        Ok((store, answers))
    }

    /// Why a package throws. Nix does not say it where the error is caught.
    fn reason(&self, name: &str) -> NamedImageError {
        match self.evaluate(&[name], false) {
            Ok(_) => NamedImageError::new(Failed, cannot(&[name], "it throws")),
            Err(failure) => failure.because(|reason| cannot(&[name], reason)),
        }
    }

    fn evaluate(&self, names: &[&str], catch: bool) -> Result<Answers, Unsuccessful> {
        let place = self.place.text();
        let request = Request {
            kind: self.place.kind(),
            place: &place,
            system: self.system,
            catch,
            names: names.iter().map(|name| name.split('.').collect()).collect(),
        };
        let request = String::from_utf8(json::to_bytes(&request)).expect("JSON is UTF-8");
        let mut command = self.programs.nix("nix-instantiate");
        for (setting, value) in [
            ("restrict-eval", "true"),
            ("allowed-uris", ""),
            // Whatever is on the search path could be read.
            ("nix-path", ""),
            ("allow-import-from-derivation", "false"),
            ("pure-eval", "false"),
            ("allow-unsafe-native-code-during-evaluation", "false"),
        ] {
            command.args(["--option", setting, value]);
        }
        self.place.allow(&mut command);
        command.args(["--eval", "--json", "--strict", "--read-write-mode", "--expr", RESOLVER]);
        command.args(["--argstr", "request", &request]);
        let time = self.end.saturating_duration_since(Instant::now());
        let options = &self.programs.options;
        let output = self.programs.run_for(
            &mut command,
            "the evaluation of the packages",
            time.max(Duration::from_millis(1)),
            options.evaluation_memory,
            self.stop,
        )?;
        let answers: Result<Answers, String> = json::from_slice(&output);
        let is_complete = |answers: &Answers| answers.results.len() == names.len();
        answers
            .and_then(|answers| match is_complete(&answers) {
                true => Ok(answers),
                false => Err("the number of answers is wrong".to_owned()),
            })
            .map_err(|reason| {
                let message = "the registry does not understand Nix's answer: ask its operator";
                let error = NamedImageError::new(Internal, message);
                Unsuccessful::Error(error.detail(format!("nix-instantiate: {reason}")))
            })
    }
}

fn cannot(names: &[&str], reason: &str) -> String {
    format!("{} cannot be evaluated: {reason}", names.join(", "))
}
