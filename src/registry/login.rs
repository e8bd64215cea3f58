//! Authentication with a password, or with a token from a [token
//! service](https://distribution.github.io/distribution/spec/auth/token/).

use std::{
    fmt::Display,
    sync::{Arc, Mutex},
};

use reqwest::{
    Method, Request, RequestBuilder, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde_json::Value;

use crate::{
    pool::lock,
    registry::{
        challenge::Challenge,
        credentials::Secret,
        failure::Failure,
        http::{Http, leaves_tls},
    },
};

/// The maximum size of a token response.
const MAX_TOKEN: u64 = 1 << 20;

/// A login for a registry: the credentials, and the token that they gave.
pub(crate) struct Login {
    secret: Arc<Secret>,
    /// The current identity token. A token service may replace it with each response.
    identity: Arc<Mutex<Option<Identity>>>,
    /// The scopes of tokens, such as `repository:NAME:pull`.
    scopes: Vec<String>,
    /// The value of the `Authorization` header.
    key: Mutex<Option<HeaderValue>>,
}

/// An identity token, and the token service that it belongs to. It is never sent to another one.
struct Identity {
    token: String,
    home: Option<Url>,
}

impl Login {
    pub(crate) fn new(secret: Secret, scopes: Vec<String>) -> Self {
        let identity = secret.identity.clone().map(|token| Identity { token, home: None });
        let identity = Arc::new(Mutex::new(identity));
        Self { secret: Arc::new(secret), identity, scopes, key: Mutex::default() }
    }

    /// A login with the same credentials whose tokens also cover this scope. Its tokens are
    /// separate, because a token service may refuse a whole request for one of its scopes.
    pub(crate) fn with(&self, scope: String) -> Self {
        // Some token services grant only the last scope, so this login's own scopes come last.
        let scopes = [scope].into_iter().chain(self.scopes.iter().cloned()).collect();
        // A password is valid for all scopes.
        let key = lock(&self.key).clone().filter(|key| key.as_bytes().starts_with(b"Basic "));
        let (secret, identity) = (Arc::clone(&self.secret), Arc::clone(&self.identity));
        Self { secret, identity, scopes, key: Mutex::new(key) }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.secret.is_none()
    }

    /// What went wrong while looking for credentials.
    pub(crate) fn notes(&self) -> &[String] {
        &self.secret.notes
    }

    /// Adds the current `Authorization` header to a request, and returns it.
    pub(crate) fn sign(&self, request: &mut Request) -> Option<HeaderValue> {
        let key = lock(&self.key).clone();
        if let Some(key) = &key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        key
    }

    /// Obtains a new `Authorization` header after the registry refused one with these headers.
    /// Returns whether there is a new one.
    pub(crate) fn renew(
        &self,
        http: &Http,
        registry: &Url,
        headers: &HeaderMap,
        refused: Option<&HeaderValue>,
    ) -> Result<bool, Failure> {
        // While one thread requests a token, the others wait here.
        let mut key = lock(&self.key);
        if key.as_ref() != refused {
            return Ok(true);
        }
        let challenges = Challenge::all(headers);
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.is(scheme));
        // A registry that names an unknown scheme may still accept the password that was stored for
        // it. crane sends it too.
        let is_for_password = of("Basic").is_some() || of("Bearer").is_none();
        let basic =
            self.basic().filter(|basic| is_for_password && refused.is_none_or(|key| key != basic));
        let new = match of("Bearer") {
            Some(challenge) => match (self.bearer(http, registry, challenge, refused), basic) {
                (Ok(new), basic) => new.or(basic),
                (Err(failure), Some(basic)) if !failure.may_pass(true) => Some(basic),
                (Err(failure), _) => return Err(failure),
            },
            None if basic.is_none()
                && of("Basic").is_some()
                && !self.is_anonymous()
                && refused.is_none() =>
            {
                return Err(Failure::Denied(
                    "it requires a password, but the stored credentials are a token".to_owned(),
                ));
            }
            None => basic,
        };
        let Some(mut new) = new else { return Ok(false) };
        new.set_sensitive(true);
        *key = Some(new);
        Ok(true)
    }

    fn basic(&self) -> Option<HeaderValue> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let (user, password) = self.secret.password.as_ref()?;
        let pair = STANDARD.encode([user, &b":"[..], password].concat());
        Some(HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is a header value"))
    }

    fn bearer(
        &self,
        http: &Http,
        registry: &Url,
        challenge: &Challenge,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let token = match (&self.secret.token, refused) {
            (Some(token), None) => token.clone(),
            (Some(_), Some(_)) => return Ok(None),
            (None, _) => self.token(http, registry, challenge)?,
        };
        let odd = |_| Failure::Odd("its token is not a valid header value".to_owned());
        HeaderValue::from_str(&format!("Bearer {token}")).map(Some).map_err(odd)
    }

    /// Requests a token from the service that the challenge names.
    fn token(&self, http: &Http, registry: &Url, challenge: &Challenge) -> Result<String, Failure> {
        let odd = |why: &dyn Display| {
            Failure::Odd(format!("the address of its token service is invalid: {why}"))
        };
        let realm =
            challenge.parameter("realm").ok_or_else(|| odd(&"the challenge has no realm"))?;
        let url = registry.join(realm).map_err(|error| odd(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(odd(&"expected http:// or https://"));
        }
        if leaves_tls(registry, &url) && !self.is_anonymous() {
            return Err(Failure::Odd(
                "its token service does not use TLS, and must not receive a password".to_owned(),
            ));
        }
        let scopes = self.scopes(challenge.parameter("scope").unwrap_or_default());
        let service = challenge.parameter("service");
        let mut identity = lock(&self.identity);
        let response = match &mut *identity {
            Some(Identity { token, home }) => {
                if home.get_or_insert_with(|| url.clone()).origin() != url.origin() {
                    return Err(Failure::Odd("it names several token services".to_owned()));
                }
                let request = exchange(http, url.clone(), service, &scopes, token);
                let response = http.send_at_home(request.build().map_err(Failure::Request)?)?;
                // A service may not support this protocol, but the other one.
                match response.status().as_u16() {
                    404 | 405 if self.secret.password.is_some() => {
                        send(http, self.ask(http, url, service, &scopes))?
                    }
                    _ => response,
                }
            }
            None => send(http, self.ask(http, url, service, &scopes))?,
        };
        if !response.status().is_success() {
            return Err(match http.refused(response)? {
                Failure::Refused(refusal) if matches!(refusal.status, 400 | 401 | 403) => {
                    Failure::Denied(refusal.message)
                }
                Failure::Refused(refusal) if refusal.status < 429 => {
                    Failure::Odd(format!("its token service returned status {}", refusal.status))
                }
                other => other,
            });
        }
        let body = http.body(response, MAX_TOKEN)?.unwrap_or_default();
        let Answer { token, refresh } = Answer::parse(&body).ok_or(Failure::NoToken)?;
        if let (Some(old), Some(new)) = (identity.as_mut(), refresh) {
            old.token = new;
        }
        Ok(token)
    }

    /// The scopes to request: those of this login, and those that the registry names for other
    /// repositories, because a proxy may use other names.
    fn scopes(&self, wanted: &str) -> Vec<String> {
        let named = |scope: &str| scope.rsplit_once(':').map(|(name, _)| name.to_owned());
        let is_new = |scope: &&str| {
            scope.starts_with("repository:")
                && !self.scopes.iter().any(|own| named(own) == named(scope))
        };
        wanted
            .split_whitespace()
            .filter(is_new)
            .map(str::to_owned)
            .chain(self.scopes.iter().cloned())
            .collect()
    }

    fn ask(
        &self,
        http: &Http,
        mut url: Url,
        service: Option<&str>,
        scopes: &[String],
    ) -> RequestBuilder {
        url.query_pairs_mut()
            .extend_pairs(scopes.iter().map(|scope| ("scope", scope)))
            .extend_pairs(service.iter().map(|service| ("service", service)));
        let request = http.request(Method::GET, url);
        self.basic()
            .into_iter()
            .fold(request, |request, basic| request.header(AUTHORIZATION, basic))
    }
}

/// Requests a token with an identity token:
/// [OAuth](https://distribution.github.io/distribution/spec/auth/oauth/).
fn exchange(
    http: &Http,
    url: Url,
    service: Option<&str>,
    scopes: &[String],
    token: &str,
) -> RequestBuilder {
    http.request(Method::POST, url).form(&[
        ("grant_type", "refresh_token"),
        ("service", service.unwrap_or_default()),
        ("scope", &scopes.join(" ")),
        ("client_id", env!("CARGO_PKG_NAME")),
        ("refresh_token", token),
    ])
}

fn send(http: &Http, request: RequestBuilder) -> Result<reqwest::Response, Failure> {
    http.send(request.build().map_err(Failure::Request)?)
}

/// The response of a token service. Its `expires_in` is ignored, because the registry reports when
/// a token has expired.
struct Answer {
    token: String,
    refresh: Option<String>,
}

impl Answer {
    /// `token` or `access_token` may be missing, null or empty.
    fn parse(body: &[u8]) -> Option<Self> {
        let answer: Value =
            serde_json::from_str(String::from_utf8_lossy(body).trim_start_matches('\u{feff}'))
                .ok()?;
        let member = |name: &str| {
            let text = answer[name].as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        Some(Self {
            token: member("token").or_else(|| member("access_token"))?,
            refresh: member("refresh_token"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_answer() {
        for (body, expected) in [
            (r#"{"token":"a"}"#, Some("a")),
            (r#"{"access_token":"a"}"#, Some("a")),
            (r#"{"token":"a","access_token":"b"}"#, Some("a")),
            (r#"{"token":"","access_token":"a"}"#, Some("a")),
            (r#"{"token":null,"access_token":"a"}"#, Some("a")),
            (r#"{"token":"a","access_token":""}"#, Some("a")),
            (
                r#"{"token":"a","access_token":null,"expires_in":"300","issued_at":"yesterday"}"#,
                Some("a"),
            ),
            (r#"{"token":"a","expires_in":0,"issued_at":0}"#, Some("a")),
            (r#"{"token":"a","expires_in":-1,"issued_at":""}"#, Some("a")),
            (r#"{"token":"a","expires_in":3599.5,"scope":["x"],"token_type":"bearer"}"#, Some("a")),
            (r#"{"token":5,"access_token":"a"}"#, Some("a")),
            ("\u{feff}{\"token\":\"a\\n\"}\n", Some("a")),
            (r#"{"token":""}"#, None),
            (r#"{"token":" ","access_token":""}"#, None),
            (r#"{"expires_in":300}"#, None),
            (r#""a""#, None),
            (r#"["a"]"#, None),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(
                Answer::parse(body.as_bytes()).map(|answer| answer.token).as_deref(),
                expected,
                "{body}"
            );
        }
        let latin = Answer::parse(b"{\"token\":\"a\",\"name\":\"Andr\xe9\"}");
        assert_eq!(latin.map(|answer| answer.token).as_deref(), Some("a"));
    }

    #[test]
    fn the_registry_may_have_another_name() {
        let login = Login::new(Secret::default(), vec!["repository:a/b:pull,push".to_owned()]);
        for (wanted, added) in [
            ("", &[][..]),
            ("repository:a/b:pull", &[]),
            ("repository:a/b:push,pull", &[]),
            ("repository:prefix/a/b:pull,push", &["repository:prefix/a/b:pull,push"]),
            ("registry:catalog:*", &[]),
        ] {
            assert_eq!(
                login.scopes(wanted),
                [added, &["repository:a/b:pull,push"]].concat(),
                "{wanted}"
            );
        }
    }
}
