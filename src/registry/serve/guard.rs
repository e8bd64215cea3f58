//! Lets clients in: by a user and a password, or by a token.

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{HeaderMap, header};

use crate::{
    basics::error::Error,
    registry::serve::{
        access::{Access, Rights},
        blocking::Blocking,
        login::{Login, refuse},
        refusal::Refusal,
        watched::Watched,
    },
};

/// The user name with which a client can send a token as its password, because most clients cannot
/// send tokens otherwise.
const TOKEN_USER: &[u8] = b"token";

/// The users and tokens of an endpoint. Without either, every client may pull everything.
#[derive(Default)]
pub(crate) struct Guard {
    pub(crate) login: Option<Login>,
    pub(crate) access: Option<Watched<Access>>,
}

impl Guard {
    /// Whether clients have to log in.
    pub(crate) fn is_closed(&self) -> bool {
        self.login.is_some() || self.access.is_some()
    }

    /// What the client may pull. `trouble` receives the reason if a changed file is unusable.
    ///
    /// # Errors
    ///
    /// A refusal if there are no valid credentials.
    pub(crate) async fn rights(
        &self,
        headers: &HeaderMap,
        blocking: &Blocking,
        trouble: impl Fn(Error) + Copy,
    ) -> Result<Rights, Refusal> {
        if !self.is_closed() {
            return Ok(Rights::All);
        }
        let access = self.access.as_ref().map(|access| access.now(trouble));
        let of_token = |token: &[u8]| access.as_ref().and_then(|access| access.of_token(token));
        match credentials(headers) {
            None => Err(refuse("this registry requires a user name and a password: log in first")),
            Some(Credentials::Token(token)) => {
                of_token(&token).ok_or_else(|| refuse("this token is not valid"))
            }
            Some(Credentials::Password(user, password)) => {
                if user == TOKEN_USER
                    && let Some(rights) = of_token(&password)
                {
                    return Ok(rights);
                }
                let wrong = || refuse("the user name or the password is wrong");
                let login = self.login.as_ref().ok_or_else(wrong)?;
                login.check(user.clone(), password, blocking, trouble).await?;
                Ok(access.map_or(Rights::All, |access| access.of_user(&user)))
            }
        }
    }

    /// Reads the files again.
    pub(crate) fn again(&self, trouble: impl Fn(Error) + Copy) {
        self.login.iter().for_each(|login| login.again(trouble));
        self.access.iter().for_each(|access| access.again(trouble));
    }
}

enum Credentials {
    Token(Vec<u8>),
    Password(Vec<u8>, Vec<u8>),
}

/// The credentials of a request: Basic, [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617), or
/// Bearer, [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750).
fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Credentials::Token(token.into())).filter(|_| !token.is_empty());
    }
    let mut user =
        BASE64_STANDARD.decode(token).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.pop();
    Some(Credentials::Password(user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_rfc() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| {
                _ = headers.append(header::AUTHORIZATION, value.parse().unwrap())
            });
            credentials(&headers).map(|credentials| match credentials {
                Credentials::Token(token) => ("token".to_owned(), text(token)),
                Credentials::Password(user, password) => (text(user), text(password)),
            })
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        // Section 2: the example. A password may have a colon in it.
        assert_eq!(of(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), pair("Aladdin", "open sesame"));
        assert_eq!(of(&["bASIC QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), pair("Aladdin", "open sesame"));
        assert_eq!(of(&["Basic YTpiOmM="]), pair("a", "b:c"));
        assert_eq!(of(&["Basic Og=="]), pair("", ""));
        assert_eq!(of(&["Bearer YTpi"]), pair("token", "YTpi"));
        for wrong in [
            "Basic",
            "Basic ",
            "Basic QWxhZGRpbg==",
            "Basic !",
            "Bearer",
            "Bearer ",
            "Token YTpi",
            "YTpi",
            "Basic YTpi YTpi",
        ] {
            assert_eq!(of(&[wrong]), None, "{wrong}");
        }
        assert_eq!(of(&["Basic YTpi", "Basic YTpi"]), None);
        assert_eq!(of(&[]), None);
    }
}
