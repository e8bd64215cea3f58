//! Raw HTTP.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::Value;

/// The response, up to the end of the connection or of its declared length.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}: {:?}", self.headers))
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether the body has its declared length.
    #[track_caller]
    pub fn is_whole(&self) -> bool {
        self.header("content-length") == self.body.len().to_string()
    }

    /// The code of the only error in the body.
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        let json = self.json();
        let [error] = &json["errors"].as_array().unwrap()[..] else { panic!("{json}") };
        assert!(!error["message"].as_str().unwrap().is_empty());
        error["code"].as_str().unwrap().to_owned()
    }
}

pub fn get(address: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    ask(address, "GET", target, headers)
}

pub fn ask(address: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    read(open(address, method, target, headers), method == "HEAD")
}

/// A connection with a request, whose response has not been read yet.
pub fn open(address: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Reads to the end of the connection, which may come at any time.
pub fn read(stream: TcpStream, is_head: bool) -> Answer {
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader);
    let mut body = Vec::new();
    // The test checks for an early end, and for what came before it.
    let _ = reader.read_to_end(&mut body);
    assert!(!is_head || body.is_empty(), "an answer to HEAD has a body");
    Answer { status, headers, body }
}

/// The status and the headers.
pub fn read_head(reader: &mut impl BufRead) -> (u16, BTreeMap<String, String>) {
    let mut lines = reader.lines().map(|line| line.unwrap());
    let status = lines.next().expect("an answer");
    let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    });
    (status.split(' ').nth(1).unwrap().parse().unwrap(), headers.collect())
}
