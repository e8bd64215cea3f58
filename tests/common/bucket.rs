//! Buckets on this machine: of S3, which `moto_server` offers, and of Azure, which `azurite-blob`
//! does.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use oci_layout::{on_demand::Storage, registry::Client};
use sha2::Sha256;

/// The account that Azurite has, and its key, which its documentation states.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Provider {
    S3,
    Azure,
}

/// A server with a bucket.
pub struct Bucket {
    server: Child,
    provider: Provider,
    pub port: u16,
    /// What the server stores.
    _folder: tempfile::TempDir,
}

impl Bucket {
    pub fn of(provider: Provider) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let (program, host, port_option, package) = match provider {
            Provider::S3 => ("moto_server", "-H", "-p", "pip install 'moto[server]'"),
            Provider::Azure => {
                ("azurite-blob", "--blobHost", "--blobPort", "npm install -g azurite")
            }
        };
        let mut command = Command::new(program);
        command.args([host, "127.0.0.1", port_option, &port.to_string()]);
        command.current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().unwrap_or_else(|error| panic!("{package}: {error}"));
        let this = Self { server, provider, port, _folder: folder };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{program} does not start");
            thread::sleep(Duration::from_millis(50));
        }
        this.create();
        this
    }

    fn create(&self) {
        let (path, headers) = match self.provider {
            Provider::S3 => ("/bucket".to_owned(), String::new()),
            Provider::Azure => {
                let path = format!("/{ACCOUNT}/bucket");
                let fixed = format!(
                    "x-ms-date:{}\nx-ms-version:2023-11-03\n",
                    jiff::Zoned::now()
                        .with_time_zone(jiff::tz::TimeZone::UTC)
                        .strftime("%a, %d %b %Y %H:%M:%S GMT")
                );
                // Shared Key, for the version 2009-09-19 and later: twelve lines of which only the
                // method is not empty, the headers, and the resource.
                let signed =
                    format!("PUT{}{fixed}/{ACCOUNT}{path}\nrestype:container", "\n".repeat(12));
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
                mac.update(signed.as_bytes());
                let signature = STANDARD.encode(mac.finalize().into_bytes());
                let login = format!("Authorization: SharedKey {ACCOUNT}:{signature}\r\n");
                (path + "?restype=container", fixed.replace('\n', "\r\n") + &login)
            }
        };
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let host = "Host: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n";
        write!(connection, "PUT {path} HTTP/1.1\r\n{host}{headers}\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }

    /// The address of the service, as the option `storage.endpoint` has it.
    pub fn endpoint(&self) -> String {
        match self.provider {
            Provider::S3 => format!("http://127.0.0.1:{}", self.port),
            Provider::Azure => format!("http://127.0.0.1:{}/{ACCOUNT}", self.port),
        }
    }

    /// The table `storage` of a file of `serve --config`.
    pub fn config(&self) -> String {
        let endpoint = self.endpoint();
        let (url, more) = match self.provider {
            Provider::S3 => ("s3://bucket/a/folder", "region = \"us-east-1\"".to_owned()),
            Provider::Azure => ("az://bucket/a/folder", format!("account = \"{ACCOUNT}\"")),
        };
        format!(
            "[storage]\nbucket = \"{url}\"\nendpoint = \"{endpoint}\"\nallow-http = true\n{more}\n"
        )
    }

    /// The variables with the credentials.
    pub fn environment(&self) -> Vec<(&'static str, &'static str)> {
        match self.provider {
            Provider::S3 => vec![
                ("AWS_ACCESS_KEY_ID", "access-of-a-test"),
                ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ],
            Provider::Azure => vec![("AZURE_STORAGE_ACCOUNT_KEY", KEY)],
        }
    }

    pub fn storage(&self) -> Storage {
        let (url, options) = match self.provider {
            Provider::S3 => (
                "s3://bucket/a/folder",
                "region us-east-1 access_key_id test secret_access_key test".to_owned(),
            ),
            Provider::Azure => {
                ("az://bucket/a/folder", format!("account_name {ACCOUNT} account_key {KEY}"))
            }
        };
        let options = format!("{options} endpoint {} allow_http true", self.endpoint());
        let words: Vec<_> = options.split(' ').map(str::to_owned).collect();
        let options = words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        Storage::bucket(url, &options, &Client::default()).unwrap()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
