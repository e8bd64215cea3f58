//! Scripts in execline. A script is one command line: each program ends by executing the rest, so
//! that no value passes through a shell.

use std::fmt::Write as _;

use crate::{
    basics::error::Result,
    nix::services::{
        command_line::{Part, Word},
        quote,
        tools::Tools,
    },
};

/// A script under construction.
pub(crate) struct Script<'a> {
    tools: &'a Tools,
    /// The folder of the scripts that do not depend on services.
    lib: &'a str,
    text: String,
    /// The name that stands for a value which is only known at the start. It is in no text of the
    /// script.
    key: &'a str,
    /// The number of exit codes that it takes. A substitution is one for the whole rest of the script,
    /// so that each needs its own name.
    codes: usize,
}

impl<'a> Script<'a> {
    /// An empty script.
    pub(crate) fn new(tools: &'a Tools, lib: &'a str, key: &'a str) -> Self {
        Self { tools, lib, text: String::new(), key, codes: 0 }
    }

    /// Runs this program of `path`, which executes the rest.
    pub(crate) fn program<A: AsRef<str>>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<&mut Self> {
        let program = self.tools.path(name)?;
        Ok(self.line(
            [program].into_iter().chain(arguments.into_iter().map(|a| a.as_ref().to_owned())),
        ))
    }

    /// Adds words.
    pub(crate) fn line<A: AsRef<str>>(&mut self, words: impl IntoIterator<Item = A>) -> &mut Self {
        let words: Vec<_> = words.into_iter().map(|word| quote::execline(word.as_ref())).collect();
        let _ = writeln!(self.text, "{}", words.join(" "));
        self
    }

    /// Adds a block, such as a command that runs first.
    pub(crate) fn block(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<&mut Self> {
        self.text.push_str("{\n");
        inner(self)?;
        self.text.push_str("}\n");
        Ok(self)
    }

    /// Adds a command. Its variables are those of the environment when it starts.
    pub(crate) fn command(&mut self, words: &[Word]) -> Result<()> {
        let mut variables = Vec::new();
        let mut arguments = Vec::new();
        for word in words {
            arguments.push(self.argument(word, &mut variables));
        }
        for (number, variable) in variables.iter().enumerate() {
            if let Variable::Split(name) = variable {
                let (split, key) = (format!("{}/split", self.lib), self.numbered(number));
                self.program("backtick", [key])?.block(|script| {
                    script.line([&split, name]);
                    Ok(())
                })?;
            }
        }
        if !variables.is_empty() {
            self.program("multisubstitute", [""; 0])?.block(|script| {
                for (number, variable) in variables.iter().enumerate() {
                    let key = script.numbered(number);
                    match variable {
                        Variable::Whole(name) => script.line(["importas", "-D", "", &key, name]),
                        Variable::Split(_) => {
                            script.line(["importas", "-u", "-D", "", "-s", "-d", "\n", &key, &key])
                        }
                    };
                }
                Ok(())
            })?;
        }
        self.line(arguments);
        Ok(())
    }

    /// Runs a command first. `?` is its exit code, until [`exit_code`](Self::exit_code) takes it.
    pub(crate) fn first(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<&mut Self> {
        self.program("foreground", [""; 0])?.block(inner)
    }

    /// Takes the exit code of the command that ran first. If it is not 0, executes the program with
    /// the code instead of the rest.
    pub(crate) fn unless_success(&mut self, program: &str) -> Result<&mut Self> {
        self.forget_code()?;
        let code = format!("${{{}}}", self.code());
        self.program("ifelse", [""; 0])?
            .block(|script| script.program("test", [&code, "-ne", "0"]).map(drop))?
            .block(|script| {
                script.line([program, &code]);
                Ok(())
            })
    }

    /// Removes the exit code from the environment.
    pub(crate) fn forget_code(&mut self) -> Result<&mut Self> {
        self.codes += 1;
        let key = self.code();
        self.program("importas", ["-u", &key, "?"])
    }

    /// The name of the exit code that was taken last.
    fn code(&self) -> String {
        format!("{}_code_{}", self.key, self.codes)
    }

    /// The script, which starts by itself.
    pub(crate) fn finish(self) -> Result<String> {
        Ok(format!("#!{} -P\n{}", self.tools.path("execlineb")?, self.text))
    }

    fn argument(&self, word: &Word, variables: &mut Vec<Variable>) -> String {
        let mut argument = String::new();
        let parts = match word {
            Word::Joined(parts) => parts,
            Word::Split(name) => {
                let key = self.numbered(variables.len());
                variables.push(Variable::Split(name.clone()));
                return format!("${{{key}}}");
            }
        };
        for part in parts {
            match part {
                Part::Text(text) => argument.push_str(text),
                Part::Variable(name) => {
                    // A backslash before a substitution would protect it.
                    let backslashes = argument.len() - argument.trim_end_matches('\\').len();
                    argument.push_str(&"\\".repeat(backslashes));
                    let _ = write!(argument, "${{{}}}", self.numbered(variables.len()));
                    variables.push(Variable::Whole(name.clone()));
                }
            }
        }
        argument
    }

    fn numbered(&self, number: usize) -> String {
        format!("{}_{number}", self.key)
    }
}

/// A variable of a command.
enum Variable {
    /// One argument, or a part of one.
    Whole(String),
    /// Any number of arguments.
    Split(String),
}
