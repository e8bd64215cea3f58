//! Values of `config`, grouped by what engines do with them. Each was tried with podman 4.3 (runc)
//! and with Docker 20.10 and 28.5, with its own store and with containerd's, in images made by
//! hand.

use serde_json::{Value, json};

/// The invalid member, and a `config` that has it.
pub type Wrong = (&'static str, Value);

/// Values that no engine runs, or that violate the types of the specifications.
pub fn forbidden() -> Vec<Wrong> {
    vec![
        ("config.User", json!({ "User": 1000 })),
        ("config.User", json!({ "User": "-1" })),
        ("config.User", json!({ "User": "2147483648" })),
        ("config.User", json!({ "User": "app:4294967295" })),
        ("config.ExposedPorts", json!({ "ExposedPorts": ["80/tcp"] })),
        ("config.ExposedPorts", json!({ "ExposedPorts": 80 })),
        ("config.ExposedPorts.80/tcp", json!({ "ExposedPorts": { "80/tcp": "" } })),
        ("config.Env", json!({ "Env": { "A": "1" } })),
        ("config.Env", json!({ "Env": "A=1" })),
        ("config.Env[0]", json!({ "Env": ["A"] })),
        ("config.Env[0]", json!({ "Env": [""] })),
        ("config.Env[1]", json!({ "Env": ["A=1", "=B"] })),
        ("config.Env[0]", json!({ "Env": [1] })),
        ("config.Env[0]", json!({ "Env": ["A=\0"] })),
        ("config.Entrypoint", json!({ "Entrypoint": "/bin/app" })),
        ("config.Entrypoint[1]", json!({ "Entrypoint": ["/bin/app", 1] })),
        ("config.Cmd", json!({ "Cmd": "sh -c x" })),
        ("config.Cmd[0]", json!({ "Cmd": [null] })),
        ("config.Cmd[0]", json!({ "Cmd": ["/bin/app\0"] })),
        ("config.Volumes", json!({ "Volumes": ["/data"] })),
        ("config.Volumes", json!({ "Volumes": "/data" })),
        ("config.Volumes./data", json!({ "Volumes": { "/data": [] } })),
        ("config.Volumes./", json!({ "Volumes": { "/": {} } })),
        ("config.Volumes./a/..", json!({ "Volumes": { "/a/..": {} } })),
        ("config.Volumes./proc", json!({ "Volumes": { "/proc": {} } })),
        ("config.WorkingDir", json!({ "WorkingDir": "app" })),
        ("config.WorkingDir", json!({ "WorkingDir": "./app" })),
        ("config.WorkingDir", json!({ "WorkingDir": "." })),
        ("config.WorkingDir", json!({ "WorkingDir": " /app" })),
        ("config.WorkingDir", json!({ "WorkingDir": "C:\\app" })),
        ("config.WorkingDir", json!({ "WorkingDir": ["/app"] })),
        ("config.Labels", json!({ "Labels": ["a=b"] })),
        ("config.Labels.a", json!({ "Labels": { "a": 1 } })),
        ("config.StopSignal", json!({ "StopSignal": 15 })),
        ("config.StopTimeout", json!({ "StopTimeout": "10" })),
        ("config.StopTimeout", json!({ "StopTimeout": 1.5 })),
        ("config.StopTimeout", json!({ "StopTimeout": 10.0 })),
        ("config.OnBuild", json!({ "OnBuild": "RUN x" })),
        ("config.OnBuild[0]", json!({ "OnBuild": [1] })),
        ("config.Shell", json!({ "Shell": "/bin/sh" })),
        ("config.Shell[0]", json!({ "Shell": [1] })),
        ("config.ArgsEscaped", json!({ "ArgsEscaped": "yes" })),
        ("config.Memory", json!({ "Memory": "1g" })),
        ("config.MemorySwap", json!({ "MemorySwap": 1.5 })),
        ("config.CpuShares", json!({ "CpuShares": "2" })),
        ("config.Hostname", json!({ "Hostname": 1 })),
        ("config.Domainname", json!({ "Domainname": 1 })),
        ("config.Tty", json!({ "Tty": "yes" })),
        ("config.OpenStdin", json!({ "OpenStdin": 1 })),
        ("config.StdinOnce", json!({ "StdinOnce": 1 })),
        ("config.AttachStdin", json!({ "AttachStdin": 1 })),
        ("config.AttachStdout", json!({ "AttachStdout": 1 })),
        ("config.AttachStderr", json!({ "AttachStderr": 1 })),
        ("config.NetworkDisabled", json!({ "NetworkDisabled": "no" })),
        ("config.MacAddress", json!({ "MacAddress": 1 })),
        ("config.Image", json!({ "Image": 1 })),
        ("config.Healthcheck", json!({ "Healthcheck": "curl" })),
        ("config.Healthcheck", json!({ "Healthcheck": ["CMD", "x"] })),
        ("config.Healthcheck.Test", json!({ "Healthcheck": { "Test": "curl" } })),
        ("config.Healthcheck.Test[1]", json!({ "Healthcheck": { "Test": ["CMD", 1] } })),
        ("config.Healthcheck.Interval", json!({ "Healthcheck": { "Interval": "30s" } })),
        ("config.Healthcheck.Interval", json!({ "Healthcheck": { "Interval": 3e10 } })),
        ("config.Healthcheck.Timeout", json!({ "Healthcheck": { "Timeout": 1.5 } })),
        ("config.Healthcheck.StartPeriod", json!({ "Healthcheck": { "StartPeriod": true } })),
        ("config.Healthcheck.StartInterval", json!({ "Healthcheck": { "StartInterval": "5s" } })),
        (
            "config.Healthcheck.Interval",
            json!({ "Healthcheck": { "Interval": 9_223_372_036_854_775_808_u64 } }),
        ),
        ("config.Healthcheck.Retries", json!({ "Healthcheck": { "Retries": "3" } })),
        ("config.Healthcheck.Retries", json!({ "Healthcheck": { "Retries": 1.5 } })),
    ]
}

/// Values without a meaning that some engines refuse, when they load the image or later.
pub fn refused() -> Vec<Wrong> {
    vec![
        // podman: "invalid signal".
        ("config.StopSignal", json!({ "StopSignal": "SIGFOO" })),
        ("config.StopSignal", json!({ "StopSignal": "0" })),
        ("config.StopSignal", json!({ "StopSignal": "65" })),
        ("config.StopSignal", json!({ "StopSignal": " 15" })),
        ("config.StopSignal", json!({ "StopSignal": "0x9" })),
        ("config.StopSignal", json!({ "StopSignal": "SIGRTMIN+16" })),
        // Docker: "mount path must be absolute", if the image comes from a build.
        ("config.Volumes.data", json!({ "Volumes": { "data": {} } })),
        ("config.Volumes../data", json!({ "Volumes": { "./data": {} } })),
        ("config.Volumes.", json!({ "Volumes": { "": {} } })),
        // Docker 29: https://github.com/moby/moby/issues/52553
        ("config.ExposedPorts.80-90/tcp", json!({ "ExposedPorts": { "80-90/tcp": {} } })),
        ("config.ExposedPorts.http", json!({ "ExposedPorts": { "http": {} } })),
        ("config.ExposedPorts.99999/tcp", json!({ "ExposedPorts": { "99999/tcp": {} } })),
        ("config.ExposedPorts.0/tcp", json!({ "ExposedPorts": { "0/tcp": {} } })),
        ("config.ExposedPorts.80/http", json!({ "ExposedPorts": { "80/http": {} } })),
        ("config.ExposedPorts.", json!({ "ExposedPorts": { "": {} } })),
        ("config.ExposedPorts.80/", json!({ "ExposedPorts": { "80/": {} } })),
        ("config.ExposedPorts.+80/tcp", json!({ "ExposedPorts": { "+80/tcp": {} } })),
        // podman and Docker 28. Docker 20 runs it.
        ("config.User", json!({ "User": "1000:1000:1000" })),
        ("config.User", json!({ "User": " 7" })),
        // Docker, when it creates a container: "Interval in Healthcheck cannot be less than 1ms".
        ("config.Healthcheck.Interval", json!({ "Healthcheck": { "Interval": 30 } })),
        ("config.Healthcheck.Timeout", json!({ "Healthcheck": { "Timeout": 999_999 } })),
        ("config.Healthcheck.StartPeriod", json!({ "Healthcheck": { "StartPeriod": -1 } })),
        ("config.Healthcheck.Retries", json!({ "Healthcheck": { "Retries": -1 } })),
        ("config.Healthcheck.Test", json!({ "Healthcheck": { "Test": ["curl", "x"] } })),
        ("config.Healthcheck.Test", json!({ "Healthcheck": { "Test": ["CMD"] } })),
    ]
}

/// Values that every engine accepts.
pub fn taken() -> Vec<Value> {
    vec![
        json!({ "User": "0" }),
        json!({ "User": "" }),
        json!({ "User": "1000:1000" }),
        json!({ "User": "2147483647" }),
        json!({ "User": ":7" }),
        json!({ "ExposedPorts": { "80": {}, "80/tcp": {}, "53/udp": {}, "9/sctp": {}, "65535/tcp": {} } }),
        json!({ "Env": ["A=", "B=x=y", "C D=1", "é=é", "E=two\nlines"] }),
        json!({ "Volumes": { "/data": {}, "/data/": {}, "/a b": {}, "/a:b": {}, "/proc/../srv": {} } }),
        json!({ "WorkingDir": "" }),
        json!({ "WorkingDir": "/a b" }),
        json!({ "WorkingDir": "//a/../b" }),
        json!({ "Labels": { "": "x", "a": "" } }),
        json!({ "StopSignal": "SIGTERM" }),
        json!({ "StopSignal": "term" }),
        json!({ "StopSignal": "15" }),
        json!({ "StopSignal": "64" }),
        json!({ "StopSignal": "SIGRTMIN+3" }),
        json!({ "StopSignal": "RTMAX-14" }),
        json!({ "StopSignal": "SIGPOLL" }),
        json!({ "StopSignal": "" }),
        json!({ "StopTimeout": 0 }),
        json!({ "StopTimeout": -1 }),
        json!({ "OnBuild": [], "Shell": ["/bin/sh", "-c"], "ArgsEscaped": true }),
        json!({ "Memory": 0, "MemorySwap": -1, "CpuShares": 2 }),
        json!({ "Hostname": "h", "Domainname": "d", "Tty": false, "NetworkDisabled": false, "Image": "" }),
        json!({ "Healthcheck": {} }),
        json!({ "Healthcheck": { "Test": [] } }),
        json!({ "Healthcheck": { "Test": ["NONE"] } }),
        json!({ "Healthcheck": { "Test": ["CMD", "/bin/true"], "Interval": 1_000_000, "Timeout": 0, "Retries": 0 } }),
        json!({ "Healthcheck": { "Test": ["CMD-SHELL", "true"], "StartPeriod": 30_000_000_000_u64 } }),
    ]
}
