//! The scripts of one service.

use crate::{
    basics::error::Result,
    nix::services::{
        capabilities,
        execline::Script,
        spec::{Command, Service, Step},
        tools::Tools,
    },
};

/// What all scripts of an image share.
pub(crate) struct Context<'a> {
    pub(crate) tools: &'a Tools,
    /// The folder of the scripts that do not depend on services.
    pub(crate) lib: &'a str,
    /// See [`Script::new`].
    pub(crate) key: &'a str,
}

impl Context<'_> {
    fn script(&self) -> Script<'_> {
        Script::new(self.tools, self.lib, self.key)
    }

    fn lib(&self, name: &str) -> String {
        format!("{}/{name}", self.lib)
    }

    /// `run`: starts the command.
    pub(crate) fn run(&self, service: &Service) -> Result<String> {
        let mut script = self.script();
        if is_logged(service) {
            script.program("fdmove", ["-c", "2", "1"])?;
            if service.user.is_some() {
                // Then its user can open /dev/stdout.
                script
                    .first(|script| script.program("chmod", ["o+w", "/proc/self/fd/1"]).map(drop))?
                    .forget_code()?;
            }
        }
        self.surroundings(&mut script, service)?;
        if !service.ambient_capabilities.is_empty() {
            let numbered = capabilities::numbered(self.tools, service)?;
            script
                .first(|script| {
                    let program = self.lib("capabilities");
                    script.line([&program, &service.name].into_iter().chain(&numbered));
                    Ok(())
                })?
                .unless_success(&self.lib("exit"))?;
        }
        let files = service.environment_files.iter();
        let files: Vec<_> = files
            .map(|file| format!("{}{}", if file.optional { "-" } else { "" }, file.path))
            .collect();
        if !files.is_empty() {
            let read = self.lib("read-environment");
            script
                .first(|script| {
                    script.line([read].iter().chain(&files));
                    Ok(())
                })?
                .unless_success(&self.lib("exit"))?
                .program("s6-envdir", ["-f", "-L", "environment"])?;
        }
        let readiness = service.readiness.as_ref();
        let notifies = readiness.is_some_and(|readiness| readiness.sd_notify);
        if notifies {
            let directory = format!("${{{}}}", self.key);
            script
                .first(|script| {
                    script.line([self.lib("listen")]);
                    Ok(())
                })?
                .unless_success(&self.lib("exit"))?
                .program("getcwd", ["-E", self.key])?
                .program("export", ["NOTIFY_SOCKET", &format!("{directory}/notify")])?;
        }
        for step in &service.pre_start {
            self.step(&mut script, service, "preStart", step)?;
        }
        match readiness.and_then(|readiness| readiness.fd) {
            Some(_) => {}
            // The program that waits for the daemon reports it.
            None if service.pid_file.is_some() => {}
            // Others may start as soon as the command does.
            None if !notifies => {
                script
                    .first(|script| {
                        script.program("fdmove", ["1", "3"])?.program("echo", [""; 0]).map(drop)
                    })?
                    .forget_code()?
                    .program("fdclose", ["3"])?;
            }
            None => {
                script.program("fdclose", ["3"])?;
            }
        }
        if !service.post_start.is_empty() {
            script
                .first(|script| {
                    script.line([self.lib("after-restart")]);
                    Ok(())
                })?
                .forget_code()?;
        }
        if let Some(file) = &service.pid_file {
            // As root, so that it can send signals to a daemon with another user.
            script.program("s6-background-watch", ["-d", "3", file])?;
        }
        self.command(&mut script, service, "command", &service.command, service.as_root)?;
        script.finish()
    }

    /// A script that runs these commands in the surroundings of the service.
    pub(crate) fn steps(&self, service: &Service, member: &str, steps: &[Step]) -> Result<String> {
        let mut script = self.script();
        self.late_surroundings(&mut script, service)?;
        for step in steps {
            self.step(&mut script, service, member, step)?;
        }
        script.program("exit", ["0"])?;
        script.finish()
    }

    /// A script that runs this command in the surroundings of the service.
    pub(crate) fn check(&self, service: &Service, command: &Command) -> Result<String> {
        let mut script = self.script();
        self.late_surroundings(&mut script, service)?;
        self.command(&mut script, service, "readiness", command, false)?;
        script.finish()
    }

    /// The script of the logger, if the service has one.
    pub(crate) fn log(&self, service: &Service) -> Result<Option<String>> {
        let mut script = self.script();
        let environment = ["-f", "-L", "../../../environment"];
        let prefix = service.prefix.as_ref();
        let add = |script: &mut Script<'_>, prefix: &str| {
            let program = "{ print ENVIRON[\"PREFIX\"] $0; fflush() }";
            script.program("export", ["PREFIX", prefix])?.program("awk", [program]).map(drop)
        };
        match (prefix, &service.logger) {
            (None, None) => return Ok(None),
            (Some(prefix), None) => add(&mut script, prefix)?,
            (None, Some(logger)) => {
                script.program("s6-envdir", environment)?.line(logger);
            }
            (Some(prefix), Some(logger)) => {
                script
                    .program("pipeline", [""; 0])?
                    .block(|script| add(script, prefix))?
                    .program("unexport", ["!"])?
                    .program("s6-envdir", environment)?
                    .line(logger);
            }
        }
        script.finish().map(Some)
    }

    /// What holds for all commands of a service.
    fn surroundings(&self, script: &mut Script<'_>, service: &Service) -> Result<()> {
        script.program("s6-envdir", ["-f", "-L", "../../environment"])?;
        if let Some(umask) = &service.umask {
            script.program("umask", [umask])?;
        }
        let mut limits = Vec::new();
        for (name, limit) in &service.limits {
            limits.extend(self.limit(service, name, limit)?);
        }
        if !limits.is_empty() {
            script.program("s6-softlimit", limits)?;
        }
        if let Some(user) = &service.user {
            let variables = [("USER", &user.name), ("LOGNAME", &user.name), ("HOME", &user.home)];
            for (name, value) in variables {
                if let (Some(value), false) = (value, service.environment.contains_key(name)) {
                    script.program("export", [name, value])?;
                }
            }
        }
        for (name, value) in &service.environment {
            script.program("export", [name, value])?;
        }
        Ok(())
    }

    /// The same, for a script that runs when `run` has read the files.
    fn late_surroundings(&self, script: &mut Script<'_>, service: &Service) -> Result<()> {
        self.surroundings(script, service)?;
        if !service.environment_files.is_empty() {
            script.program("s6-envdir", ["-I", "-f", "-L", "environment"])?;
        }
        Ok(())
    }

    fn step(
        &self,
        script: &mut Script<'_>,
        service: &Service,
        member: &str,
        step: &Step,
    ) -> Result<()> {
        script
            .first(|script| self.command(script, service, member, &step.command, step.as_root))?;
        match (step.condition, step.ignore_failure) {
            (true, _) => script.unless_success(&self.lib("skip"))?,
            (false, false) => script.unless_success(&self.lib("exit"))?,
            (false, true) => script.forget_code()?,
        };
        Ok(())
    }

    /// A command of the service, as its user and in its directory.
    fn command(
        &self,
        script: &mut Script<'_>,
        service: &Service,
        member: &str,
        command: &Command,
        as_root: bool,
    ) -> Result<()> {
        if let (Some(user), false) = (&service.user, as_root) {
            let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
            let groups: Vec<_> = user.groups.iter().map(u32::to_string).collect();
            let groups = if groups.is_empty() { gid.clone() } else { groups.join(",") };
            // Only root can change the user. `../../root` exists if this is root.
            script
                .program("ifthenelse", ["-s"])?
                .block(|script| script.program("test", ["-e", "../../root"]).map(drop))?
                .block(|script| {
                    if service.ambient_capabilities.is_empty() {
                        script
                            .program("s6-applyuidgid", ["-u", &uid, "-g", &gid, "-G", &groups])?;
                        return Ok(());
                    }
                    // The file that `run` has written.
                    let key = format!("{}_capabilities", self.key);
                    let capabilities = format!("${{{key}}}");
                    script
                        .program("backtick", ["-E", &key])?
                        .block(|script| script.program("cat", ["capabilities"]).map(drop))?
                        .program(
                            "setpriv",
                            [
                                "--reuid",
                                &uid,
                                "--regid",
                                &gid,
                                "--groups",
                                &groups,
                                "--inh-caps",
                                &capabilities,
                                "--ambient-caps",
                                &capabilities,
                                "--",
                            ],
                        )
                        .map(drop)
                })?
                .block(|_| Ok(()))?;
        }
        let directory = service.working_directory.as_deref().unwrap_or("/");
        if service.working_directory_optional {
            script
                .program("ifthenelse", ["-s"])?
                .block(|script| script.program("test", ["-d", directory]).map(drop))?
                .block(|script| script.program("cd", [directory]).map(drop))?
                .block(|script| script.program("cd", ["/"]).map(drop))?;
        } else {
            script.program("cd", [directory])?;
        }
        if let Command::Line { argv0: Some(name), .. } = command {
            script.program("exec", ["-a", name])?;
        }
        script.command(&service.words(member, command)?)
    }

    /// The option of a soft limit. Containers cannot raise hard limits, and need not lower them.
    fn limit(&self, service: &Service, name: &str, limit: &str) -> Result<[String; 2]> {
        let option = match name {
            "as" => "-a",
            "core" => "-c",
            "data" => "-d",
            "fsize" => "-f",
            "memlock" => "-l",
            "nofile" => "-o",
            "nproc" => "-p",
            "rss" => "-r",
            "stack" => "-s",
            "cpu" => "-t",
            _ => {
                return Err(service.refuse(
                    "limits",
                    format!(
                        "{name:?} is not one of as, core, cpu, data, fsize, memlock, nofile, nproc, \
                         rss, stack: remove it, or set it for the container"
                    ),
                ));
            }
        };
        let soft = limit.split(':').next().unwrap_or(limit);
        let value = match soft {
            "infinity" | "unlimited" => "=".to_owned(),
            _ => soft.parse::<u64>().map(|number| number.to_string()).map_err(|_| {
                service
                    .refuse("limits", format!("{name}: {limit:?} is not a number or \"infinity\""))
            })?,
        };
        Ok([option.to_owned(), value])
    }
}

/// Whether the output of a service passes through another program.
pub(crate) fn is_logged(service: &Service) -> bool {
    service.logger.is_some() || service.prefix.is_some()
}
