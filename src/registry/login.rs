//! Proving who one is when a registry asks: by a password, or by a token that somebody else
//! [hands out](https://distribution.github.io/distribution/spec/auth/token/).

use std::{fmt::Display, sync::Mutex};

use http_auth::{ChallengeRef, parse_challenges};
use reqwest::{
    Method, Request, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use super::{
    credentials::Secret,
    failure::Failure,
    http::{Http, leaves_tls},
};
use crate::pool::lock;

/// The largest token that is read, with what is around it.
const MAX_TOKEN: u64 = 1 << 20;

/// What one may do in a registry, once that is proved.
pub(super) struct Login {
    secret: Secret,
    /// What tokens shall be good for: `repository:NAME:pull`.
    scopes: Vec<String>,
    /// What requests have as their Authorization.
    key: Mutex<Option<HeaderValue>>,
}

impl Login {
    pub(super) fn new(secret: Secret, scopes: Vec<String>) -> Self {
        Self { secret, scopes, key: Mutex::default() }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.secret, Secret::None)
    }

    /// Adds to the request what is known to open the registry, and returns it.
    pub(super) fn sign(&self, request: &mut Request) -> Option<HeaderValue> {
        let key = lock(&self.key).clone();
        if let Some(key) = &key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        key
    }

    /// Finds a key in place of one that the registry refused with these headers. Says whether there is another now.
    pub(super) fn renew(
        &self,
        http: &Http,
        registry: &Url,
        headers: &HeaderMap,
        refused: Option<&HeaderValue>,
    ) -> Result<bool, Failure> {
        // While one thread asks for a token, others wait for it here.
        let mut key = lock(&self.key);
        if key.as_ref() != refused {
            return Ok(true);
        }
        let texts: Vec<&str> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|text| text.to_str().ok()).collect();
        let challenges: Vec<ChallengeRef> =
            texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten().collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        let new = if let Some(challenge) = of("Bearer") {
            format!("Bearer {}", self.token(http, registry, challenge)?)
        } else if of("Basic").is_some() && refused.is_none() {
            match &self.secret {
                Secret::None => return Ok(false),
                Secret::Password { user, password } => basic(user, password),
                Secret::Identity(_) => {
                    return Err(Failure::Denied(
                        "it wants a password, and there is an identity token for it".to_owned(),
                    ));
                }
            }
        } else {
            return Ok(false);
        };
        let odd = |_| Failure::Odd("a token that no request can hold".to_owned());
        let mut new = HeaderValue::from_str(&new).map_err(odd)?;
        new.set_sensitive(true);
        *key = Some(new);
        Ok(true)
    }

    /// Asks for a token where the challenge says.
    fn token(&self, http: &Http, registry: &Url, challenge: &ChallengeRef) -> Result<String, Failure> {
        let parameter = |name: &str| {
            let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_unescaped())
        };
        let odd = |why: &dyn Display| Failure::Odd(format!("where its tokens are is no address: {why}"));
        let realm = parameter("realm").unwrap_or_default();
        let mut url = Url::parse(&realm).map_err(|error| odd(&error))?;
        if leaves_tls(registry, &url) && !self.is_anonymous() {
            return Err(Failure::Odd("its tokens are where a password would go without TLS".to_owned()));
        }
        let service = parameter("service");
        let request = match &self.secret {
            // https://distribution.github.io/distribution/spec/auth/oauth/
            Secret::Identity(token) => {
                let scope = self.scopes.join(" ");
                let service = service.unwrap_or_default();
                http.request(Method::POST, url).form(&[
                    ("grant_type", "refresh_token"),
                    ("service", &service),
                    ("scope", &scope),
                    ("client_id", env!("CARGO_PKG_NAME")),
                    ("refresh_token", token),
                ])
            }
            secret => {
                url.query_pairs_mut()
                    .extend_pairs(self.scopes.iter().map(|scope| ("scope", scope)))
                    .extend_pairs(service.iter().map(|service| ("service", service)));
                let request = http.request(Method::GET, url);
                match secret {
                    Secret::Password { user, password } => request.basic_auth(user, Some(password)),
                    _ => request,
                }
            }
        };
        let response = http.send(request.build().map_err(Failure::Request)?)?;
        if !response.status().is_success() {
            return Err(match Failure::refused(http, response)? {
                Failure::Refused(refusal) if refusal.status < 429 => Failure::Denied(refusal.message),
                other => other,
            });
        }
        let body = http.body(response, MAX_TOKEN)?.unwrap_or_default();
        let Ok(Token { token, access_token }) = serde_json::from_slice(&body) else { return Err(Failure::NoToken) };
        token.or(access_token).ok_or(Failure::NoToken)
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn basic(user: &str, password: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
