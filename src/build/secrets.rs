//! Secrets stay out of the plan, and so out of manifest, seed and cache keys: what a profile writes out is taken from
//! it and given a name, and what it names must have been given.

use std::collections::BTreeMap;

use super::Error;
use crate::profile::{Profile, Secret};

/// Values by name.
pub(super) type Secrets = BTreeMap<String, String>;

/// Takes the values of literal secrets out of `profile`.
///
/// # Errors
/// A secret that the profile names was not given, or has a line's end in it.
pub(super) fn take(profile: &mut Profile, given: &Secrets) -> Result<Secrets, Error> {
    let mut values = given.clone();
    for (user, account) in &mut profile.machine.users {
        hide(account.password_hash.as_mut(), &format!("users.{user}.password_hash"), &mut values)?;
    }
    for connection in &mut profile.machine.connections {
        let name = format!("network.connections.{}.psk", connection.name);
        hide(connection.psk.as_mut(), &name, &mut values)?;
    }
    Ok(values)
}

/// Values become fields of passwd(5)'s and NetworkManager's files, where a line's end would begin something else.
fn is_sound(value: &str) -> bool {
    !value.is_empty() && !value.contains(|c: char| c.is_control()) && !value.starts_with(' ')
}

fn hide(secret: Option<&mut Secret>, name: &str, values: &mut Secrets) -> Result<(), Error> {
    let shown = match &secret {
        Some(Secret::Named(named)) => values.get(named).map(|value| (named.clone(), is_sound(value))),
        Some(Secret::Literal(value)) => Some((name.to_owned(), is_sound(value))),
        None => None,
    };
    if let Some((name, false)) = shown {
        return Err(Error::SecretText(name));
    }
    match secret {
        Some(Secret::Named(named)) if !values.contains_key(named) => Err(Error::Secret(named.clone())),
        Some(secret @ Secret::Literal(_)) => {
            let Secret::Literal(value) = std::mem::replace(secret, Secret::Named(name.to_owned())) else {
                unreachable!("matched on the line above")
            };
            values.insert(name.to_owned(), value);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secret: Secret, given: &[(&str, &str)]) -> (Result<(), Error>, Secret, Secrets) {
        let mut values: Secrets = given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut secret = secret;
        let done = hide(Some(&mut secret), "users.ann.password_hash", &mut values);
        (done, secret, values)
    }

    #[test]
    fn values_leave_the_profile_and_bad_ones_are_refused() {
        let (done, secret, values) = hidden(Secret::Literal("$6$x".into()), &[]);
        assert!(done.is_ok());
        assert_eq!(secret, Secret::Named("users.ann.password_hash".into()));
        assert_eq!(values["users.ann.password_hash"], "$6$x");
        assert!(matches!(hidden(Secret::Named("A".into()), &[]).0, Err(Error::Secret(_))));
        assert!(hidden(Secret::Named("A".into()), &[("A", "x")]).0.is_ok());
        for bad in ["", "a\nroot::0", " x", "\0"] {
            assert!(matches!(hidden(Secret::Named("A".into()), &[("A", bad)]).0, Err(Error::SecretText(_))), "{bad:?}");
        }
    }
}
