//! Proxies between the client and a registry.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use oci_layout::{
    Image,
    registry::{Client, Proxies, Reference},
};

use crate::common;
use crate::registry::client::{
    client,
    fake::{Registry, Then},
    image,
};

/// A name that does not resolve, so that only a proxy can reach it.
fn far() -> Reference {
    "registry.invalid/a/b:v1".parse().unwrap()
}

fn through(proxy: impl Into<String>) -> Client {
    let mut proxies = Proxies::default();
    proxies.http = Some(proxy.into());
    client().plain_http(true).proxies(proxies)
}

#[test]
fn a_proxy_is_used_for_remote_registries() {
    let image = Image::from(image("linux/amd64"));
    let proxy = Registry::with(&image);
    for written in [
        format!("http://{}", proxy.address),
        proxy.address.clone(),
        format!("http://{}/", proxy.address),
    ] {
        assert_eq!(through(written).image(&far(), None).unwrap().digest(), image.digest());
    }
    assert!(proxy.requests("").iter().all(|request| request.headers["host"] == "registry.invalid"));
    // A push too.
    let proxy = Registry::start();
    through(&proxy.address)
        .timeout(std::time::Duration::from_secs(2))
        .push(&image, &[far()])
        .unwrap();
    assert!(proxy.content("/v2/a/b/manifests/v1").is_some());
}

#[test]
fn a_proxy_with_a_password() {
    let proxy = Registry::with(&Image::from(image("linux/amd64")));
    through(format!("http://me:s%40x@{}", proxy.address)).image(&far(), None).unwrap();
    // `me:s@x` in base64.
    let sent = proxy.requests("/v2/").pop().unwrap().headers.remove("proxy-authorization");
    assert_eq!(sent.as_deref(), Some("Basic bWU6c0B4"));
    proxy.fault("/v2/", 9, Then::Say(407, Vec::new(), String::new()));
    let said =
        common::message(through(format!("http://me:secret@{}", proxy.address)).image(&far(), None));
    assert!(
        said.contains(&format!("the proxy {} requires a login (status 407)", proxy.address)),
        "{said}"
    );
    assert!(said.contains("USER:PASSWORD@") && !said.contains("secret"), "{said}");
}

#[test]
fn an_unreachable_proxy_is_an_error() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said =
        common::message(through(format!("http://me:secret@127.0.0.1:{port}")).image(&far(), None));
    let reason = format!(
        "cannot connect to registry.invalid through the proxy 127.0.0.1:{port} (Connection refused"
    );
    assert!(
        said.contains(&reason) && said.contains("NO_PROXY") && !said.contains("secret"),
        "{said}"
    );
    let said = common::message(through("ftp://me:secret@a.b").image(&far(), None));
    let reason = "the proxy for registry.invalid cannot be used (unknown scheme ftp: use http, \
        https, socks4, socks4a, socks5 or socks5h)";
    assert!(said.contains(reason) && !said.contains("secret"), "{said}");
    // The proxy is used neither for this machine nor for the hosts in NO_PROXY.
    let registry = Registry::with(&Image::from(image("linux/amd64")));
    through("ftp://a.b").image(&registry.reference(":v1"), None).unwrap();
    let mut proxies = Proxies::default();
    (proxies.http, proxies.no_proxy) = (Some("ftp://a.b".to_owned()), "invalid".to_owned());
    let said = common::message(client().plain_http(true).proxies(proxies).image(&far(), None));
    assert!(
        said.contains("cannot connect to registry.invalid (") && !said.contains("proxy"),
        "{said}"
    );
}

/// [RFC 1928](https://www.rfc-editor.org/rfc/rfc1928), as far as a client without a password needs
/// it.
#[test]
fn a_proxy_by_socks() {
    let image = Image::from(image("linux/amd64"));
    let registry = Registry::with(&image);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, target) = (listener.local_addr().unwrap(), registry.address.clone());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, target) = (client.unwrap(), target.clone());
            thread::spawn(move || serve(client, &target));
        }
    });
    let pulled = through(format!("socks5h://{address}")).image(&far(), None).unwrap();
    assert_eq!(pulled.digest(), image.digest());
}

/// Passes requests on to the target, whatever their address is.
fn serve(mut client: TcpStream, target: &str) -> io::Result<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting)?;
    client.read_exact(&mut vec![0; greeting[1].into()])?;
    client.write_all(&[5, 0])?;
    let mut request = [0; 5];
    client.read_exact(&mut request)?;
    assert_eq!(request[..4], [5, 1, 0, 3], "connect to a name");
    let mut name = vec![0; request[4].into()];
    client.read_exact(&mut name)?;
    client.read_exact(&mut [0; 2])?;
    assert_eq!(name, b"registry.invalid");
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let mut server = TcpStream::connect(target)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to));
    io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}
