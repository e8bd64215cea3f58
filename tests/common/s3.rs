//! A server of S3, which `moto_server` is.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oci_layout::{on_demand::Storage, registry::Client};

/// An S3 server on this machine, with a bucket.
pub struct S3 {
    server: Child,
    pub port: u16,
}

impl S3 {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().expect("moto_server: pip install 'moto[server]'");
        let this = Self { server, port };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "moto_server does not start");
            thread::sleep(Duration::from_millis(50));
        }
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let host = "Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        write!(connection, "PUT /bucket HTTP/1.1\r\n{host}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        this
    }

    pub fn storage(&self) -> Storage {
        let options = [
            ("endpoint", format!("http://127.0.0.1:{}", self.port)),
            ("allow_http", "true".to_owned()),
            ("region", "us-east-1".to_owned()),
            ("access_key_id", "test".to_owned()),
            ("secret_access_key", "test".to_owned()),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value)).into();
        Storage::bucket("s3://bucket/a/folder", &options, &Client::default()).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
